"""A night: what the archive lacks is fetched and then projected, whatever went wrong, and nothing is asked twice."""

import asyncio
import datetime as dt
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from archive.runs import latest_run
from archive.verify import verify_archive
from ingest.errors import (
    IngestError,
    InvalidKey,
    MissingKey,
    ProjectFailed,
    RunFailed,
    RunStopped,
)
from ingest.night.night import Night, run_night
from ingest.night.project_command import Facts, run_project
from ingest.night.stop import NightStop
from ingest.settings import VendorKey
from ingest.stop import StopRequested
from ingest.universe import parse_universe
from tests.fake_polygon import FakePolygon, Plan, SyntheticMarket
from tests.ingest.conftest import KEY, LAST, QUICK, RunCommand, StartCommand, Warehouse
from tests.ingest.nights import INGEST, asked_for_bars, bars, holder, offspring, until, vendor_of_today

THREE = "AAPL,MSFT,SPY"
# 02:00 in New York, on the Saturday after the Friday that is the market's last session.
SATURDAY = dt.datetime(2024, 6, 29, 6, 0, tzinfo=dt.UTC)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now


class Box:
    """A warehouse, its vendor and the clock of both; `projected` counts how often a night wanted to project."""

    def __init__(self, warehouse: Warehouse, clock: Clock) -> None:
        self.warehouse, self.vendor, self.clock = warehouse, warehouse.vendor, clock
        self.stop = NightStop()
        self.projected = 0
        self.projector: Callable[[], Facts] = lambda: {"bars": 1}

    async def night(self, symbols: str = THREE, **settings: Any) -> Night:
        """Run a night, quick to give up."""
        return await run_night(
            self.warehouse.pool,
            self.warehouse.settings(**settings),
            universe=parse_universe(symbols),
            now=self.clock,
            stop=self.stop,
            project=self._project,
            patience=QUICK,
        )

    async def _project(self, stop: NightStop) -> Facts | None:
        self.projected += 1
        return self.projector()

    async def newest(self) -> dict[str, dt.date]:
        """Return the newest session of which an answer came, by symbol."""
        rows = await self.warehouse.pool.fetch(
            "SELECT ticker, max(last_session) AS newest FROM archive.payload "
            "JOIN archive.assessment USING (archive_seq) WHERE endpoint = 'range' GROUP BY ticker"
        )
        return {row["ticker"]: row["newest"] for row in rows}


@pytest.fixture
async def box(ingest_pool: asyncpg.Pool, small_market: SyntheticMarket) -> AsyncIterator[Box]:
    """Yield a box on a Saturday night, with an empty archive."""
    clock = Clock(SATURDAY)
    async with FakePolygon(small_market, key=KEY, clock=clock) as vendor:
        yield Box(Warehouse(ingest_pool, vendor), clock)


async def test_a_night_fetches_five_years_and_projects_them(box: Box) -> None:
    night = await box.night()
    assert (night.errors, night.projected, box.projected) == ((), {"bars": 1}, 1)
    assert night.report is not None
    assert (night.report.first, night.report.last) == (dt.date(2019, 6, 28), LAST)
    assert await box.newest() == dict.fromkeys(THREE.split(","), LAST)
    run = await latest_run(box.warehouse.pool, ["nightly"])
    assert run is not None
    assert run.run_id == night.report.run_id
    assert not night.may_get_better()


async def test_a_second_night_asks_for_nothing_needs_no_key_and_projects_all_the_same(box: Box) -> None:
    """What a killed projector left behind is projected the next night."""
    await box.night()
    sent = len(box.vendor.requests)
    night = await box.night(key=None)
    assert night.report is not None
    assert (night.errors, night.report.planned, night.report.requests) == ((), 0, 0)
    assert (len(box.vendor.requests), box.projected) == (sent, 2)


async def test_a_box_that_was_off_for_a_week_makes_up_for_it_in_one_night(box: Box) -> None:
    box.clock.now = SATURDAY - dt.timedelta(days=8)
    await box.night()
    assert set((await box.newest()).values()) == {dt.date(2024, 6, 20)}
    sent = len(box.vendor.requests)
    box.clock.now = SATURDAY
    night = await box.night()
    assert night.errors == ()
    assert set((await box.newest()).values()) == {LAST}
    asked = [request.path for request in box.vendor.requests[sent:]]
    assert asked
    # Of the years before that week nothing is fetched again but what is looked at anew.
    assert not [path for path in asked if "/2019-" in path]
    assert (await verify_archive(box.warehouse.pool)).first_bad is None
    assert not night.may_get_better()


