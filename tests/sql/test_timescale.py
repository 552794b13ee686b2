"""TimescaleDB where it is, plain PostgreSQL where it is not: one place knows, and nothing else need ask."""

import datetime as dt

import asyncpg
import pytest

from sql import ROOM
from sql.connect import open_owner
from sql.timescale import (
    enable_timescale,
    make_aggregates,
    make_hypertable,
    refresh_aggregates,
    timescale_version,
)

TABLE = 'CREATE TABLE bar (ticker text COLLATE "C" NOT NULL, session date NOT NULL, close double precision NOT NULL)'
SESSIONS = [dt.date(2019, 12, 31), dt.date(2020, 1, 2), dt.date(2020, 12, 31), dt.date(2021, 1, 4)]


async def test_the_extension_is_enabled_exactly_where_the_server_has_it_loaded(empty_database_url: str) -> None:
    async with open_owner(empty_database_url) as owner:
        await enable_timescale(owner)
        await enable_timescale(owner)
        loaded = "timescaledb" in await owner.fetchval("SHOW shared_preload_libraries")
        assert (await timescale_version(owner) is not None) == loaded


async def test_with_timescaledb_a_table_becomes_a_hypertable_with_chunks_of_a_year(owner: asyncpg.Connection) -> None:
    if await timescale_version(owner) is None:
        pytest.skip("needs TimescaleDB (TEST_DATABASE_URL)")
    await _make_bar(owner)
    dimension = await owner.fetchrow(
        "SELECT column_name, time_interval FROM timescaledb_information.dimensions WHERE hypertable_name = 'bar'"
    )
    assert dimension["column_name"] == "session"
    assert dimension["time_interval"] in (dt.timedelta(days=360), dt.timedelta(days=365), dt.timedelta(days=366))
    chunks = await owner.fetchval("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'bar'")
    assert 2 <= chunks <= 3  # two years and a day on either side


async def test_without_timescaledb_a_table_stays_a_plain_one(owner: asyncpg.Connection) -> None:
    if await timescale_version(owner) is not None:
        pytest.skip("needs plain PostgreSQL")
    await _make_bar(owner)
    assert await owner.fetchval("SELECT relkind FROM pg_class WHERE oid = 'bar'::regclass") == b"r"


async def test_a_table_holds_the_same_rows_either_way(owner: asyncpg.Connection) -> None:
    await _make_bar(owner)
    await owner.execute("ALTER TABLE bar ADD CONSTRAINT bar_key PRIMARY KEY (ticker, session)")
    rows = await owner.fetch("SELECT session FROM bar ORDER BY session")
    assert [row["session"] for row in rows] == SESSIONS


async def test_without_timescaledb_there_are_no_aggregates_and_nothing_to_refresh(owner: asyncpg.Connection) -> None:
    if await timescale_version(owner) is not None:
        pytest.skip("needs plain PostgreSQL")
    await _make_bar(owner)
    await make_aggregates(owner)
    assert await refresh_aggregates(owner) is False
    assert await owner.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'bar\\_1%'") == 0


async def test_with_timescaledb_aggregates_are_made_with_the_generation_and_empty_until_refreshed(
    project_pool: asyncpg.Pool,
) -> None:
    async with project_pool.acquire() as projector:
        if await timescale_version(projector) is None:
            pytest.skip("needs TimescaleDB (TEST_DATABASE_URL)")
        await projector.execute("CREATE SCHEMA projection_next; SET search_path = projection_next")
        await projector.execute((ROOM / "generation.sql").read_text())
        await make_hypertable(projector, "bar")
        await projector.execute(
            "INSERT INTO bar SELECT 'BCpC', unnest($1::date[]), 1, 1, 1, 1, 1, 1, 1, NULL, NULL, 0, 1, true, 1, now()",
            SESSIONS,
        )
        await make_aggregates(projector)
        counts = "SELECT (SELECT count(*) FROM bar_1w), (SELECT count(*) FROM bar_1mo)"
        assert tuple(await projector.fetchrow(counts)) == (0, 0)
        assert await refresh_aggregates(projector) is True
        assert tuple(await projector.fetchrow(counts)) == (3, 4)


async def _make_bar(owner: asyncpg.Connection) -> None:
    await owner.execute(TABLE)
    await make_hypertable(owner, "bar")
    await owner.executemany("INSERT INTO bar VALUES ('BCpC', $1, 1)", [(session,) for session in SESSIONS])
