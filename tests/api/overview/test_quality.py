"""GET /api/v1/quality: the trend by session, sessions without any bar included."""

import datetime as dt

import asyncpg
import msgspec
import pytest

from api.overview.quality import Quality
from tests.api.market import BARS, KnownBar, june, project
from tests.api.overview.conftest import RESTATED, SESSIONS, SPOILT
from tests.api.served import Client, served

PATH = "/api/v1/quality"


async def _quality(client: Client, query: str = "") -> Quality:
    answer = await client.ask(f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Quality)


async def test_each_session_is_counted_by_what_the_rules_say(client: Client) -> None:
    found = await _quality(client, "start=2014-06-01&end=2014-06-30")
    assert [row.session for row in found.sessions] == [june(day) for day in (5, 6, 9, 10, 11)]
    assert [row.bars for row in found.sessions] == [5, 2, 2, 2, 2]
    assert [row.expected for row in found.sessions] == [5, 5, 5, 5, 5]
    last = found.sessions[-1]
    assert (last.validated, last.validation_rate) == (0, 0.0)
    assert last.mean_quality == pytest.approx(0.4)
    assert last.flagged == {"high_brackets": 2, "large_gap": 0, "volume_anomaly": 2, "corporate_action": 0}
    assert [row.flagged["large_gap"] for row in found.sessions] == [0, 0, 0, 2, 0]


async def test_without_a_range_the_last_thirty_sessions_are_told_of(overview: Client) -> None:
    found = await _quality(overview)
    assert [row.session for row in found.sessions] == SESSIONS[-30:]
    assert (found.start, found.end, found.count) == (SESSIONS[-30], dt.date(2026, 11, 21), 30)
    by_session = {row.session: row for row in found.sessions}
    spoilt = by_session[SPOILT]
    assert (spoilt.expected, spoilt.bars, spoilt.rejections) == (3, 2, 1)
    assert by_session[RESTATED].restatements == 1
    assert sum(row.restatements for row in found.sessions) == 1
    # The payload came at three in the morning, UTC.
    assert [(day.day, day.bars, day.symbols, day.first_session) for day in found.restated] == [
        (dt.date(2026, 11, 21), 1, 1, RESTATED)
    ]
    # OLD had its last bar in the twentieth session, NEW its first in the next; A has none in the last two.
    assert [row.expected for row in found.sessions] == [3] * 13 + [4] * 17
    assert (found.sessions[-1].expected, found.sessions[-1].bars) == (4, 2)


async def test_a_session_that_is_over_and_has_no_bar_at_all_shows(
    database_url: str, projector: asyncpg.Connection
) -> None:
    await project(projector, bars=[bar for bar in BARS if bar.session <= june(10)])
    async with served(database_url) as client:
        last = (await _quality(client)).sessions[-1]
    assert (last.session, last.expected, last.bars) == (june(11), 5, 0)
    assert (last.validation_rate, last.mean_quality) == (None, None)
    assert set(last.flagged.values()) == {0}


async def test_a_symbol_that_ended_is_expected_no_more(database_url: str, projector: asyncpg.Connection) -> None:
    days = [dt.date(2014, 7, day) for day in range(1, 31)]
    bars = [KnownBar("ENDS", days[2], 1.0, 1.0, 1.0, 1.0, 1.0)]
    bars += [KnownBar("STAYS", day, 1.0, 1.0, 1.0, 1.0, 1.0) for day in days]
    await project(projector, bars=bars, splits=[])
    await projector.executemany(
        "INSERT INTO projection.session (session, opens_at, closes_at) VALUES ($1::date, $1::date, $1::date)",
        [(day,) for day in days],
    )
    async with served(database_url) as client:
        found = await _quality(client, f"start={days[0]}&end={days[-1]}")
    assert [row.expected for row in found.sessions] == [1, 1, 2, *[1] * 27]


@pytest.mark.parametrize("query", ["start=2000-01-03", "start=2014-06-02&end=2014-06-01", "start=soon"])
async def test_a_range_that_is_too_long_or_none_is_refused(overview: Client, query: str) -> None:
    refused = await overview.ask(f"{PATH}?{query}")
    assert (refused.status, refused.refusal().parameter) == (422, "start")


async def test_a_range_without_a_session_has_none(overview: Client) -> None:
    assert (await _quality(overview, "start=2027-01-01")).sessions == []
    assert (await _quality(overview, "start=2026-11-21&end=2026-12-31")).sessions == [], "none of them is over"
    assert (await _quality(overview, "start=2026-10-10&end=2026-10-11")).sessions == []
