"""Old bars compressed: on TimescaleDB nothing that is read, written over, swapped or hashed can tell.

What needs the columnstore is skipped elsewhere.
"""

import asyncio
import datetime as dt
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.columnstore import compress_old_bars
from project.compare.dry_run import dry_run
from project.compare.verify import verify
from project.generation import use_schema
from project.partial import Choice, rebuild_part
from project.rebuild import rebuild, rollback
from project.replay import Replayed, catch_up
from sql.connect import Role, open_owner, open_pool
from sql.timescale import generation_bytes, let_jobs_run, timescale_version
from tests.bench.made_archive import Market
from tests.bench.served import embedded_server
from tests.command import run_command
from tests.payloads import FETCHED_AT, archive_all, bar, range_response
from tests.project.conftest import Empty
from tests.project.random_archive import FIRST, LAST, SESSIONS, TICKERS, responses, small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables

Compress = Callable[[], Awaitable[None]]

RULESET = small_ruleset()
LENIENT = msgspec.structs.replace(RULESET, validated_from=0.0)
ROWS = [bar(day, 20.0 if place % 2 else 10.0) for place, day in enumerate(SESSIONS)]
_KNOWN = "SELECT * FROM projection.bars_known_at($1, $2, $3, $4)"
_AGGREGATES = ("SELECT * FROM projection.bar_1w", "SELECT * FROM projection.bar_1mo")
_JOBS = """
    SELECT job_id, hypertable_schema FROM timescaledb_information.jobs
    WHERE proc_name = 'policy_compression' ORDER BY hypertable_schema
"""
_OLD_CHUNKS = """
    SELECT count(*) AS chunks, count(*) FILTER (WHERE is_compressed) AS compressed
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'projection' AND hypertable_name = 'bar' AND range_end < now() - INTERVAL '1 year'
"""
_ERRORS = """
    SELECT err_message FROM timescaledb_information.job_errors
    WHERE job_id = $1 AND err_message IS NOT NULL ORDER BY start_time
"""
_RUNS = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'Columnstore%'
    )
"""
_SUCCEEDED = "SELECT total_successes > 0 FROM timescaledb_information.job_stats WHERE job_id = $1"
_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted)"
_TURNS = 9


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _jobs(database: asyncpg.Pool | asyncpg.Connection) -> dict[str, int]:
    """Return the job of each schema that has one."""
    return {row["hypertable_schema"]: row["job_id"] for row in await database.fetch(_JOBS)}


@pytest.fixture
async def timescale(owner: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Yield the owner's connection to a TimescaleDB where jobs may run and the scheduler does not begin any."""
    if await timescale_version(owner) is None:
        pytest.skip("needs TimescaleDB (TEST_DATABASE_URL)")
    await let_jobs_run(owner)
    await owner.execute("SELECT _timescaledb_functions.stop_background_workers()")
    yield owner


@pytest.fixture
def compress(timescale: asyncpg.Connection, project_pool: asyncpg.Pool) -> Compress:
    """Return a function that runs the job of the live generation: all chunks of the past are compressed then."""

    async def run() -> None:
        job_id = (await _jobs(project_pool))["projection"]
        await project_pool.execute(f"CALL public.run_job({job_id})")
        chunks, compressed = await project_pool.fetchrow(_OLD_CHUNKS)
        assert chunks == compressed

    return run


async def _aggregates(pool: asyncpg.Pool) -> list[list[str]]:
    """Return every row of the bars of weeks and months as text, in a fixed order."""
    return [sorted(repr(tuple(row)) for row in await pool.fetch(query)) for query in _AGGREGATES]


async def _everything(pool: asyncpg.Pool) -> tuple[object, ...]:
    """Return what is stored of bars, by every way in which they are read."""
    known = [
        sorted(repr(tuple(row)) for row in await pool.fetch(_KNOWN, ticker, FIRST, LAST, FETCHED_AT + hours))
        for ticker in TICKERS
        for hours in (dt.timedelta(0), dt.timedelta(days=365))
    ]
    return await all_tables(pool), known, await _aggregates(pool)


