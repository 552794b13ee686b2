"""The run ledger: what a run meant to do and what it did; one that was killed shows as unfinished."""

import datetime as dt

import asyncpg
import pytest

from archive.runs import finish_run, latest_run, start_run

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
