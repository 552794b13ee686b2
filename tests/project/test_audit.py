"""The audit: the raw rows of a date add up to current, superseded and rejected ones, or it fails loudly."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.audit import Audit, audit_session
from project.errors import AuditFailed, NothingProjected
from project.replay import catch_up, catch_up_or_build, rebuild
from tests.payloads import archive_all, bar, grouped_response, range_response, split, splits_response
from tests.project.random_archive import FIRST, LAST, NO_SESSION, SESSIONS, TICKERS, responses, small_ruleset

RULESET = small_ruleset()
DAY = SESSIONS[3]
EVERY_DATE = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

Empty = Callable[[], Awaitable[None]]
Tamper = Callable[[str], Awaitable[None]]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _audit(pool: asyncpg.Pool, session: dt.date, ticker: str | None = None) -> Audit:
    async with pool.acquire() as connection:
        return await audit_session(connection, session, ticker)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_the_rows_of_every_date_add_up_whatever_is_archived(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    current = superseded = rejected = 0
    for date in EVERY_DATE:
        whole = await _audit(read_pool, date)
        assert whole.raw_rows == whole.current + whole.superseded + whole.rejected
        current, superseded, rejected = (
            current + whole.current,
            superseded + whole.superseded,
            rejected + whole.rejected,
        )
    assert current == await read_pool.fetchval("SELECT count(*) FROM projection.bar")
    assert superseded >= await read_pool.fetchval("SELECT count(*) FROM projection.bar_revision")
    assert rejected == await read_pool.fetchval(
        """SELECT count(*) FROM projection.rejection JOIN archive.payload USING (archive_seq)
        WHERE session BETWEEN $1 AND $2 AND endpoint IN ('range', 'grouped')""",
        FIRST,
        LAST,
    )


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_the_audits_of_single_tickers_add_up_to_that_of_the_market(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    for date in EVERY_DATE[::3]:
        whole = await _audit(project_pool, date)
        singles = [await _audit(project_pool, date, ticker) for ticker in TICKERS]
        assert sum(one.current for one in singles) == whole.current
        assert sum(one.superseded for one in singles) == whole.superseded
        assert sum(one.validated for one in singles) == whole.validated


async def test_every_difference_is_told_with_its_reason(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [bar(SESSIONS[2], 10.0), bar(DAY, 10.5)]),
            grouped_response(
                DAY,
                [
                    bar(DAY, 12.0, ticker="AAPL"),
                    bar(DAY, ticker="BCpC"),
                    bar(DAY, ticker="ZVZZT"),
                    bar(DAY, ticker="BCpC"),
                ],
            ),
        ],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    assert (found.session, found.is_session, found.payloads) == (DAY, True, 2)
    assert (found.raw_rows, found.current, found.superseded, found.rejected) == (5, 2, 1, 2)
    assert found.validated == 1
    told = [(difference.ticker, difference.kind, difference.detail) for difference in found.differences]
    restated = ", ".join(f"{name} 10.5 → 12" for name in ("open", "high", "low", "close"))
    assert told == [
        ("ZVZZT", "rejected", "test_ticker"),
        ("BCpC", "rejected", "duplicate_key"),
        ("AAPL", "restated", restated),
        ("AAPL", "flagged", "large_gap (0.2): score 0.8"),
    ]
    assert [difference.archive_seq for difference in found.differences] == [2, 2, 2, 2]


async def test_one_ticker_is_audited_alone_and_case_counts(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(
        ingest_pool,
        [
            range_response("BCPC", [bar(DAY)]),
            grouped_response(DAY, [bar(DAY, ticker="BCPC"), bar(DAY, 20.0, ticker="BCpC")]),
        ],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    assert [(found.payloads, found.raw_rows, found.current) for found in await _both(project_pool)] == [
        (2, 2, 1),
        (1, 1, 1),
    ]


async def _both(pool: asyncpg.Pool) -> list[Audit]:
    return [await _audit(pool, DAY, ticker) for ticker in ("BCPC", "BCpC")]


async def test_a_row_that_came_unasked_is_told_on_its_own_date_and_under_its_own_name(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The vendor is known to send rows outside the range, and another symbol's."""
    stray = {**bar(SESSIONS[8]), "T": '"MSFT"'}
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY), stray], FIRST, SESSIONS[5])])
    await catch_up_or_build(project_pool, RULESET, _now)
    for ticker in (None, "MSFT"):
        found = await _audit(project_pool, SESSIONS[8], ticker)
        assert (found.raw_rows, found.rejected) == (1, 1)
        assert found.differences[0].detail == "outside_range, other_ticker"
    assert (await _audit(project_pool, DAY, "AAPL")).raw_rows == 1


async def test_a_date_that_is_no_session_says_so(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(NO_SESSION)], FIRST, LAST)])
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, NO_SESSION)
    assert (found.is_session, found.current, found.rejected) == (False, 0, 1)
    assert found.differences[0].detail == "not_a_session"


async def test_splits_and_dividends_are_no_rows_of_a_session(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(
        ingest_pool, [range_response("AAPL", [bar(DAY)]), splits_response([split("AAPL", DAY, 0, 2, "s")])]
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    assert (found.raw_rows, found.rejected) == (1, 0)


async def test_what_is_not_projected_yet_is_not_audited_yet(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    await catch_up_or_build(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY, 11.0)])])
    assert (await _audit(project_pool, DAY)).raw_rows == 1
    await catch_up(project_pool, _now)
    assert (await _audit(project_pool, DAY)).raw_rows == 2


async def test_where_nothing_is_projected_there_is_nothing_to_audit(read_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await _audit(read_pool, DAY)


TAMPERINGS = {
    "UPDATE projection.bar SET close = close + 0.01 WHERE ticker = 'AAPL'": "AAPL in the table is not what payload 1",
    "UPDATE projection.bar SET volume = -0.5 WHERE ticker = 'AAPL'": "AAPL in the table is not what payload 1 says",
    "UPDATE projection.bar SET vwap = 1 WHERE ticker = 'AAPL'": "AAPL in the table is not what payload 1 says",
    "UPDATE projection.bar SET archive_seq = 2 WHERE ticker = 'AAPL'": "AAPL in the table is not what payload 1 says",
    "DELETE FROM projection.bar WHERE ticker = 'AAPL'": "the archive has bars of 2 tickers, the table of 1",
    "UPDATE projection.bar SET ticker = 'AAPM' WHERE ticker = 'AAPL'": "the archive has bars of 2 tickers",
    "INSERT INTO projection.bar SELECT (bar).* FROM (SELECT bar FROM projection.bar LIMIT 1) AS one"
    " ON CONFLICT (ticker, session) DO UPDATE SET open = 99": "in the table is not what payload",
    "DELETE FROM projection.rejection": "the archive has 1 rows to reject, the table 0",
    "UPDATE projection.rejection SET row_index = 7": "rows to reject",
}


async def test_a_table_that_was_tampered_with_fails_the_audit(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(
        ingest_pool,
        [range_response("AAPL", [bar(DAY), {**bar(DAY), "o": "null"}]), range_response("BCpC", [bar(DAY)])],
    )
    for statement, complaint in TAMPERINGS.items():
        await rebuild(project_pool, RULESET, _now)
        assert (await _audit(project_pool, DAY)).raw_rows == 3
        await owner.execute(statement)
        with pytest.raises(AuditFailed) as caught:
            await _audit(project_pool, DAY)
        assert complaint in str(caught.value), statement
        assert str(caught.value).startswith(f"audit {DAY}: ")
        assert caught.value.session == DAY
