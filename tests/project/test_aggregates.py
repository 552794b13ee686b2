"""Bars of weeks and months that the database keeps: to the last bit what resampling makes, or said not to be there.

On plain PostgreSQL there are none, and reading says so.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.aggregates import read_aggregate
from project.partial import Choice, rebuild_part
from project.rebuild import rebuild, rollback
from project.replay import catch_up
from project.steady import read_steadily
from project.timeframe import Column, Timeframe, resample, window_starts
from sql.connect import Role, open_pool
from sql.timescale import refresh_aggregates, timescale_version
from tests.payloads import archive_all, bar, range_response
from tests.project.conftest import Empty
from tests.project.random_archive import SESSIONS, TICKERS, responses, small_ruleset

RULESET = small_ruleset()
KEPT: tuple[Timeframe, ...] = ("1w", "1mo")
FIRST, LAST = dt.date(2000, 1, 1), dt.date(2050, 1, 1)
_READERS = 3
_DAYS = """
    SELECT session AS sessions, open, high, low, close, volume, coalesce(vwap, 'NaN') AS vwap,
        coalesce(trades, 'NaN') AS trades, coalesce(gap, 'NaN') AS gap, coalesce(volume_ratio, 'NaN') AS volume_ratio,
        failed_rules, quality_score, validated
    FROM projection.bar WHERE ticker = $1 ORDER BY session