async def test_what_came_is_projected_when_something_failed_and_another_try_may_help(box: Box) -> None:
    box.vendor.fail_next(500, times=1_000, path="/ticker/MSFT/")
    night = await box.night()
    [error] = night.errors
    assert isinstance(error, RunFailed)
    assert "MSFT" in str(error)
    assert "AAPL" not in str(error)
    assert (box.projected, night.may_get_better()) == (1, True)
    box.vendor.behave()
    assert (await box.night()).errors == ()


async def test_a_vendor_that_is_away_ends_the_fetching_and_not_the_night(box: Box) -> None:
    box.vendor.fail_next(503, times=10_000)
    symbols = ",".join(f"S{number}" for number in range(20))
    night = await box.night(symbols)
    assert night.report is not None
    assert night.report.stopped_by == "10 requests in a row without an answer"
    assert [type(error) for error in night.errors] == [RunFailed]
    assert (box.projected, box.stop.why, night.may_get_better()) == (1, None, True)


async def test_a_refused_key_costs_one_request_and_no_other_try_that_night_and_is_projected(box: Box) -> None:
    night = await box.night(key=VendorKey("another-key-0123"))
    assert [type(error) for error in night.errors] == [InvalidKey]
    assert (len(box.vendor.requests), box.projected, night.may_get_better()) == (1, 1, False)
    with pytest.raises(InvalidKey):
        night.require_success()


async def test_a_missing_key_costs_no_request(box: Box) -> None:
    night = await box.night(key=None)
    assert [type(error) for error in night.errors] == [MissingKey]
    assert (len(box.vendor.requests), box.projected, night.may_get_better()) == (0, 1, False)


async def test_a_symbol_that_nobody_knows_is_said_and_is_no_reason_for_another_try(box: Box) -> None:
    night = await box.night("AAPL,NOPE")
    with pytest.raises(RunFailed, match="NOPE: the vendor has no bar of it"):
        night.require_success()
    box.clock.now += dt.timedelta(days=1)
    assert not (await box.night("AAPL,NOPE")).may_get_better()


@pytest.mark.parametrize(
    "plan", [Plan(history_years=2, same_day=False), Plan(same_day=False)], ids=["two years", "without the current day"]
)
async def test_a_session_that_is_not_out_yet_is_no_failure_and_a_reason_for_another_try(box: Box, plan: Plan) -> None:
    box.vendor.plan = plan
    box.clock.now = dt.datetime(2024, 6, 29, 1, 0, tzinfo=dt.UTC)  # Friday 21:00 in New York
    night = await box.night("AAPL")
    assert (night.errors, night.may_get_better()) == ((), True)
    box.clock.now = SATURDAY
    night = await box.night("AAPL")
    assert (night.errors, night.may_get_better()) == ((), False)
    assert await box.newest() == {"AAPL": LAST}


async def test_a_newest_session_that_is_silently_left_out_is_a_reason_for_another_try(box: Box) -> None:
    """The market's data ends on Friday; on Tuesday night Monday's bars are nowhere yet."""
    box.clock.now = dt.datetime(2024, 7, 2, 6, 0, tzinfo=dt.UTC)
    night = await box.night()
    assert night.report is not None
    assert night.report.last == dt.date(2024, 7, 1)
    assert (night.errors, night.may_get_better()) == ((), True)


async def test_one_symbol_without_the_newest_session_is_no_reason_for_another_try(box: Box) -> None:
    night = await box.night("AAPL,NOPE")
    assert night.report is not None
    assert night.report.left_to_ask > 0
    assert not night.may_get_better()