async def _require_verified(pool: asyncpg.Pool) -> None:
    """Hold that the live generation is what a replay makes of the archive."""
    async with pool.acquire() as connection:
        found = await verify(connection)
    assert found.agrees, found.why


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_compressed_bars_are_read_restated_added_to_and_hashed_as_any(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    compress: Compress,
    empty: Empty,
    sent: list[Response],
) -> None:
    await empty()
    half = len(sent) // 2
    await archive_all(ingest_pool, [range_response("AAPL", ROWS), *sent[:half]])
    await rebuild(project_pool, RULESET, _now)
    before = await _everything(project_pool)
    await compress()
    assert await _everything(project_pool) == before
    await archive_all(ingest_pool, sent[half:])
    caught_up = (await catch_up(project_pool, _now)).generation
    after = await _everything(project_pool)
    await _require_verified(read_pool)
    await compress()
    assert await _everything(project_pool) == after
    assert await fingerprint_of_tables(project_pool) == caught_up.fingerprint
    async with read_pool.acquire() as reader:
        assert (await dry_run(reader, RULESET)).changes.changed_share == 0
    part = (await rebuild_part(project_pool, Choice(("AAPL",), SESSIONS[3]), _now)).generation
    whole = (await rebuild(project_pool, RULESET, _now)).generation
    assert part.fingerprint == whole.fingerprint == caught_up.fingerprint
    assert await _everything(project_pool) == after


async def test_a_seeded_market_has_the_same_hashes_on_both_engines(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, compress: Compress
) -> None:
    """Compressed after a half, written over and added to after that; the other engine takes all of it in at once."""
    market, other = Market(30, 1000), Market(30, 1000, seed=21)
    restated = [
        msgspec.structs.replace(response, fetched_at=response.fetched_at + dt.timedelta(days=800))
        for response in islice(other.days(), 100, 110)
    ]
    days = list(islice(market.days(), 500))
    first, rest = days[:200] + days[260:400], days[200:260] + days[400:] + restated
    await archive_all(ingest_pool, first)
    await rebuild(project_pool, RULESET, _now)
    await compress()
    await archive_all(ingest_pool, rest)
    here = (await catch_up(project_pool, _now)).generation
    await compress()
    await _require_verified(read_pool)
    with embedded_server() as server:
        url = await server.new_warehouse()
        async with open_pool(url, Role.INGEST) as pool:
            await archive_all(pool, [*first, *rest])
        async with open_pool(url, Role.PROJECT) as pool:
            there = (await rebuild(pool, RULESET, _now)).generation
            assert await all_tables(pool) == await all_tables(project_pool)
    assert there.fingerprint == here.fingerprint


async def test_a_generation_is_swapped_with_its_chunks_and_policy_and_leaves_no_job_behind(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, compress: Compress
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    jobs = []
    for ruleset in (RULESET, LENIENT, RULESET):
        await rebuild(project_pool, ruleset, _now)
        jobs.append((await _jobs(project_pool))["projection"])
        await compress()
    assert len(set(jobs)) == 3
    # The second is the one before; the first is dropped, and its job with it.
    assert await _jobs(project_pool) == {"projection": jobs[2], "projection_previous": jobs[1]}
    await rollback(project_pool)
    assert await _jobs(project_pool) == {"projection": jobs[1], "projection_previous": jobs[2]}
    chunks, compressed = await project_pool.fetchrow(_OLD_CHUNKS)
    assert chunks == compressed > 0
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[2], 33.0)])])
    await catch_up(project_pool, _now)
    await _require_verified(project_pool)


async def _scheduled_run(timescale: asyncpg.Connection) -> str | None:
    """Let the scheduler run the live generation's job, and return what the run failed of, None where it did not.

    A server whose workers are all taken by other databases (max_worker_processes) cannot start it: asked again for a
    while, and then the test is skipped.
    """
    job_id = (await _jobs(timescale))["projection"]
    await timescale.execute("SELECT _timescaledb_functions.start_background_workers()")
    unstarted = 0
    try:
        async with asyncio.timeout(20):
            while True:
                errors = [row["err_message"] for row in await timescale.fetch(_ERRORS, job_id)]
                failures = [error for error in errors if "failed to start" not in error]
                if failures or await timescale.fetchval(_SUCCEEDED, job_id):
                    return failures[0] if failures else None
                if len(errors) > unstarted:
                    unstarted = len(errors)
                    await timescale.execute("SELECT public.alter_job($1, next_start => now())", job_id)
                await asyncio.sleep(0.1)
    except TimeoutError:
        if await timescale.fetchval(_RUNS):
            raise
        pytest.skip("the server has no worker left for a job (max_worker_processes)")


