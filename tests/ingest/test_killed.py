"""kill -9 at any moment: nothing that was archived is lost or asked for again, and another run makes it whole."""

import asyncio
import datetime as dt
import signal

import asyncpg
import pytest

from archive.verify import verify_archive
from ingest.backfill import plan_backfill
from ingest.period import Period
from ingest.universe import parse_universe
from tests.fake_polygon import FakePolygon
from tests.ingest.conftest import FIRST, LAST, SYMBOLS, RunCommand, StartCommand

PERIODS = {
    "symbols": (",".join(SYMBOLS), FIRST, LAST),
    "market": ("all", dt.date(2024, 5, 1), LAST),
}


async def _archived_answers(pool: asyncpg.Pool) -> set[str]:
    rows = await pool.fetch("SELECT request FROM archive.payload WHERE http_status = 200 AND transfer = 'complete'")
    return {row["request"] for row in rows}


def _target(path: str, query: dict[str, str]) -> str:
    return f"{path}?" + "&".join(f"{name}={value}" for name, value in sorted(query.items()))


@pytest.mark.parametrize(
    ("kind", "after"),
    [("symbols", 1), ("symbols", 3), ("symbols", 6), ("market", 20)],
)
async def test_a_killed_run_is_completed_by_the_next_without_asking_twice(
    kind: str,
    after: int,
    vendor: FakePolygon,
    start_ingest: StartCommand,
    ingest_command: RunCommand,
    ingest_pool: asyncpg.Pool,
) -> None:
    symbols, first, last = PERIODS[kind]
    arguments = ("backfill", "--symbols", symbols, "--from", str(first), "--to", str(last), "--concurrency", "3")
    process = await start_ingest(*arguments)
    while len(vendor.requests) < after:
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert process.returncode == -signal.SIGKILL
    archived, sent = await _archived_answers(ingest_pool), len(vendor.requests)

    finished = await ingest_command(*arguments)

    assert (finished.code, finished.stderr) == (0, "")
    asked_again = {_target(each.path, dict(each.query)) for each in vendor.requests[sent:]} & archived
    assert asked_again == set()
    assert (await verify_archive(ingest_pool)).first_bad is None
    universe, now = parse_universe(symbols), dt.datetime.now(dt.UTC)
    plan = await plan_backfill(ingest_pool, universe, Period(first, last), now)
    assert plan.steps == ()
    repeated = "SELECT request FROM archive.payload GROUP BY request HAVING count(*) > 1"
    assert await ingest_pool.fetch(repeated) == []


async def test_a_run_that_is_killed_again_and_again_still_comes_to_an_end(
    vendor: FakePolygon, start_ingest: StartCommand, ingest_command: RunCommand, ingest_pool: asyncpg.Pool
) -> None:
    arguments = ("backfill", "--symbols", "all", "--from", "2024-05-01", "--to", str(LAST), "--concurrency", "2")
    for after in (5, 14, 30):
        process = await start_ingest(*arguments)
        while len(vendor.requests) < after and process.returncode is None:
            await asyncio.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    assert (await ingest_command(*arguments)).code == 0
    assert (await verify_archive(ingest_pool)).first_bad is None
    sessions = len(Period(dt.date(2024, 5, 1), LAST).sessions())
    # Each kill can cost what was in flight, and no more: two requests each time.
    assert sessions + 2 <= len(vendor.requests) <= sessions + 2 + 3 * 2
    answers = await _archived_answers(ingest_pool)
    assert len(answers) == sessions + 2


async def test_sigterm_finishes_what_is_in_flight_and_says_how_to_go_on(
    vendor: FakePolygon, start_ingest: StartCommand, ingest_command: RunCommand, ingest_pool: asyncpg.Pool
) -> None:
    vendor.slow_next(20_000, path="/ticker/AAPL/")
    arguments = ("backfill", "--from", str(FIRST), "--to", str(LAST), "--concurrency", "1")
    process = await start_ingest(*arguments)
    while not vendor.counts["range"]:
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.decode().strip().splitlines()[-1].startswith("error: stopped by SIGTERM")
    assert vendor.counts["range"] == 1
    assert len(await _archived_answers(ingest_pool)) == 3
    assert (await ingest_command(*arguments)).code == 0
    assert vendor.counts["range"] == len(SYMBOLS)
