"""What was believed at an instant: one row a session at most, in every generation, whatever its schema is called."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.rebuild import rebuild
from sql.connect import open_owner
from tests.payloads import FETCHED_AT, archive_all, bar, range_response
from tests.project.random_archive import FIRST, LAST, SESSIONS, TICKERS, responses, small_ruleset

RULESET = small_ruleset()
DAY, NEXT_DAY = SESSIONS[3], SESSIONS[4]
_HOUR = dt.timedelta(hours=1)
_KNOWN = "SELECT * FROM projection.bars_known_at($1, $2, $3, $4)"

Empty = Callable[[], Awaitable[None]]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


def _said(price: float, hours: int, session: dt.date = DAY, ticker: str = "AAPL") -> Response:
    return range_response(ticker, [bar(session, price)], fetched_at=FETCHED_AT + hours * _HOUR)


async def _closes(pool: asyncpg.Pool, hours: float) -> list[float]:
    rows = await pool.fetch(_KNOWN, "AAPL", FIRST, LAST, FETCHED_AT + hours * _HOUR)
    return [row["close"] for row in rows]


async def test_each_instant_has_the_values_that_were_believed_then(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    """In the role of readers; the instant of a restatement belongs to the new values."""
    await archive_all(ingest_pool, [_said(10.0, 0), _said(11.0, 2), _said(12.0, 4, NEXT_DAY), _said(13.0, 6)])
    await rebuild(project_pool, RULESET, _now)
    at = [await _closes(read_pool, hours) for hours in (-1, 0, 1, 2, 3, 4, 6, 99)]
    assert at == [[], [10.0], [10.0], [11.0], [11.0], [11.0, 12.0], [13.0, 12.0], [13.0, 12.0]]


async def test_a_row_says_who_said_it_and_until_when_it_stood(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [_said(10.0, 0), _said(11.0, 2)])
    await rebuild(project_pool, RULESET, _now)
    [old] = await read_pool.fetch(_KNOWN, "AAPL", DAY, DAY, FETCHED_AT + _HOUR)
    [new] = await read_pool.fetch(_KNOWN, "AAPL", DAY, DAY, FETCHED_AT + 2 * _HOUR)
    assert (old["archive_seq"], old["known_from"], old["known_to"]) == (1, FETCHED_AT, FETCHED_AT + 2 * _HOUR)
    assert (new["archive_seq"], new["known_from"], new["known_to"]) == (2, FETCHED_AT + 2 * _HOUR, None)
    assert tuple(new)[:9] == ("AAPL", DAY, 11.0, 11.0, 11.0, 11.0, 1000.0, None, None)
    assert await read_pool.fetch(_KNOWN, "aapl", DAY, DAY, _now()) == []
    assert await read_pool.fetch(_KNOWN, "AAPL", NEXT_DAY, LAST, _now()) == []


async def test_of_spans_that_overlap_the_later_payload_was_believed(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    """Fetched at 0, 4, 2 and 3 hours, archived in that order: from hour 2 on the third stands before the second."""
    await archive_all(ingest_pool, [_said(10.0, 0), _said(11.0, 4), _said(12.0, 2), _said(13.0, 3)])
    await rebuild(project_pool, RULESET, _now)
    at = [await _closes(read_pool, hours) for hours in (0, 1, 2, 2.5, 3, 4, 5)]
    assert at == [[10.0], [10.0], [12.0], [12.0], [13.0], [13.0], [13.0]]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_at_every_instant_at_most_one_row_a_session_and_the_highest_payload_known_by_then(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    """Computed here from the versions alone: of those known by then, the one archived last."""
    await empty()
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    versions = await project_pool.fetch(
        """SELECT ticker, session, archive_seq, known_from, close FROM projection.bar
        UNION ALL SELECT ticker, session, archive_seq, known_from, close FROM projection.bar_revision"""
    )
    for instant in {response.fetched_at for response in sent} | {_now()}:
        for ticker in TICKERS:
            expected = {}
            for row in sorted(versions, key=lambda row: row["archive_seq"]):
                if row["ticker"] == ticker and row["known_from"] <= instant:
                    expected[row["session"]] = (row["archive_seq"], row["close"])
            found = await project_pool.fetch(_KNOWN, ticker, FIRST, LAST, instant)
            assert len({row["session"] for row in found}) == len(found)
            assert {row["session"]: (row["archive_seq"], row["close"]) for row in found} == expected
            assert [row["session"] for row in found] == sorted(expected)


async def test_every_generation_answers_by_its_own_tables_through_swaps_and_back(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, database_url: str
) -> None:
    await archive_all(ingest_pool, [_said(10.0, 0)])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [_said(11.0, 2)])
    await rebuild(project_pool, RULESET, _now)
    previous = _KNOWN.replace("projection.", "projection_previous.")
    assert await _closes(read_pool, 3) == [11.0]
    assert [row["close"] for row in await read_pool.fetch(previous, "AAPL", FIRST, LAST, _now())] == [10.0]
    async with open_owner(database_url) as owner:
        await owner.execute(
            """BEGIN;
            ALTER SCHEMA projection RENAME TO projection_aside;
            ALTER SCHEMA projection_previous RENAME TO projection;
            ALTER SCHEMA projection_aside RENAME TO projection_previous;
            COMMIT"""
        )
    assert await _closes(read_pool, 3) == [10.0]
    assert [row["close"] for row in await read_pool.fetch(previous, "AAPL", FIRST, LAST, _now())] == [11.0]
    await rebuild(project_pool, RULESET, _now)
    assert await _closes(read_pool, 3) == [11.0]