async def test_the_scheduler_runs_the_job_soon_and_without_a_failure(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, timescale: asyncpg.Connection
) -> None:
    """As it is in use: by the database's own worker, in the name of a role that nobody can log in as."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    assert await _scheduled_run(timescale) is None
    chunks, compressed = await timescale.fetchrow(_OLD_CHUNKS)
    assert chunks == compressed > 0
    allowed = await timescale.fetchrow(
        "SELECT rolcanlogin, rolconnlimit, rolpassword FROM pg_authid WHERE rolname = 'warehouse_project'"
    )
    assert tuple(allowed) == (True, 0, None)


async def test_a_long_read_holds_compression_up_and_no_other_reader(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    timescale: asyncpg.Connection,
    compress: Compress,
) -> None:
    """Who waits for a lock that excludes readers makes all later ones wait: so the job gives up, and comes again."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    async with read_pool.acquire() as reader, reader.transaction():
        assert await reader.fetchval("SELECT count(*) FROM projection.bar") == len(SESSIONS)
        assert "Failed to convert '1' chunks" in str(await _scheduled_run(timescale))
        assert await read_pool.fetchval("SELECT count(*) FROM projection.bar") == len(SESSIONS)
        assert await reader.fetchval("SELECT count(*) FROM projection.bar") == len(SESSIONS)
    await compress()
    await _require_verified(read_pool)


async def test_where_jobs_may_not_run_it_is_said_and_everything_else_goes_on(
    database_url: str,
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    timescale: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    async with open_owner(database_url) as other:
        # A role belongs to the whole server, so what is done to it here is never committed.
        await other.execute("BEGIN; SELECT public.remove_compression_policy('projection.bar')")
        await other.execute("ALTER ROLE warehouse_project NOLOGIN; SET LOCAL ROLE warehouse_project")
        await use_schema(other, "projection")
        with caplog.at_level(logging.WARNING, "project"):
            await compress_old_bars(other)
        await other.execute("ROLLBACK")
    [said] = [record for record in caplog.records if record.message == "project.not_compressed"]
    assert "may not compress old bars by itself (permission denied to start background process" in str(vars(said))


async def test_a_policy_that_is_missing_comes_with_the_next_catch_up(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, compress: Compress
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await project_pool.execute("SELECT public.remove_compression_policy('projection.bar')")
    assert await _jobs(project_pool) == {}
    await catch_up(project_pool, _now)
    [job_id] = (await _jobs(project_pool)).values()
    await catch_up(project_pool, _now)
    assert await _jobs(project_pool) == {"projection": job_id}
    await compress()


async def test_however_many_compressed_bars_are_written_over_no_bound_of_the_extension_is_met(
    database_url: str,
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    timescale: asyncpg.Connection,
    compress: Compress,
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await compress()
    name = await timescale.fetchval("SELECT current_database()")
    await timescale.execute(f"ALTER DATABASE {name} SET timescaledb.max_tuples_decompressed_per_dml_transaction = 1")
    async with open_pool(database_url, Role.PROJECT) as pool:
        with pytest.raises(asyncpg.ConfigurationLimitExceededError):
            await pool.execute("UPDATE projection.bar SET close = close + 1")
        await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 7.0) for day in SESSIONS])])
        await catch_up(pool, _now)
    await _require_verified(project_pool)


