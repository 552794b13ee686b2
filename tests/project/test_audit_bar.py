"""The story of one bar: every row that spoke of it as it was sent, what became of it, each rule, each decision."""

import datetime as dt

import asyncpg
import msgspec
import pytest

from project.audit.bar import BarAudit, audit_bar
from project.decide.decisions import Verb
from project.errors import AuditFailed
from project.rebuild import catch_up_or_build, rebuild
from tests.command import run_command
from tests.flat_payloads import flat_bar, flat_response
from tests.payloads import (
    FETCHED_AT,
    archive_all,
    bar,
    grouped_response,
    range_response,
    row_text,
    split,
    splits_response,
)
from tests.project.decided import about_bar
from tests.project.random_archive import FIRST, LAST, SESSIONS, small_ruleset

RULESET = small_ruleset()
BEFORE, DAY = SESSIONS[2], SESSIONS[3]
_HOUR = dt.timedelta(hours=1)


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _audit(pool: asyncpg.Pool, ticker: str = "AAPL", session: dt.date = DAY) -> BarAudit:
    async with pool.acquire() as connection:
        return await audit_bar(connection, session, ticker)


@pytest.fixture
async def told(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Make a projection in which AAPL's bar was said, repeated, rejected, restated and left out."""
    stray = {**bar(DAY, 50.0), "c": "null"}
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [bar(BEFORE), bar(DAY, 11.0)]),
            grouped_response(
                DAY,
                [bar(DAY, ticker="BCpC"), bar(DAY, 11.0, ticker="AAPL"), bar(DAY, 99.0, ticker="AAPL")],
                fetched_at=FETCHED_AT + _HOUR,
            ),
            range_response("AAPL", [stray], fetched_at=FETCHED_AT + 2 * _HOUR),
            flat_response(DAY, [flat_bar("BCpC", DAY), flat_bar("AAPL", DAY, 12.0)], fetched_at=FETCHED_AT + 3 * _HOUR),
            range_response("AAPL", [bar(BEFORE)], fetched_at=FETCHED_AT + 4 * _HOUR),
            about_bar(Verb.ACCEPT, "AAPL", DAY),
        ],
    )
    await rebuild(project_pool, RULESET, _now)


async def test_every_row_that_spoke_of_the_bar_is_told_as_it_was_sent(told: None, read_pool: asyncpg.Pool) -> None:
    found = await _audit(read_pool)
    assert [(row.archive_seq, row.row_index, row.outcome, row.by, row.reasons) for row in found.said] == [
        (1, 1, "superseded", 4, ()),
        (2, 1, "repeated", 1, ()),
        (2, 2, "rejected", None, ("duplicate_key",)),
        (3, 0, "rejected", None, ("missing_close",)),
        (4, 1, "current", None, ()),
    ]
    assert found.said[0].raw == row_text(bar(DAY, 11.0))
    assert found.said[1].raw == row_text(bar(DAY, 11.0, ticker="AAPL"))
    assert found.said[4].raw == ",".join(flat_bar("AAPL", DAY, 12.0).values())
    assert [row.fetched_at for row in found.said[:2]] == [FETCHED_AT, FETCHED_AT + _HOUR]
    assert [(row.source, row.endpoint) for row in (found.said[0], found.said[4])] == [
        ("polygon", "range"),
        ("massive_flat", "grouped"),
    ]
    assert found.silent == [5]


async def test_the_cleaned_bar_its_verdicts_and_what_was_believed_before(told: None, read_pool: asyncpg.Pool) -> None:
    found = await _audit(read_pool)
    assert found.bar is not None
    assert (found.bar.values["close"], found.bar.values["vwap"], found.bar.values["trades"]) == (12.0, None, 7.0)
    assert (found.bar.archive_seq, found.bar.known_from) == (4, FETCHED_AT + 3 * _HOUR)
    assert (found.bar.quality_score, found.bar.validated) == (0.8, True)
    assert [rule.rule for rule in found.verdicts] == [use.name for use in RULESET.rules]
    assert [rule.rule for rule in found.verdicts if not rule.passed] == ["large_gap"]
    gap = next(rule for rule in found.verdicts if rule.rule == "large_gap")
    assert gap.measure == pytest.approx(0.2)
    assert (gap.limits, gap.penalty) == ({"limit": 0.1}, 0.2)
    [before] = found.revisions
    assert (before.values["close"], before.archive_seq, before.superseded_by) == (11.0, 1, 4)
    assert (before.known_from, before.known_to) == (FETCHED_AT, FETCHED_AT + 3 * _HOUR)
    [override] = found.overrides
    assert (override.verdict, override.decided_by, override.archive_seq) == ("accept", "kim", 6)
    assert (found.audit.raw_rows, found.audit.current, found.audit.superseded, found.audit.rejected) == (5, 1, 2, 2)


async def test_a_bar_nobody_spoke_of_has_a_short_story(told: None, read_pool: asyncpg.Pool) -> None:
    found = await _audit(read_pool, "MSFT")
    assert (found.said, found.bar, found.verdicts, found.revisions) == ([], None, [], [])
    assert found.silent == [2, 4]
    assert found.audit.raw_rows == 0


async def test_a_split_of_the_session_is_part_of_the_story(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(
        ingest_pool,
        [range_response("AAPL", [bar(BEFORE, 20.0), bar(DAY)]), splits_response([split("AAPL", DAY, 1, 2, "s")])],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    [action] = (await _audit(project_pool)).actions
    assert (action.kind, action.split_from, action.split_to, action.applied_on) == ("split", 1.0, 2.0, DAY)
    assert (await _audit(project_pool, session=BEFORE)).actions == []


async def test_rows_that_came_unasked_are_told_under_their_own_name(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    stray = {**bar(SESSIONS[8]), "T": '"MSFT"'}
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY), stray], FIRST, SESSIONS[5])])
    await catch_up_or_build(project_pool, RULESET, _now)
    [row] = (await _audit(project_pool, "MSFT", SESSIONS[8])).said
    assert (row.archive_seq, row.row_index, row.outcome) == (1, 1, "rejected")
    assert row.raw == row_text(stray)


async def test_a_table_that_was_tampered_with_has_no_story(
    told: None, read_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE projection.bar SET close = 13 WHERE ticker = 'AAPL' AND session = $1", DAY)
    with pytest.raises(AuditFailed, match="AAPL: close is 13 in bar, by payload 4 it is 12"):
        await _audit(read_pool)
    assert (await _audit(read_pool, "BCpC")).bar is not None


async def test_the_command_tells_the_story(told: None, command_environ: dict[str, str]) -> None:
    done = run_command(command_environ, "audit", str(DAY), "AAPL")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for part in ("what was said", "superseded by 4", "rejected: missing_close", "believed before", "overrides", "kim"):
        assert part in text
    assert "asked for it and answered without it: payload 5" in text
    as_json = msgspec.json.decode(run_command(command_environ, "audit", str(DAY), "AAPL", "--json").stdout)
    assert as_json["audit"]["raw_rows"] == 5
    assert [row["outcome"] for row in as_json["said"]] == ["superseded", "repeated", "rejected", "rejected", "current"]
    assert as_json["bar"]["values"]["close"] == 12.0
    wrong = run_command(command_environ, "audit", str(LAST), "--all")
    assert wrong.returncode == 2
