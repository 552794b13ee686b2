"""A generation: made beside the live one, readable when it is whole, and live by one transaction or not at all."""

import datetime as dt
import uuid

import asyncpg
import msgspec
import pytest

from archive.calendar import exchange_calendar
from project.errors import NothingProjected, OutdatedProjection
from project.generation import (
    LIVE,
    SHAPE,
    Generation,
    complete_next,
    create_next,
    live_generation,
    promote_next,
    read_generation,
)
from project.rebuild import rebuild
from project.replay import projector
from project.rules import RULES, Rule
from sql.timescale import timescale_version
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS, small_ruleset

RULESET = small_ruleset()
NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


def _generation(checkpoint: int = 0) -> Generation:
    return Generation(
        uuid.uuid4(), SHAPE, RULESET.hash, exchange_calendar().version, checkpoint, "0" * 32, "0" * 32, NOW, NOW
    )


async def _schemas(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'projection%' ORDER BY nspname")
    return [row["nspname"] for row in rows]


async def test_the_first_generation_goes_live_and_the_second_keeps_it_as_the_previous(
    project_pool: asyncpg.Pool,
) -> None:
    async with projector(project_pool) as connection:
        assert await read_generation(connection) is None
        generations = [_generation() for _ in range(3)]
        for place, generation in enumerate(generations):
            await create_next(connection, RULESET, exchange_calendar())
            await complete_next(connection, generation)
            await promote_next(connection)
            assert await read_generation(connection) == generation
            assert await _schemas(connection) == [LIVE, "projection_previous"][: place + 1]
        assert await read_generation(connection, "projection_previous") == generations[1]


async def test_what_was_left_unfinished_is_made_anew(project_pool: asyncpg.Pool) -> None:
    async with projector(project_pool) as connection:
        await create_next(connection, RULESET, exchange_calendar())
        await connection.execute("INSERT INTO rejection VALUES (1, 0, 'A', NULL, '{not_a_date}', '')")
        await create_next(connection, RULESET, exchange_calendar())
        assert await connection.fetchval("SELECT count(*) FROM rejection") == 0


async def test_a_generation_is_readable_when_it_is_whole_and_not_before(
    project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    async with projector(project_pool) as connection:
        await create_next(connection, RULESET, exchange_calendar())
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await read_pool.fetch("SELECT * FROM projection_next.bar")
        await complete_next(connection, _generation())
        assert await read_pool.fetch("SELECT * FROM projection_next.bar") == []


async def test_readers_may_read_the_live_one_and_change_nothing(
    project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await rebuild(project_pool, RULESET, lambda: NOW)
    for table in ("bar", "bar_revision", "rejection", "split", "dividend", "symbol_status", "generation", "rule"):
        await read_pool.fetch(f"SELECT * FROM projection.{table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await read_pool.execute(f"DELETE FROM projection.{table}")


async def test_it_says_what_it_is_a_function_of(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])] * 2)
    replayed = await rebuild(project_pool, RULESET, lambda: NOW)
    async with project_pool.acquire() as connection:
        generation, ruleset = await live_generation(connection)
    assert generation == replayed.generation
    assert (generation.checkpoint, generation.ruleset_hash, ruleset) == (2, RULESET.hash, RULESET)
    assert generation.calendar_version == exchange_calendar().version
    assert (generation.built_at, generation.caught_up_at) == (NOW, NOW)


async def test_its_rules_and_its_calendar_are_frozen_in_it(project_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    await rebuild(project_pool, RULESET, lambda: NOW)
    rules = await read_pool.fetch("SELECT bit, name, penalty, penalty_group FROM projection.rule ORDER BY bit")
    assert [tuple(row) for row in rules] == [
        (bit, use.name, use.penalty, use.group) for bit, use in enumerate(RULESET.rules)
    ]
    calendar = exchange_calendar()
    assert await read_pool.fetchval("SELECT count(*) FROM projection.session") == len(calendar.sessions)
    closes_at = await read_pool.fetchval("SELECT closes_at FROM projection.session WHERE session = '2024-07-03'")
    assert closes_at == calendar.close_of(dt.date(2024, 7, 3))


async def test_a_ruleset_is_kept_whole_and_once(project_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    strict = msgspec.structs.replace(RULESET, validated_from=1.0)
    for ruleset in (RULESET, strict, RULESET):
        await rebuild(project_pool, ruleset, lambda: NOW)
    rows = await read_pool.fetch("SELECT ruleset_hash, body FROM archive.ruleset")
    assert {row["ruleset_hash"]: row["body"] for row in rows} == {
        RULESET.hash: RULESET.body,
        strict.hash: strict.body,
    }


async def test_where_nothing_is_projected_that_is_said(project_pool: asyncpg.Pool) -> None:
    async with project_pool.acquire() as connection:
        with pytest.raises(NothingProjected, match="nothing is projected yet; run `project`"):
            await live_generation(connection)


async def test_a_projection_of_another_shape_needs_a_rebuild(
    project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await rebuild(project_pool, RULESET, lambda: NOW)
    await owner.execute("UPDATE projection.generation SET shape = 'older'")
    async with project_pool.acquire() as connection:
        with pytest.raises(OutdatedProjection, match=r"another shape .*; run `project --rebuild`"):
            await live_generation(connection)
    await rebuild(project_pool, RULESET, lambda: NOW)


async def test_a_projection_judged_by_older_rule_code_needs_a_rebuild(
    project_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rebuild(project_pool, RULESET, lambda: NOW)
    old = RULES["large_gap"]
    monkeypatch.setitem(RULES, "large_gap", Rule(old.name, old.version + 1, old.limits, old.source, old.check))
    async with project_pool.acquire() as connection:
        with pytest.raises(OutdatedProjection, match="the code of its rules has changed"):
            await live_generation(connection)


async def test_a_projection_of_another_calendar_needs_a_rebuild(
    project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """Else rows would be judged by two calendars, and a rebuild would not give what catching up gives."""
    await rebuild(project_pool, RULESET, lambda: NOW)
    await owner.execute("UPDATE projection.generation SET calendar_version = 'exchange_calendars 1.0 XNYS'")
    async with project_pool.acquire() as connection:
        with pytest.raises(OutdatedProjection, match="calendar"):
            await live_generation(connection)


async def test_bars_are_a_hypertable_of_years_exactly_where_timescaledb_is(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    sessions = [dt.date(2022, 12, 30), dt.date(2023, 1, 3), dt.date(2024, 1, 2)]
    await archive_all(ingest_pool, [range_response("AAPL", [bar(session) for session in sessions])])
    await rebuild(project_pool, RULESET, lambda: NOW)
    assert await owner.fetchval("SELECT count(*) FROM projection.bar") == 3
    keys = "SELECT count(*) FROM pg_constraint WHERE conname = 'bar_key' AND conrelid = 'projection.bar'::regclass"
    assert await owner.fetchval(keys) == 1
    if await timescale_version(owner) is not None:
        chunks = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = 'projection'"
        assert 2 <= await owner.fetchval(chunks) <= 3