async def test_compressing_all_the_while_makes_no_catch_up_swap_or_rollback_fail(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, timescale: asyncpg.Connection
) -> None:
    """Two jobs at once, which give up as soon as in use, and readers for whom no bar may vanish for an instant."""
    await archive_all(ingest_pool, [range_response(f"T{n}", ROWS) for n in range(40)])
    await rebuild(project_pool, RULESET, _now)
    done = asyncio.Event()
    runs = 0
    counts = set()

    async def work(pool: asyncpg.Pool) -> None:
        nonlocal runs
        async with pool.acquire() as connection:
            await connection.execute("SET lock_timeout = '250ms'")
            while not done.is_set():
                for job in await connection.fetch(_JOBS):
                    try:
                        await connection.execute(f"CALL public.run_job({job['job_id']})")
                        runs += 1
                    except asyncpg.PostgresError:
                        await asyncio.sleep(0)  # its generation went, or it met another; the next turn is its own

    async def read(pool: asyncpg.Pool) -> None:
        while not done.is_set():
            counts.add(await pool.fetchval("SELECT count(*) FROM projection.bar"))

    async def project() -> None:
        try:
            for turn in range(_TURNS):
                rows = [bar(day, 11.0 + turn) for day in SESSIONS[turn % 5 :]]
                await archive_all(ingest_pool, [range_response(f"T{n}", rows) for n in range(turn, 40, 7)])
                await _PROJECTING[turn % 3](project_pool)
        finally:
            done.set()

    async with (
        open_pool(database_url, Role.PROJECT) as workers,
        open_pool(database_url, Role.READ) as readers,
        asyncio.TaskGroup() as crew,
    ):
        for _ in range(2):
            crew.create_task(work(workers))
            crew.create_task(read(readers))
        crew.create_task(project())
    assert runs > 0
    assert counts == {40 * len(SESSIONS)}
    await _require_verified(project_pool)
    assert set(await _jobs(project_pool)) <= {"projection", "projection_previous"}


async def test_a_catch_up_waits_for_a_job_before_it_has_read_what_the_job_is_to_lock(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, timescale: asyncpg.Connection
) -> None:
    """The locks that a job takes on a chunk, one after the other: with a reader who will write between, a deadlock."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 12.0) for day in SESSIONS])])
    chunk = await timescale.fetchval("SELECT public.show_chunks('projection.bar')::text")
    async with open_owner(database_url) as job:
        await job.execute(f"BEGIN; LOCK TABLE {chunk} IN EXCLUSIVE MODE")
        catching_up = asyncio.create_task(catch_up(project_pool, _now))
        while not await timescale.fetchval(_WAITS, chunk):
            assert not catching_up.done()
            await asyncio.sleep(0.01)
        await job.execute(f"SET LOCAL lock_timeout = '20s'; LOCK TABLE {chunk} IN ACCESS EXCLUSIVE MODE; COMMIT")
    await catching_up
    await _require_verified(project_pool)


async def _rebuild(pool: asyncpg.Pool) -> Replayed:
    return await rebuild(pool, RULESET, _now)


async def _catch_up(pool: asyncpg.Pool) -> Replayed:
    return await catch_up(pool, _now)


async def _roll_back(pool: asyncpg.Pool) -> Replayed:
    await rollback(pool)
    return await catch_up(pool, _now)


_PROJECTING = (_catch_up, _rebuild, _roll_back)


async def test_status_tells_what_the_projection_takes_and_what_compression_saves(
    command_environ: dict[str, str],
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    timescale: asyncpg.Connection,
) -> None:
    days = list(islice(Market(300, 1000).days(), 250))
    await archive_all(ingest_pool, days)
    await rebuild(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        await use_schema(connection, "projection")
        before = await generation_bytes(connection)
    assert before["compressed_chunks"] == 0
    assert before["compression_ratio"] is None
    await project_pool.execute(f"CALL public.run_job({(await _jobs(project_pool))['projection']})")
    facts = json.loads(run_command(command_environ, "project", "--status", "--json").stdout)
    assert facts["compressed_chunks"] == facts["chunks"] > 0
    assert facts["disk_bytes"] < before["disk_bytes"]
    assert facts["compression_ratio"] == pytest.approx(
        facts["bytes_before_compression"] / facts["bytes_compressed"], abs=0.01
    )
    assert facts["compression_ratio"] > 1


async def test_status_tells_what_the_projection_takes_on_any_engine(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    facts = json.loads(run_command(command_environ, "project", "--status", "--json").stdout)
    async with project_pool.acquire() as connection:
        is_timescale = await timescale_version(connection) is not None
    # A table and its key take at least a page each.
    assert facts["disk_bytes"] >= 10 * 8192
    assert ("compression_ratio" in facts) == is_timescale
