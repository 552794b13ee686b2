"""The run ledger: what a run meant to do and what it did; one that was killed shows as unfinished."""

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from archive.runs import (
    AmbiguousRun,
    InvalidRunId,
    UnknownRun,
    find_run,
    finish_run,
    latest_run,
    list_runs,
    lock_is_held,
    start_run,
)
from sql.connect import open_owner

NINE, TEN, ELEVEN = (dt.datetime(2024, 7, 1, hour, tzinfo=dt.UTC) for hour in (9, 10, 11))


async def test_where_nothing_ran_there_is_no_latest_run(ingest_pool: asyncpg.Pool) -> None:
    assert await latest_run(ingest_pool, ["backfill"]) is None


async def test_a_run_that_was_killed_has_a_plan_and_no_end(ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    run_id = await start_run(ingest_pool, "backfill", {"requests": 3}, NINE)
    run = await latest_run(read_pool, ["backfill"])
    assert run is not None
    assert (run.run_id, run.kind, run.started_at, run.plan) == (run_id, "backfill", NINE, {"requests": 3})
    assert (run.finished_at, run.result) == (None, None)


async def test_a_run_that_ended_has_its_result(ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    run_id = await start_run(ingest_pool, "backfill", {}, NINE)
    await finish_run(ingest_pool, run_id, "backfill", {"symbols": {"BCpC": "rows"}}, TEN)
    run = await latest_run(read_pool, ["backfill"])
    assert run is not None
    assert (run.finished_at, run.result) == (TEN, {"symbols": {"BCpC": "rows"}})


async def test_the_latest_run_is_the_one_of_its_kinds_that_started_last(ingest_pool: asyncpg.Pool) -> None:
    first = await start_run(ingest_pool, "nightly", {}, NINE)
    second = await start_run(ingest_pool, "backfill", {}, TEN)
    await start_run(ingest_pool, "other", {}, ELEVEN)
    await finish_run(ingest_pool, first, "nightly", {}, ELEVEN)
    found = [await latest_run(ingest_pool, kinds) for kinds in (["nightly"], ["nightly", "backfill"])]
    assert [run.run_id for run in found if run is not None] == [first, second]


async def test_a_run_cannot_end_twice(ingest_pool: asyncpg.Pool) -> None:
    run_id = await start_run(ingest_pool, "backfill", {}, NINE)
    await finish_run(ingest_pool, run_id, "backfill", {}, TEN)
    with pytest.raises(asyncpg.UniqueViolationError):
        await finish_run(ingest_pool, run_id, "backfill", {}, ELEVEN)


async def test_runs_are_listed_newest_first_and_no_more_than_asked_for(ingest_pool: asyncpg.Pool) -> None:
    first = await start_run(ingest_pool, "nightly", {}, NINE)
    third = await start_run(ingest_pool, "backfill", {}, ELEVEN)
    second = await start_run(ingest_pool, "nightly", {}, TEN)
    await finish_run(ingest_pool, second, "nightly", {"requests": 1}, ELEVEN)
    runs = await list_runs(ingest_pool, 10)
    assert [run.run_id for run in runs] == [third, second, first]
    assert [run.result for run in runs] == [None, {"requests": 1}, None]
    assert [run.run_id for run in await list_runs(ingest_pool, 1)] == [third]
    assert [run.run_id for run in await list_runs(ingest_pool, 1, ["nightly"])] == [second]
    assert await list_runs(ingest_pool, 1, ["other"]) == []


ALIKE = [uuid.UUID(f"abcd{n}000-0000-4000-8000-00000000000{n}") for n in (1, 2)]


@pytest.fixture
async def alike(tamper: Callable[[str], Awaitable[None]]) -> None:
    """Leave two runs whose ids begin alike in the ledger."""
    for run_id in ALIKE:
        await tamper(f"INSERT INTO archive.run VALUES ('{run_id}', 'started', '2024-07-01 09:00Z', 'backfill', '{{}}')")


@pytest.mark.usefixtures("alike")
@pytest.mark.parametrize("text", ["abcd1", "ABCD1000-0000", str(ALIKE[0]), ALIKE[0].hex])
async def test_a_run_is_found_by_the_beginning_of_its_id(read_pool: asyncpg.Pool, text: str) -> None:
    assert (await find_run(read_pool, text)).run_id == ALIKE[0]


@pytest.mark.usefixtures("alike")
async def test_an_ambiguous_beginning_names_the_runs_that_have_it(read_pool: asyncpg.Pool) -> None:
    with pytest.raises(AmbiguousRun) as caught:
        await find_run(read_pool, "abcd")
    assert {run.run_id for run in caught.value.runs} == set(ALIKE)
    for run_id in ALIKE:
        assert f"{run_id} (backfill of 2024-07-01 09:00)" in str(caught.value)


@pytest.mark.usefixtures("alike")
@pytest.mark.parametrize("text", ["abce", "0000", str(uuid.UUID(int=0))])
async def test_an_unknown_run_is_named(read_pool: asyncpg.Pool, text: str) -> None:
    with pytest.raises(UnknownRun, match=f"run '{text}' is not in the ledger"):
        await find_run(read_pool, text)


@pytest.mark.parametrize("text", ["", "abc", "wxyz", "abcd%", "ab cd", f"{ALIKE[0]}0", "٠٠٠٠"])
async def test_what_no_id_begins_with_is_refused(read_pool: asyncpg.Pool, text: str) -> None:
    with pytest.raises(InvalidRunId, match="4 or more hex digits"):
        await find_run(read_pool, text)


async def test_a_lock_is_held_while_its_session_holds_it_in_this_database(
    read_pool: asyncpg.Pool, owner: asyncpg.Connection, empty_database_url: str
) -> None:
    take = "SELECT pg_advisory_lock(hashtextextended('some.lock', 0))"
    assert not await lock_is_held(read_pool, "some.lock")
    async with open_owner(empty_database_url) as neighbour:
        await neighbour.execute(take)
        assert not await lock_is_held(read_pool, "some.lock")
    await owner.execute(take)
    assert await lock_is_held(read_pool, "some.lock")
    assert not await lock_is_held(read_pool, "other.lock")
    await owner.execute("SELECT pg_advisory_unlock_all()")
    assert not await lock_is_held(read_pool, "some.lock")
