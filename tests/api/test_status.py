"""GET /api/v1/status and /health: honest about what there is, and about what is not there."""

import datetime as dt

import asyncpg
import msgspec
import pytest

from api.status import DataFreshness, LastBackfill, Status
from archive.append import append_responses
from archive.payload import Endpoint, Request, Response, Transfer
from archive.runs import finish_run, start_run
from ingest.report import Ending, RunReport, StepOutcome
from sql.connect import open_owner
from tests.api.market import BARS, CALENDAR_VERSION, GENERATION_ID, NOW, RULESET_HASH, june, project
from tests.api.served import Client, served


async def status_of(client: Client) -> Status:
    """Return the status, which must be of its documented type."""
    answer = await client.ask("/api/v1/status")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Status)


async def test_health_needs_no_projection_and_says_healthy(database_url: str) -> None:
    async with served(database_url) as client:
        answer = await client.ask("/health")
    assert (answer.status, answer.json["status"]) == (200, "healthy")


async def test_status_counts_what_is_projected(client: Client) -> None:
    database = (await status_of(client)).database
    assert database.symbols_available == len({bar.ticker for bar in BARS})
    assert database.latest_data == june(11)
    assert database.total_records == len(BARS) == 13
    assert database.validation_rate_pct == 69.23  # 9 of 13
    assert (await status_of(client)).data_quality.records_with_gaps_flagged == 2


async def test_status_names_the_generation(client: Client) -> None:
    generation = (await status_of(client)).generation
    assert generation.generation_id == GENERATION_ID
    assert generation.ruleset_hash == RULESET_HASH
    assert generation.calendar_version == CALENDAR_VERSION


async def test_status_tells_how_far_the_newest_session_is_behind_the_newest_expected(
    database_url: str, projector: asyncpg.Connection, client: Client
) -> None:
    assert (await status_of(client)).freshness == DataFreshness(june(11), june(11), 0)
    await project(projector, bars=[bar for bar in BARS if bar.session <= june(6)])
    async with served(database_url) as late:
        assert (await status_of(late)).freshness == DataFreshness(june(6), june(11), 3)


async def test_an_empty_projection_has_no_rate_and_no_latest_session(
    database_url: str, projector: asyncpg.Connection
) -> None:
    await project(projector, bars=[], splits=[])
    async with served(database_url) as client:
        found = await status_of(client)
    database, freshness = found.database, found.freshness
    assert (database.symbols_available, database.total_records) == (0, 0)
    assert (database.latest_data, database.validation_rate_pct) == (None, None)
    assert (freshness.newest_session, freshness.sessions_behind) == (None, None)


async def test_payloads_that_wait_to_be_projected_show_as_lag(
    database_url: str, projector: asyncpg.Connection, ingest_pool: asyncpg.Pool
) -> None:
    await project(projector)
    run_id = await start_run(ingest_pool, "backfill", {}, NOW)
    response = Response("polygon", Request(Endpoint.RANGE, "/v2"), NOW, 200, [], Transfer.COMPLETE, b"{}")
    async with served(database_url) as client:
        await append_responses(ingest_pool, run_id, [response] * 2)
        level = await status_of(client)
        assert (level.status, level.archive.head, level.archive.checkpoint, level.archive.lag) == ("current", 2, 2, 0)
        await append_responses(ingest_pool, run_id, [response] * 3)
        behind = await status_of(client)
        assert (behind.status, behind.archive.head, behind.archive.lag) == ("behind", 5, 3)


async def test_the_last_backfill_is_the_one_that_started_last_and_says_how_it_stands(
    database_url: str, projector: asyncpg.Connection, ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await project(projector)
    hour = dt.timedelta(hours=1)
    async with served(database_url) as client:
        assert (await status_of(client)).data_quality.last_backfill is None
        run_id = await start_run(ingest_pool, "backfill", {}, NOW)
        await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))")
        assert (await status_of(client)).data_quality.last_backfill == LastBackfill(NOW, None, "running")
        await owner.execute("SELECT pg_advisory_unlock_all()")
        assert (await status_of(client)).data_quality.last_backfill == LastBackfill(NOW, None, "interrupted")
        await finish_run(ingest_pool, run_id, "backfill", {"requests": 0}, NOW + hour)
        ended = (await status_of(client)).data_quality.last_backfill
        assert ended == LastBackfill(NOW, NOW + hour, "complete")
        await start_run(ingest_pool, "spot-check", {}, NOW + 2 * hour)
        assert (await status_of(client)).data_quality.last_backfill == ended


@pytest.mark.parametrize(
    ("endings", "stopped_by", "outcome"),
    [
        ([Ending.ANSWERED, Ending.EMPTY, Ending.NOT_YET], None, "complete"),
        ([Ending.ANSWERED, Ending.FAILED], None, "incomplete"),
        ([Ending.NOT_TRIED], None, "incomplete"),
        ([Ending.ANSWERED], "the vendor refuses the key", "incomplete"),
    ],
)
async def test_a_backfill_is_complete_when_every_request_was_answered(
    database_url: str,
    projector: asyncpg.Connection,
    ingest_pool: asyncpg.Pool,
    endings: list[Ending],
    stopped_by: str | None,
    outcome: str,
) -> None:
    await project(projector)
    steps = tuple(StepOutcome("AAPL", "range", ending) for ending in endings)
    run_id = await start_run(ingest_pool, "backfill", {}, NOW)
    report = RunReport(run_id, june(1), june(2), 2, 2, {}, {}, (), 0, 2, 0, 9, 0.0, 1.0, stopped_by, steps)
    await finish_run(ingest_pool, run_id, "backfill", report, NOW)
    async with served(database_url) as client:
        last = (await status_of(client)).data_quality.last_backfill
    assert last is not None
    assert last.outcome == outcome


async def test_the_scheduler_runs_while_its_lock_is_held_in_this_database_and_not_otherwise(
    server_url: str, database_url: str, projector: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await project(projector)
    lock = "(hashtextextended('warehouse.scheduler', 0))"
    async with served(database_url) as client:
        assert (await status_of(client)).data_quality.scheduler_status == "not running"
        await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.project', 0))")
        assert (await status_of(client)).data_quality.scheduler_status == "not running"
        async with open_owner(server_url) as elsewhere:
            await elsewhere.execute(f"SELECT pg_advisory_lock{lock}")
            assert (await status_of(client)).data_quality.scheduler_status == "not running"
        await owner.execute(f"SELECT pg_advisory_lock{lock}")
        assert (await status_of(client)).data_quality.scheduler_status == "running"
        await owner.execute(f"SELECT pg_advisory_unlock{lock}")
        assert (await status_of(client)).data_quality.scheduler_status == "not running"
