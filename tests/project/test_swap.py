"""Going live: readers see one generation or the other, and nothing that arrives meanwhile is left out."""

import asyncio
import datetime as dt
import threading
from collections.abc import Coroutine

import asyncpg
import msgspec
import pytest

from archive.calendar import exchange_calendar
from archive.read import archive_head
from project.errors import NothingProjected, NothingToRollBack
from project.generation import create_next
from project.rebuild import rebuild, rollback
from project.replay import catch_up, projector
from sql.connect import Role, open_pool
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS, small_ruleset
from tests.project.tables import all_tables, the_generation

RULESET = small_ruleset()
LENIENT = msgspec.structs.replace(RULESET, validated_from=0.0)
ROWS = [bar(day, 20.0 if place % 2 else 10.0) for place, day in enumerate(SESSIONS)]
_READERS = 8
_REBUILDS = 8
_TURNS = 10

# One statement over one table: how an answer of several is proved to be of one generation is the API's.
_ANSWER = """
    SELECT count(*), count(*) FILTER (WHERE validated), sum(quality_score), sum(failed_rules), max(archive_seq)
    FROM projection.bar
"""


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def test_readers_under_constant_load_see_one_generation_or_the_other(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response(f"T{n}", ROWS) for n in range(20)])
    rulesets = (RULESET, LENIENT)
    expected = []
    for ruleset in rulesets:
        await rebuild(project_pool, ruleset, _now)
        expected.append(tuple(await project_pool.fetchrow(_ANSWER)))
    assert expected[0] != expected[1]
    done = asyncio.Event()
    answers: list[tuple[object, ...]] = []

    async def read(pool: asyncpg.Pool) -> None:
        while not done.is_set():
            answers.append(tuple(await pool.fetchrow(_ANSWER)))

    async with open_pool(database_url, Role.READ, size=_READERS) as readers, asyncio.TaskGroup() as crew:
        for _ in range(_READERS):
            crew.create_task(read(readers))
        for turn in range(_REBUILDS):
            await rebuild(project_pool, rulesets[turn % 2], _now)
        done.set()
    assert set(answers) == set(expected)


async def test_readers_see_no_error_and_no_mixture_while_rebuilds_and_rollbacks_take_turns(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response(f"T{n}", ROWS) for n in range(20)])
    expected = set()
    for ruleset in (RULESET, LENIENT):
        await rebuild(project_pool, ruleset, _now)
        expected.add(tuple(await project_pool.fetchrow(_ANSWER)))
    assert len(expected) == 2
    answers: list[tuple[object, ...]] = []
    done = asyncio.Event()

    async def read(pool: asyncpg.Pool) -> None:
        while not done.is_set():
            answers.append(tuple(await pool.fetchrow(_ANSWER)))

    async with open_pool(database_url, Role.READ, size=_READERS) as readers, asyncio.TaskGroup() as crew:
        for _ in range(_READERS):
            crew.create_task(read(readers))
        for turn in range(_TURNS):
            # A rebuild by the rules that are not live, and back: the other ones are live after each of the two.
            await rebuild(project_pool, (RULESET, LENIENT)[turn % 2], _now)
            await rollback(project_pool)
        done.set()
    assert set(answers) == expected