async def test_a_projector_that_fails_is_a_reason_for_another_try(box: Box) -> None:
    def fails() -> Facts:
        raise ProjectFailed("`project` ended with exit code 1")

    box.projector = fails
    night = await box.night()
    assert [type(error) for error in night.errors] == [ProjectFailed]
    assert night.may_get_better()
    night = await box.night("BCPC", key=VendorKey("another-key-0123"))
    with pytest.raises(IngestError, match=r"refuses POLYGON_API_KEY .*; what is archived could not be projected"):
        night.require_success()
    assert not night.may_get_better()


async def test_a_stop_lets_the_answer_on_the_wire_be_archived_and_nothing_more_begin(box: Box) -> None:
    symbols = ["AAPL", *(f"S{number}" for number in range(20))]
    box.vendor.slow_next(20_000, times=30, path="/ticker/")
    night = asyncio.create_task(box.night(",".join(symbols)))
    await asked_for_bars(box.vendor)
    box.stop.request("SIGTERM")
    ended = await night
    assert [str(error)[:18] for error in ended.errors] == ["stopped by SIGTERM"]
    assert isinstance(ended.errors[0], RunStopped)
    assert set(await box.newest()) >= {"AAPL"}
    assert (box.vendor.counts["range"] < len(symbols), box.projected) == (True, 0)


async def test_a_stop_that_was_asked_for_before_the_night_is_heard(box: Box) -> None:
    box.stop.request("SIGINT")
    night = await box.night()
    assert [type(error) for error in night.errors] == [RunStopped]
    assert (box.vendor.requests, box.projected) == ([], 0)


async def test_the_projector_may_print_facts_or_nothing_of_the_kind() -> None:
    stop = NightStop()
    assert await run_project(["/bin/echo", '{"bars": 3}'], stop, read_facts=True) == {"bars": 3}
    with pytest.raises(ProjectFailed, match="printed no facts"):
        await run_project(["/bin/echo", "bars"], stop, read_facts=True)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["/bin/false"], "`project` ended with exit code 1"),
        (["/bin/sh", "-c", "kill -KILL $$"], "`project` ended by SIGKILL"),
        (["/nowhere/project"], "/nowhere/project cannot be started (No such file or directory)"),
    ],
)
async def test_a_projector_that_does_not_do_its_job_is_said(command: list[str], why: str) -> None:
    with pytest.raises(ProjectFailed) as caught:
        await run_project(command, NightStop())
    assert caught.value.why == why


async def test_a_projector_is_ended_and_waited_for_when_a_stop_is_asked_for(tmp_path: Path) -> None:
    stop = NightStop()
    script = f"echo $$ > {tmp_path}/pid; exec sleep 600"
    projecting = asyncio.create_task(run_project(["/bin/sh", "-c", script], stop))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        await asyncio.sleep(0.01)
    stop.request("SIGTERM")
    with pytest.raises(StopRequested):
        await projecting
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


# The command line, which looks at the real clock.


@pytest.fixture
async def vendor() -> AsyncIterator[FakePolygon]:
    """Yield a vendor of the months up to today."""
    async with vendor_of_today() as server:
        yield server


async def test_the_command_fetches_projects_and_says_both(
    ingest_command: RunCommand, owner: asyncpg.Connection
) -> None:
    finished = await ingest_command("nightly")
    assert (finished.code, finished.stderr) == (0, "")
    fetched, projected = finished.stdout.index("fetched for "), finished.stdout.index("projection rebuilt from ")
    assert fetched < projected
    assert await bars(owner) > 300
    assert await owner.fetchval("SELECT count(*) FROM projection.generation") == 1


async def test_the_command_says_that_there_is_nothing_to_do_and_projects_what_is_left(
    ingest_command: RunCommand, owner: asyncpg.Connection, vendor: FakePolygon
) -> None:
    assert (await ingest_command("nightly", "--no-project")).code == 0
    assert await bars(owner) == 0
    sent = len(vendor.requests)
    finished = await ingest_command("nightly", POLYGON_API_KEY="")
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.startswith("nothing to do: the archive has every answer for ")
    assert "projection rebuilt from " in finished.stdout
    assert (await bars(owner) > 300, len(vendor.requests)) == (True, sent)


async def test_the_facts_of_a_night_are_one_document(ingest_command: RunCommand, owner: asyncpg.Connection) -> None:
    finished = await ingest_command("nightly", "--symbols", "AAPL,SPY", "--json")
    assert (finished.code, finished.stderr) == (0, "")
    facts = json.loads(finished.stdout)
    assert facts["projected"]["bars"] == await bars(owner) > 0
    assert set(facts["fetched"]["already_have"]) == {"AAPL", "SPY"}