"""
_FLOATS = ("open", "high", "low", "close", "volume", "vwap", "trades", "gap", "volume_ratio", "quality_score")
_CHECKPOINT = "SELECT checkpoint FROM projection.generation"


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _has_timescale(pool: asyncpg.Pool) -> bool:
    async with pool.acquire() as connection:
        return await timescale_version(connection) is not None


async def _need_timescale(pool: asyncpg.Pool) -> None:
    if not await _has_timescale(pool):
        pytest.skip("needs TimescaleDB (TEST_DATABASE_URL)")


async def _resampled(connection: asyncpg.Connection, ticker: str, timeframe: Timeframe) -> dict[str, Column]:
    rows = await connection.fetch(_DAYS, ticker)
    columns: dict[str, Column] = {name: np.array([row[name] for row in rows], np.float64) for name in _FLOATS}
    columns["sessions"] = np.array([row["sessions"] for row in rows], "datetime64[D]")
    columns["failed_rules"] = np.array([row["failed_rules"] for row in rows], np.int64)
    columns["validated"] = np.array([row["validated"] for row in rows], np.bool_)
    return resample(columns, timeframe)


async def _read(
    connection: asyncpg.Connection, ticker: str, timeframe: Timeframe
) -> tuple[Mapping[str, Column] | None, Mapping[str, Column]]:
    """Return what is kept and what its days make, of one snapshot."""

    async def read() -> tuple[Mapping[str, Column] | None, Mapping[str, Column]]:
        checkpoint = await connection.fetchval(_CHECKPOINT)
        kept = await read_aggregate(connection, checkpoint, ticker, FIRST, LAST, timeframe)
        return kept, await _resampled(connection, ticker, timeframe)

    return await read_steadily(connection, read)


def _text(columns: Mapping[str, Column]) -> dict[str, str]:
    """Return columns as text in which −0.0 and 0.0 differ, and NaN is NaN."""
    return {name: repr((column.dtype, column.tolist())) for name, column in columns.items()}


async def _require_current(pool: asyncpg.Pool, tickers: tuple[str, ...] = TICKERS) -> None:
    """Hold that what is kept is there, on TimescaleDB, and equal."""
    is_kept = await _has_timescale(pool)
    async with pool.acquire() as connection:
        for timeframe in KEPT:
            for ticker in tickers:
                kept, expected = await _read(connection, ticker, timeframe)
                assert (kept is not None) == is_kept
                assert kept is None or _text(kept) == _text(expected)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_they_are_what_resampling_makes_after_a_rebuild_and_every_catch_up(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await _need_timescale(read_pool)
    await empty()
    half = len(sent) // 2
    await archive_all(ingest_pool, sent[:half])
    await rebuild(project_pool, RULESET, _now)
    await _require_current(read_pool)
    await archive_all(ingest_pool, sent[half:])
    await catch_up(project_pool, _now)
    await _require_current(read_pool)


async def test_a_window_is_labelled_as_timescaledb_labels_it(read_pool: asyncpg.Pool) -> None:
    await _need_timescale(read_pool)
    rows = await read_pool.fetch(
        """SELECT day::date, time_bucket('1 week', day::date) AS week, time_bucket('1 month', day::date) AS month
        FROM generate_series('1969-12-20'::date, '2032-01-10', '1 day') AS day"""
    )
    days = np.array([row["day"] for row in rows], "datetime64[D]")
    assert window_starts(days, "1w").tolist() == [row["week"] for row in rows]
    assert window_starts(days, "1mo").tolist() == [row["month"] for row in rows]


async def test_sums_have_one_order_and_numbers_beyond_computing_make_null_and_no_error(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    volumes = (0.1, 0.2, 0.3, 1e16, 1.0, -1e16, 61436228.189065, -0.0, 1e308, 1e308, 1e-200, 5.0, -5.0)
    prices = (0.1, 10.1, 20.3, None, 1e-300, 1e308, 1e200, 7.7)
    sent = []
    for shift in range(8):
        rows = [
            bar(
                session,
                10.0,
                volumes[(place + shift) % len(volumes)],
                vwap=prices[(place * 3 + shift) % len(prices)],
                trades=None if place % 3 else 10.0 ** (100 * (place % 4)),
            )
            for place, session in enumerate(SESSIONS)
        ]
        sent.append(range_response(f"T{shift}", rows))
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    await _require_current(read_pool, tuple(f"T{shift}" for shift in range(8)))


async def test_they_go_with_their_generation_through_swaps_rollbacks_and_partial_rebuilds(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 10.0) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 12.0) for day in SESSIONS[2:]])])
    for _ in range(2):
        await rebuild(project_pool, RULESET, _now)
        await _require_current(read_pool)
    await rollback(project_pool)
    await _require_current(read_pool)
    await rebuild_part(project_pool, Choice(("AAPL",), SESSIONS[3]), _now)
    await _require_current(read_pool)
    await rollback(project_pool)
    await archive_all(ingest_pool, [range_response("BCPC", [bar(day, 5.0) for day in SESSIONS])])
    await catch_up(project_pool, _now)
    await _require_current(read_pool)


async def test_until_they_have_come_as_far_as_the_bars_they_are_not_read(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 10.0) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, _now)
    await project_pool.execute("UPDATE projection.aggregate_state SET checkpoint = 0")
    async with read_pool.acquire() as connection:
        assert (await _read(connection, "AAPL", "1w"))[0] is None
        assert await read_aggregate(connection, 1, "AAPL", FIRST, LAST, "1q") is None
    await catch_up(project_pool, _now)
    await _require_current(read_pool)


async def test_a_refresh_that_is_killed_is_completed_by_the_next_catch_up(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await _need_timescale(read_pool)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 10.0) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 12.0) for day in SESSIONS[5:]])])
    for view in ("bar_1w", "bar_1mo"):
        hypertable = await owner.fetchval(
            """SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
            FROM timescaledb_information.continuous_aggregates
            WHERE view_schema = 'projection' AND view_name = $1""",
            view,
        )
        await owner.execute(f"BEGIN; LOCK TABLE {hypertable} IN SHARE MODE")
        catching_up = asyncio.create_task(catch_up(project_pool, _now))
        while (pid := await owner.fetchval("SELECT pid FROM pg_locks WHERE NOT granted LIMIT 1")) is None:
            assert not catching_up.done()
            await asyncio.sleep(0.01)
        await owner.fetchval("SELECT pg_terminate_backend($1)", pid)
        await owner.execute("COMMIT")
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await catching_up
        async with read_pool.acquire() as connection:
            kept, days = await _read(connection, "AAPL", "1mo")
            assert kept is None
            assert days["close"].tolist()[-1] == 12.0
    await catch_up(project_pool, _now)
    await _require_current(read_pool)


async def test_readers_under_rebuilds_and_catch_ups_never_read_what_is_stale(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await _need_timescale(project_pool)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 10.0) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, _now)
    done = asyncio.Event()
    current = 0

    async def read(pool: asyncpg.Pool) -> None:
        nonlocal current
        async with pool.acquire() as connection:
            while not done.is_set():
                for timeframe in KEPT:
                    kept, expected = await _read(connection, "AAPL", timeframe)
                    assert kept is None or _text(kept) == _text(expected)
                    current += kept is not None

    async with open_pool(database_url, Role.READ, size=_READERS) as readers, asyncio.TaskGroup() as crew:
        for _ in range(_READERS):
            crew.create_task(read(readers))
        for turn in range(9):
            price = 10.0 + turn
            await archive_all(ingest_pool, [range_response("AAPL", [bar(day, price) for day in SESSIONS[turn:]])])
            await (rebuild(project_pool, RULESET, _now) if turn % 3 == 2 else catch_up(project_pool, _now))
        done.set()
    assert current > 0


async def test_refreshing_again_changes_nothing(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """To refresh twice is to refresh once."""
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 10.0) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        await connection.execute("SET search_path = projection")
        assert await refresh_aggregates(connection) == await _has_timescale(project_pool)
    await _require_current(project_pool)
