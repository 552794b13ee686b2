"""Bars as known at an instant: what was live then, judged by the rules of now."""

import datetime as dt
from collections.abc import Sequence

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from api.bars.columns import BarColumns
from api.bars.known import Known, read_known
from api.errors import ForeignProjection
from api.generation import Generation, Projection
from archive.payload import Endpoint, Response
from project.decide.decisions import Decision, Verb, as_response
from project.rebuild import catch_up_or_build, rebuild
from tests.payloads import (
    FETCHED_AT,
    archive_all,
    bar,
    dividend,
    dividends_response,
    range_response,
    split,
    splits_response,
)
from tests.project.conftest import Empty, empty
from tests.project.random_archive import SESSIONS, TICKERS, responses, small_ruleset

RULESET = small_ruleset()
EARLIER, LATER, LATEST = (FETCHED_AT + dt.timedelta(hours=hours) for hours in (1, 2, 3))
AFTER_ALL = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
ROWS = [bar(session, 10.0) for session in SESSIONS[:8]]
_LIVE = """
    SELECT session, open, high, low, close, volume, coalesce(vwap, 'NaN'), coalesce(trades, 'NaN'),
        coalesce(gap, 'NaN'), coalesce(volume_ratio, 'NaN'), failed_rules, quality_score, validated
    FROM projection.bar WHERE ticker = $1 ORDER BY session
"""
_slow = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
_ = empty


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _known(
    pool: asyncpg.Pool,
    instant: dt.datetime,
    symbol: str = "AAPL",
    first: dt.date = dt.date.min,
    last: dt.date = dt.date.max,
) -> Known:
    async def read(connection: asyncpg.Connection, generation: Generation) -> Known:
        return await read_known(connection, generation, symbol, first, last, instant)

    return await Projection(pool).read(read)


def _rows(bars: BarColumns) -> list[str]:
    columns = [getattr(bars, name).tolist() for name in BarColumns.__struct_fields__]
    return [repr(row) for row in zip(*columns, strict=True)]


async def _live(pool: asyncpg.Pool, symbol: str) -> list[str]:
    return [repr(tuple(row)) for row in await pool.fetch(_LIVE, symbol)]


@_slow
@given(sent=responses)
async def test_after_everything_it_is_the_live_bars_to_the_bit(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    for ticker in TICKERS:
        assert _rows((await _known(read_pool, AFTER_ALL, ticker)).bars) == await _live(read_pool, ticker)


@_slow
@given(sent=responses)
async def test_at_an_instant_it_is_what_was_live_then(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    """But for splits and dividends, which are weighed against the bars of now."""
    sent = sorted(_without_actions(sent), key=lambda response: response.fetched_at)
    instants = [response.fetched_at for response in sent]
    then = instants[len(instants) // 2] if instants else FETCHED_AT
    early = [response for response in sent if response.fetched_at <= then]
    await empty()
    await archive_all(ingest_pool, early)
    await catch_up_or_build(project_pool, RULESET, _now)
    before = [await _live(read_pool, ticker) for ticker in TICKERS]
    await archive_all(ingest_pool, sent[len(early) :])
    await catch_up_or_build(project_pool, RULESET, _now)
    assert [_rows((await _known(read_pool, then, ticker)).bars) for ticker in TICKERS] == before


def _without_actions(sent: Sequence[Response]) -> list[Response]:
    return [each for each in sent if each.request.endpoint not in (Endpoint.SPLITS, Endpoint.DIVIDENDS)]


async def test_a_restatement_a_split_and_a_persons_word_count_from_when_they_came(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    """Half the price from the sixth session on: a gap, until it is known that two shares were made of one."""
    halved = [*ROWS[:5], *(bar(session, 5.0) for session in SESSIONS[5:8])]
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", ROWS, fetched_at=FETCHED_AT),
            range_response("AAPL", halved, fetched_at=EARLIER),
            splits_response([split("AAPL", SESSIONS[5], 1, 2, "a")], fetched_at=LATER),
            dividends_response([dividend("AAPL", SESSIONS[6], 0.25, "b")], fetched_at=LATER),
            as_response(Decision(Verb.REJECT, "AAPL", SESSIONS[2], None, "a typo", "kim", LATER)),
            # What follows takes it all back, and changes nothing of what was known before.
            splits_response([split("AAPL", SESSIONS[5], 1, 3, "a")], fetched_at=LATEST),
            as_response(Decision(Verb.REVOKE, "AAPL", SESSIONS[2], None, "no typo", "kim", LATEST)),
        ],
    )
    await rebuild(project_pool, RULESET, _now)
    first, gap, told = [await _known(read_pool, instant) for instant in (FETCHED_AT, EARLIER, LATER)]
    assert [known.bars.close[5] for known in (first, gap, told)] == [10.0, 5.0, 5.0]
    assert [known.bars.gap[5] for known in (first, gap, told)] == [0.0, -0.5, 0.0]
    assert [known.bars.validated.tolist() for known in (first, gap, told)] == [
        [True] * 8,
        [True, True, True, True, True, False, True, True],
        [True, True, False, True, True, True, True, True],
    ]
    assert (gap.actions.splits, gap.actions.dividends) == ([], [])
    assert told.actions.splits == [(SESSIONS[5], 1.0, 2.0)]
    assert told.actions.dividends == [(SESSIONS[6], 0.95)]
    assert (await _known(read_pool, LATEST)).bars.validated.tolist()[2]


async def test_what_is_asked_for_is_cut_and_filtered_after_it_was_judged(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    rows = [*ROWS[:4], bar(SESSIONS[4], 20.0, 1e6), *(bar(session, 20.0) for session in SESSIONS[5:8])]
    await archive_all(ingest_pool, [range_response("AAPL", rows, fetched_at=FETCHED_AT)])
    await rebuild(project_pool, RULESET, _now)
    [day] = SESSIONS[4:5]
    [alone] = _rows((await _known(read_pool, EARLIER, first=day, last=day)).bars)
    assert alone == (await _live(read_pool, "AAPL"))[4]
    bars = (await _known(read_pool, EARLIER)).bars
    assert bars.sessions[~bars.validated].tolist() == [day]
    assert len((await _known(read_pool, FETCHED_AT - dt.timedelta(hours=1))).bars) == 0
    assert len((await _known(read_pool, EARLIER, "MSFT")).bars) == 0


async def test_rules_that_this_software_has_not_judge_nothing(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    unknown = msgspec.structs.replace(RULESET.rules[0], version=99)
    foreign = msgspec.structs.replace(RULESET, rules=(unknown, *RULESET.rules[1:]))
    await rebuild(project_pool, foreign, _now)
    with pytest.raises(ForeignProjection):
        await _known(read_pool, EARLIER)