async def test_a_projection_that_fails_is_one_line_more_and_leaves_with_1(
    ingest_command: RunCommand, owner: asyncpg.Connection
) -> None:
    finished = await ingest_command("nightly", RULES="/nowhere/rules.toml")
    assert finished.code == 1
    of_project, of_ingest = finished.stderr.splitlines()
    assert of_project.startswith("error: rules file /nowhere/rules.toml")
    assert of_ingest == "error: what is archived could not be projected: `project` ended with exit code 2"
    assert "fetched for " in finished.stdout
    assert await bars(owner) == 0


async def test_the_command_names_what_it_could_not_fetch_and_projects_the_rest(
    ingest_command: RunCommand, owner: asyncpg.Connection
) -> None:
    finished = await ingest_command("nightly", "--symbols", "AAPL,NOPE", "--json")
    assert finished.code == 1
    assert finished.stderr.startswith("error: not everything could be fetched: NOPE: the vendor has no bar of it")
    assert finished.stderr.count("\n") == 1
    assert json.loads(finished.stdout)["projected"]["bars"] == await bars(owner) > 0


async def test_the_command_needs_a_key_only_to_fetch(ingest_command: RunCommand, owner: asyncpg.Connection) -> None:
    finished = await ingest_command("nightly", "--json", POLYGON_API_KEY="")
    assert finished.code == 2
    assert finished.stderr.startswith("error: setting POLYGON_API_KEY is ''")
    assert json.loads(finished.stdout)["fetched"] is None


async def test_a_night_beside_another_run_does_nothing(
    ingest_command: RunCommand, owner: asyncpg.Connection, vendor: FakePolygon
) -> None:
    await owner.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", INGEST)
    finished = await ingest_command("nightly")
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: another ingest run is under way")
    assert vendor.requests == []


async def test_sigterm_in_the_middle_of_an_answer_archives_it_and_projects_nothing(
    vendor: FakePolygon, start_ingest: StartCommand, owner: asyncpg.Connection
) -> None:
    vendor.slow_next(4_000, path="/ticker/AAPL/")
    process = await start_ingest("nightly", "--symbols", "AAPL")
    await asked_for_bars(vendor)
    process.send_signal(signal.SIGTERM)
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.decode().strip().splitlines()[-1].startswith("error: stopped by SIGTERM")
    [whole] = await owner.fetch("SELECT transfer FROM archive.payload WHERE endpoint = 'range'")
    assert (whole["transfer"], await bars(owner)) == ("complete", 0)
    assert await holder(owner, INGEST) is None


async def test_sigterm_ends_the_projector_too(
    start_ingest: StartCommand, owner: asyncpg.Connection, ingest_command: RunCommand
) -> None:
    async def projector_waits() -> object:
        return await owner.fetchval(
            "SELECT count(*) FROM pg_locks WHERE relation = 'archive.ruleset'::regclass AND NOT granted"
        )

    async with owner.transaction():
        await owner.execute("LOCK TABLE archive.ruleset IN ACCESS EXCLUSIVE MODE")
        process = await start_ingest("nightly")
        await until(projector_waits)
        [projector] = offspring(process)
        process.send_signal(signal.SIGTERM)
        _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.decode().strip().splitlines()[-1].startswith("error: stopped by SIGTERM")
    assert not projector.is_running()
    assert await bars(owner) == 0
    assert (await ingest_command("nightly")).code == 0
    assert await bars(owner) > 300


async def test_a_night_that_was_killed_is_made_whole_by_the_next(
    vendor: FakePolygon, start_ingest: StartCommand, ingest_command: RunCommand, owner: asyncpg.Connection
) -> None:
    process = await start_ingest("nightly")
    await asked_for_bars(vendor, 2)
    process.kill()
    await process.communicate()
    assert (await ingest_command("nightly")).code == 0
    assert await bars(owner) > 300
    repeated = "SELECT request FROM archive.payload GROUP BY request HAVING count(*) > 1"
    assert await owner.fetch(repeated) == []
