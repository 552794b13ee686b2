"""`project revisions`: what was restated, when, by which payload, from what to what; newest first and bounded."""

import datetime as dt

import asyncpg
import msgspec
import pytest

from archive.payload import Response
from project.errors import NothingProjected
from project.rebuild import rebuild
from project.revisions import Revisions, read_revisions
from project.rows import VALUES
from tests.command import complaint, run_command
from tests.payloads import FETCHED_AT, archive_all, bar, range_response
from tests.project.random_archive import SESSIONS, small_ruleset

RULESET = small_ruleset()
DAY, NEXT_DAY = SESSIONS[3], SESSIONS[4]
_HOUR = dt.timedelta(hours=1)


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


def _said(ticker: str, session: dt.date, price: float, hours: int, vwap: float | None = None) -> Response:
    return range_response(ticker, [bar(session, price, vwap=vwap)], fetched_at=FETCHED_AT + hours * _HOUR)


@pytest.fixture
async def restated(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Make a projection in which AAPL was restated twice and BCpC once."""
    await archive_all(
        ingest_pool,
        [
            _said("AAPL", DAY, 10.0, 0),
            _said("BCpC", NEXT_DAY, 20.0, 0),
            _said("AAPL", DAY, 11.0, 1, vwap=10.9),
            _said("AAPL", DAY, 11.0, 2),
            _said("BCpC", NEXT_DAY, 21.0, 3),
            _said("AAPL", DAY, 12.0, 4),
        ],
    )
    await rebuild(project_pool, RULESET, _now)


async def _read(
    pool: asyncpg.Pool, ticker: str | None = None, since: dt.datetime | None = None, limit: int = 10
) -> Revisions:
    async with pool.acquire() as connection:
        return await read_revisions(connection, ticker, since, limit)


async def test_each_restatement_is_told_with_both_values_newest_first(restated: None, read_pool: asyncpg.Pool) -> None:
    found = await _read(read_pool)
    told = [
        (row.ticker, row.archive_seq, row.superseded_by, row.old["close"], row.new["close"]) for row in found.revisions
    ]
    assert told == [("AAPL", 3, 6, 11.0, 12.0), ("BCpC", 2, 5, 20.0, 21.0), ("AAPL", 1, 3, 10.0, 11.0)]
    first = found.revisions[-1]
    assert (first.session, first.known_from, first.restated_at) == (DAY, FETCHED_AT, FETCHED_AT + _HOUR)
    assert (first.old["vwap"], first.new["vwap"]) == (None, 10.9)
    assert first.changed == ("open", "high", "low", "close", "vwap")
    assert tuple(first.old) == VALUES
    assert (found.total, found.more) == (3, 0)


async def test_one_ticker_some_instants_and_no_more_than_asked_for(restated: None, read_pool: asyncpg.Pool) -> None:
    assert [row.superseded_by for row in (await _read(read_pool, "AAPL")).revisions] == [6, 3]
    assert (await _read(read_pool, "aapl")).total == 0
    since = await _read(read_pool, since=FETCHED_AT + 3 * _HOUR)
    assert [row.superseded_by for row in since.revisions] == [6, 5]
    bounded = await _read(read_pool, limit=1)
    assert ([row.superseded_by for row in bounded.revisions], bounded.total, bounded.more) == ([6], 3, 2)


async def test_where_nothing_is_projected_nothing_was_restated_yet(read_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await _read(read_pool)


async def test_the_command_shows_them_and_says_how_many_more_there_are(
    restated: None, command_environ: dict[str, str]
) -> None:
    done = run_command(command_environ, "project", "revisions", "--limit", "2")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[-1] == "and 1 more (--limit)"
    assert "open 11 → 12, high 11 → 12, low 11 → 12, close 11 → 12, vwap 10.9 → nothing" in done.stdout.decode()
    as_json = run_command(command_environ, "project", "revisions", "AAPL", "--since", "2024-07-01T16:00", "--json")
    facts = msgspec.json.decode(as_json.stdout)
    assert ([row["superseded_by"] for row in facts["revisions"]], facts["more"]) == ([6], 0)
    none = run_command(command_environ, "project", "revisions", "--since", "2024-07-02")
    assert none.stdout == b"nothing was restated\n"
    wrong = run_command(command_environ, "project", "revisions", "--since", "yesterday")
    assert wrong.returncode == 2
    assert complaint(wrong).startswith("error: Invalid value for '--since': 'yesterday' is no instant")