async def test_a_rollback_done_twice_changes_nothing_and_done_once_is_caught_up_by_its_own_rules(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    first = (await rebuild(project_pool, RULESET, _now)).generation
    before = await all_tables(project_pool)
    await archive_all(ingest_pool, [range_response("MSFT", ROWS)])
    second = (await rebuild(project_pool, LENIENT, _now)).generation
    after = await all_tables(project_pool)
    assert await rollback(project_pool) == first == await the_generation(project_pool)
    assert await all_tables(project_pool) == before
    assert await rollback(project_pool) == second
    assert await all_tables(project_pool) == after
    await rollback(project_pool)
    caught_up = await catch_up(project_pool, _now)
    assert (caught_up.payloads, caught_up.generation.ruleset_hash) == (1, RULESET.hash)
    tables = await all_tables(project_pool)
    await rebuild(project_pool, RULESET, _now)
    assert await all_tables(project_pool) == tables


async def test_what_a_killed_rebuild_left_is_no_hindrance_to_a_rollback(project_pool: asyncpg.Pool) -> None:
    first = (await rebuild(project_pool, RULESET, _now)).generation
    await rebuild(project_pool, LENIENT, _now)
    async with projector(project_pool) as connection:
        await create_next(connection, RULESET, exchange_calendar())
    assert await rollback(project_pool) == first


async def test_where_there_is_nothing_to_go_back_to_it_is_said(project_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await rollback(project_pool)
    live = (await rebuild(project_pool, RULESET, _now)).generation
    with pytest.raises(NothingToRollBack, match="cannot roll back: no generation came before the live one"):
        await rollback(project_pool)
    assert await the_generation(project_pool) == live


async def test_a_generation_of_other_tables_is_not_rolled_back_to(
    project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    for _ in range(2):
        live = (await rebuild(project_pool, RULESET, _now)).generation
    await owner.execute("UPDATE projection_previous.generation SET shape = 'older'")
    with pytest.raises(NothingToRollBack, match="have another shape than this software's"):
        await rollback(project_pool)
    assert await the_generation(project_pool) == live


async def test_a_reader_inside_a_transaction_does_not_hold_the_next_generation_up(
    project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await rebuild(project_pool, RULESET, _now)
    async with read_pool.acquire() as reader, reader.transaction(isolation="repeatable_read"):
        await reader.fetch(_ANSWER)
        async with asyncio.timeout(20):
            await rebuild(project_pool, LENIENT, _now)
    assert (await the_generation(project_pool)).ruleset_hash == LENIENT.hash


async def test_no_payload_that_arrives_during_a_rebuild_is_left_out_of_what_goes_live(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """Whenever the rebuild looks at the clock a payload tries to slip in; in the last instant it has to wait."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    arrived: list[int] = []
    turned_away = 0

    def clock() -> dt.datetime:
        nonlocal turned_away
        found = _in_a_thread(_append_at_once(database_url, bar(SESSIONS[0], 50.0 + len(arrived))))
        if found is None:
            turned_away += 1
        else:
            arrived.append(found)
        return _now()

    replayed = await rebuild(project_pool, RULESET, clock)
    assert len(arrived) >= 2
    assert turned_away >= 1
    assert replayed.generation.checkpoint == arrived[-1] == await archive_head(project_pool)
    live = await all_tables(project_pool)
    assert len(live["bar_revision"]) == len(arrived)
    await rebuild(project_pool, RULESET, _now)
    assert await all_tables(project_pool) == live


async def _append_at_once(url: str, row: dict[str, str]) -> int | None:
    """Append a payload from a connection of its own; return None where that would have to wait."""
    async with open_pool(url, Role.INGEST, size=1, statement_timeout_s=0.2) as pool:
        try:
            [number] = await archive_all(pool, [range_response("AAPL", [row])])
        except asyncpg.QueryCanceledError:
            return None
        return number


def _in_a_thread(job: Coroutine[None, None, int | None]) -> int | None:
    found: list[int | None] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(job)))
    thread.start()
    thread.join()
    return found[0]


async def test_a_rebuild_ends_while_payloads_keep_arriving(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    stop = asyncio.Event()

    async def keep_appending() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await archive_all(ingest_pool, [range_response(f"T{number % 5}", [bar(SESSIONS[0], 10.0 + number)])])

    appending = asyncio.create_task(keep_appending())
    try:
        for ruleset in (RULESET, LENIENT, RULESET):
            seen = await archive_head(project_pool)
            replayed = await rebuild(project_pool, ruleset, _now)
            assert replayed.generation.checkpoint >= seen
    finally:
        stop.set()
        await appending
    await catch_up(project_pool, _now)
    caught_up = await all_tables(project_pool)
    await rebuild(project_pool, RULESET, _now)
    assert await all_tables(project_pool) == caught_up


async def test_catching_up_waits_for_nobody_who_reads(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    async with read_pool.acquire() as reader, reader.transaction(isolation="repeatable_read"):
        before = await reader.fetchrow(_ANSWER)
        async with asyncio.timeout(20):
            await catch_up(project_pool, _now)
        assert await reader.fetchrow(_ANSWER) == before
    assert (await read_pool.fetchrow(_ANSWER))[0] == len(SESSIONS)


async def test_the_projectors_lock_is_given_back_when_it_fails(project_pool: asyncpg.Pool) -> None:
    async def fail() -> None:
        async with projector(project_pool):
            raise RuntimeError

    for _ in range(2):
        try:
            await fail()
        except RuntimeError:
            continue
    await rebuild(project_pool, RULESET, _now)
