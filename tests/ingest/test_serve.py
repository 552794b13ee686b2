"""The service of nights: it catches up at once, heals by itself, is one in a database, and ends when it is told to."""

import asyncio
import datetime as dt
import logging
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.date import DateTrigger

from ingest.errors import AnotherRunUnderWay, AnotherScheduler, IngestError, MissingKey, ProjectFailed, RunStopped
from ingest.night.night import Night
from ingest.night.schedule import nightly_trigger, open_alarm
from ingest.night.scheduler_lock import scheduler_lock
from ingest.night.service import serve_nights
from ingest.night.stop import NightStop
from ingest.settings import IngestSettings
from sql.connect import open_owner
from sql.errors import DatabaseAway
from sql.log import FactFormatter
from tests.api.database_line import DatabaseLine
from tests.api.served import served
from tests.fake_polygon import FakePolygon
from tests.ingest.conftest import RunCommand, StartCommand
from tests.ingest.nights import (
    INGEST,
    SCHEDULER,
    asked_for_bars,
    bars,
    events,
    holder,
    offspring,
    until,
    vendor_of_today,
)

TWO = dt.time(2)
# So long ago that every wait is over by now.
LONG_AGO = dt.datetime.now(dt.UTC) - dt.timedelta(hours=20)


@pytest.fixture
async def vendor() -> AsyncIterator[FakePolygon]:
    """Yield a vendor of the months up to today."""
    async with vendor_of_today() as server:
        yield server


# Which nights are tried, and when again.


class Nights:
    """Nights that go as they are told to, one after the other; in the one after the last a stop is asked for."""

    def __init__(self, *goings: Exception | Night) -> None:
        self.goings = list(goings)
        self.stop = NightStop()

    async def __call__(self) -> Night:
        """Return or raise what the next night comes to."""
        if not self.goings:
            self.stop.request("SIGTERM")
            return Night(errors=(RunStopped("SIGTERM"),))
        going = self.goings.pop(0)
        if isinstance(going, Exception):
            raise going
        return going


async def lines(nights: Nights, caplog: pytest.LogCaptureFixture, *ring_after_s: float) -> list[str]:
    """Serve nights, the alarm ringing after so long, and return the line of each with the wait till the next try."""
    caplog.set_level(logging.INFO, "ingest")
    rings = [DateTrigger(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=each)) for each in ring_after_s]
    async with open_alarm(OrTrigger([*rings, nightly_trigger(TWO)])) as alarm, asyncio.timeout(60):
        await serve_nights(nights, alarm, nights.stop, lambda: LONG_AGO)
    assert nights.goings == []
    return [_line(record) for record in caplog.records if hasattr(record, "next")]


def _line(record: logging.LogRecord) -> str:
    facts = vars(record)
    wait = dt.datetime.fromisoformat(facts["next"]) - LONG_AGO.replace(microsecond=0)
    when = "next night" if wait > dt.timedelta(hours=20) else str(wait)
    return f"{record.levelname} {record.getMessage()} {when}"


def broken() -> Night:
    """Return a night on which the projector failed."""
    return Night(errors=(ProjectFailed("`project` ended with exit code 1"),))


async def test_a_night_that_fails_is_tried_again_after_growing_waits(caplog: pytest.LogCaptureFixture) -> None:
    nights = Nights(DatabaseAway("there"), broken(), IngestError("so it is"), broken(), broken())
    assert await lines(nights, caplog) == [
        "ERROR ingest.night_failed 0:15:00",
        "ERROR ingest.night_failed 0:30:00",
        "ERROR ingest.night_failed 1:00:00",
        "ERROR ingest.night_failed 2:00:00",
        "ERROR ingest.night_failed 4:00:00",
    ]
    assert "database there cannot be reached" in vars(events(caplog, "ingest.night_failed")[0])["caused_by"]


async def test_a_new_night_begins_with_the_shortest_wait(caplog: pytest.LogCaptureFixture) -> None:
    nights = Nights(broken(), broken(), Night(errors=(MissingKey(),)), broken(), broken())
    assert await lines(nights, caplog, 1.0) == [
        "ERROR ingest.night_failed 0:15:00",
        "ERROR ingest.night_failed 0:30:00",
        "ERROR ingest.night_failed next night",
        "ERROR ingest.night_failed 0:15:00",
        "ERROR ingest.night_failed 0:30:00",
    ]


async def test_another_run_is_waited_for_and_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    nights = Nights(AnotherRunUnderWay(), AnotherRunUnderWay(), broken(), AnotherRunUnderWay(), broken())
    assert await lines(nights, caplog) == [
        "INFO ingest.night_waits 0:05:00",
        "INFO ingest.night_waits 0:05:00",
        "ERROR ingest.night_failed 0:15:00",
        "INFO ingest.night_waits 0:05:00",
        "ERROR ingest.night_failed 0:30:00",
    ]


async def test_an_error_that_nobody_foresaw_is_logged_whole_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert await lines(Nights(ZeroDivisionError("oh"), broken()), caplog) == [
        "ERROR ingest.night_failed 0:15:00",
        "ERROR ingest.night_failed 0:30:00",
    ]
    [unforeseen] = events(caplog, "ingest.unforeseen")
    assert unforeseen.exc_info is not None
    assert isinstance(unforeseen.exc_info[1], ZeroDivisionError)
    assert all("\n" not in FactFormatter("%(message)s").format(each) for each in events(caplog, "ingest.night_failed"))


async def test_a_stop_during_a_night_ends_the_service_with_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ingest")
    stop = NightStop()

    async def night() -> Night:
        stop.request("SIGINT")
        return Night(errors=(RunStopped("SIGINT"),))

    async with open_alarm(nightly_trigger(TWO)) as alarm:
        await serve_nights(night, alarm, stop, lambda: LONG_AGO)
    assert [record.getMessage() for record in caplog.records] == ["ingest.serving", "ingest.serve_stopped"]
    assert vars(caplog.records[-1])["by"] == "SIGINT"


# The lock.


async def test_one_service_in_a_database(database_url: str, owner: asyncpg.Connection) -> None:
    reasons: list[str] = []
    async with scheduler_lock(lambda: open_owner(database_url), reasons.append):
        with pytest.raises(AnotherScheduler):
            async with scheduler_lock(lambda: open_owner(database_url), reasons.append):
                pass
        role = "SELECT application_name FROM pg_stat_activity WHERE pid = $1"
        assert await owner.fetchval(role, await holder(owner, SCHEDULER)) == "warehouse_scheduler"
    await until(lambda: _is_free(owner))
    assert reasons == []


async def _is_free(owner: asyncpg.Connection) -> bool:
    return await holder(owner, SCHEDULER) is None


async def _is_held_by_another(owner: asyncpg.Connection, pid: int | None) -> bool:
    return await holder(owner, SCHEDULER) not in (None, pid)


async def test_a_lock_that_is_lost_with_its_connection_is_taken_again(
    database_url: str, owner: asyncpg.Connection
) -> None:
    reasons: list[str] = []
    async with scheduler_lock(lambda: open_owner(database_url), reasons.append):
        first = await holder(owner, SCHEDULER)
        await owner.fetchval("SELECT pg_terminate_backend($1)", first)
        await until(lambda: _is_held_by_another(owner, first))
    assert reasons == []


async def test_a_lock_is_taken_again_once_the_database_is_back(
    database_url: str, owner: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async def is_missed() -> object:
        return len(events(caplog, "ingest.database_away")) > 2

    reasons: list[str] = []
    async with (
        DatabaseLine(database_url) as line,
        scheduler_lock(lambda: open_owner(line.url), reasons.append, beat_s=0.05),
    ):
        first = await holder(owner, SCHEDULER)
        await line.cut()
        await until(is_missed)
        await line.mend()
        await until(lambda: _is_held_by_another(owner, first))
    assert reasons == []


async def test_a_connection_whose_other_end_is_silent_is_given_up_and_the_lock_taken_again(
    database_url: str, owner: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """The silent session has the lock until the server ends it, and that is not taken for another service."""

    async def is_refused() -> object:
        return events(caplog, "ingest.scheduler_lock_refused")

    reasons: list[str] = []
    async with scheduler_lock(lambda: open_owner(database_url), reasons.append, beat_s=0.2):
        first = await holder(owner, SCHEDULER)
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        try:
            await until(is_refused)
        finally:
            os.kill(first, signal.SIGCONT)
        await until(lambda: _is_held_by_another(owner, first))
    assert reasons == []


async def test_a_lock_that_another_has_by_then_ends_the_service(database_url: str, owner: asyncpg.Connection) -> None:
    may_connect = asyncio.Event()
    may_connect.set()
    given_up = asyncio.Event()

    @asynccontextmanager
    async def connect() -> AsyncIterator[asyncpg.Connection]:
        await may_connect.wait()
        async with open_owner(database_url) as connection:
            yield connection

    with pytest.raises(AnotherScheduler):
        async with scheduler_lock(connect, lambda _: given_up.set(), beat_s=0.01):
            may_connect.clear()
            await owner.fetchval("SELECT pg_terminate_backend($1)", await holder(owner, SCHEDULER))
            await owner.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", SCHEDULER)
            may_connect.set()
            await asyncio.wait_for(given_up.wait(), 60)


# The command line, which looks at the real clock.


async def logged(process: asyncio.subprocess.Process, event: str) -> str:
    """Return the line of an event, once it is logged."""
    assert process.stderr is not None
    seen = b""
    async with asyncio.timeout(60):
        while line := await process.stderr.readline():
            seen += line
            if f" {event}" in line.decode():
                return line.decode()
    raise AssertionError(f"never logged {event}:\n{seen.decode()}")


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Return the exit code and the rest of the log of a command that is about to end."""
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert stdout == b""
    return process.returncode, stderr.decode()


StartServe = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start_serve(start_ingest: StartCommand) -> AsyncIterator[StartServe]:
    """Yield a function that starts `ingest serve`; what is still running in the end is killed."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, **changes: str) -> asyncio.subprocess.Process:
        started.append(await start_ingest("serve", *arguments, **({"LOG_LEVEL": "INFO"} | changes)))
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def scheduler_status(database_url: str) -> object:
    """Return what the API says of the service."""
    async with served(database_url) as client:
        return (await client.ask("/api/v1/status")).json["data_quality"]["scheduler_status"]


async def test_it_catches_up_at_once_projects_and_then_waits_for_the_night(
    start_serve: StartServe, database_url: str, owner: asyncpg.Connection, vendor: FakePolygon
) -> None:
    process = await start_serve("--at", "03:15")
    serving = await logged(process, "ingest.serving")
    assert re.search(r" INFO ingest\.serving next_night=\S+T03:15:00-0[45]:00\n", serving)
    done = await logged(process, "ingest.night_done")
    assert re.search(r" INFO ingest\.night_done bars=\d+ .* next=\S+T03:15:00-0[45]:00\n", done)
    assert await bars(owner) > 300
    assert await scheduler_status(database_url) == "running"
    # TimescaleDB's own workers come and go.
    sessions = (
        "SELECT application_name FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL($1)"
    )
    await until(lambda: _are(owner, sessions, ["warehouse_scheduler"]))
    sent = len(vendor.requests)

    process.send_signal(signal.SIGTERM)
    code, rest = await ended(process)
    assert (code, rest.count("\n")) == (0, 1)
    assert rest.endswith(" INFO ingest.serve_stopped by=SIGTERM\n")
    assert await scheduler_status(database_url) == "not running"
    assert len(vendor.requests) == sent


async def _are(owner: asyncpg.Connection, query: str, names: list[str]) -> bool:
    own = [owner.get_server_pid()]
    return [row["application_name"] for row in await owner.fetch(query, own) if row["application_name"]] == names


async def test_a_second_service_is_refused_in_one_line_and_the_first_goes_on(
    start_serve: StartServe, ingest_command: RunCommand, owner: asyncpg.Connection
) -> None:
    first = await start_serve()
    await logged(first, "ingest.serving")
    holding = await holder(owner, SCHEDULER)
    second = await ingest_command("serve", LOG_LEVEL="INFO")
    assert (second.code, second.stdout) == (1, "")
    assert second.stderr == "error: another `ingest serve` is running in this database; it goes on, this one ends\n"
    await logged(first, "ingest.night_done")
    assert await holder(owner, SCHEDULER) == holding


async def test_a_person_who_fetches_at_the_same_time_is_waited_for(
    start_serve: StartServe, start_ingest: StartCommand, vendor: FakePolygon
) -> None:
    vendor.hang_next(path="/ticker/AAPL/")
    person = await start_ingest("backfill", "--symbols", "AAPL")
    try:
        await asked_for_bars(vendor)
        service = await start_serve()
        assert "caused_by=another ingest run is under way" in await logged(service, "ingest.night_waits")
        assert (person.returncode, service.returncode) == (None, None)
    finally:
        person.kill()
        await person.communicate()


async def test_a_person_who_fetches_while_the_service_does_is_refused(
    start_serve: StartServe, ingest_command: RunCommand, vendor: FakePolygon
) -> None:
    vendor.hang_next(path="/ticker/AAPL/")
    await start_serve(UNIVERSE="AAPL")
    await asked_for_bars(vendor)
    person = await ingest_command("backfill")
    assert (person.code, person.stdout) == (1, "")
    assert person.stderr.startswith("error: another ingest run is under way")


async def test_sigterm_in_the_middle_of_an_answer_archives_it_projects_nothing_and_leaves_with_0(
    start_serve: StartServe, vendor: FakePolygon, owner: asyncpg.Connection
) -> None:
    vendor.slow_next(2_000, path="/ticker/AAPL/")
    process = await start_serve(UNIVERSE="AAPL")
    await asked_for_bars(vendor)
    process.send_signal(signal.SIGTERM)
    code, rest = await ended(process)
    assert (code, rest.endswith(" INFO ingest.serve_stopped by=SIGTERM\n")) == (0, True)
    [answer] = await owner.fetch("SELECT transfer FROM archive.payload WHERE endpoint = 'range'")
    assert (answer["transfer"], await bars(owner)) == ("complete", 0)
    await until(lambda: _is_free(owner))
    assert await holder(owner, INGEST) is None


async def test_sigterm_ends_the_projector_too_and_leaves_no_process(
    start_serve: StartServe, owner: asyncpg.Connection
) -> None:
    async def projector_waits() -> object:
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'archive.ruleset'::regclass AND NOT granted"
        return await owner.fetchval(waiting)

    async with owner.transaction():
        await owner.execute("LOCK TABLE archive.ruleset IN ACCESS EXCLUSIVE MODE")
        process = await start_serve()
        await until(projector_waits)
        [projector] = offspring(process)
        process.send_signal(signal.SIGTERM)
        code, _ = await ended(process)
    assert (code, projector.is_running()) == (0, False)


async def test_a_second_signal_ends_it_at_once(start_serve: StartServe, vendor: FakePolygon) -> None:
    vendor.hang_next(path="/ticker/AAPL/")
    process = await start_serve(UNIVERSE="AAPL")
    await asked_for_bars(vendor)
    process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.1)
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == -signal.SIGTERM


async def test_a_service_that_was_killed_is_made_up_for_by_the_next(
    start_serve: StartServe, vendor: FakePolygon, owner: asyncpg.Connection
) -> None:
    process = await start_serve()
    await asked_for_bars(vendor, 2)
    process.kill()
    await process.communicate()
    process = await start_serve()
    await logged(process, "ingest.night_done")
    assert await bars(owner) > 300
    repeated = "SELECT request FROM archive.payload GROUP BY request HAVING count(*) > 1"
    assert await owner.fetch(repeated) == []


async def test_a_refused_key_is_one_line_and_the_service_goes_on_to_the_next_night(
    start_serve: StartServe, vendor: FakePolygon
) -> None:
    process = await start_serve(POLYGON_API_KEY="wrong-key-123456")
    failed = await logged(process, "ingest.night_failed")
    assert " ERROR ingest.night_failed caused_by=the vendor refuses POLYGON_API_KEY" in failed
    assert "T02:00:00-0" in failed
    process.send_signal(signal.SIGINT)
    code, rest = await ended(process)
    assert (code, len(vendor.requests)) == (0, 1)
    assert "wrong-key" not in failed + rest


async def test_a_projection_that_fails_does_not_end_the_service(start_serve: StartServe) -> None:
    process = await start_serve(RULES="/nowhere/rules.toml")
    assert "error: rules file /nowhere/rules.toml" in await logged(process, "rules file")
    failed = await logged(process, "ingest.night_failed")
    assert "caused_by=what is archived could not be projected: `project` ended with exit code 2" in failed
    # A quarter of an hour later, wherever the night is.
    assert not re.search(r"next=\S+T02:00:00-", failed)


@pytest.mark.parametrize("time", ["24:00", "2", "2 am", "02:00:00"])
async def test_a_time_that_is_none_is_misuse(ingest_command: RunCommand, time: str) -> None:
    finished = await ingest_command("serve", NIGHTLY_AT=time)
    assert (finished.code, finished.stdout) == (2, "")
    assert finished.stderr == f"error: setting NIGHTLY_AT is '{time}': must be a time from 00:00 to 23:59, New York\n"


async def test_an_option_that_is_no_time_is_misuse_and_names_it(ingest_command: RunCommand) -> None:
    finished = await ingest_command("serve", "--at", "25:10")
    assert (finished.code, finished.stdout) == (2, "")
    assert "'25:10' is no time from 00:00 to 23:59" in finished.stderr


def test_the_setting_says_when_and_two_in_the_morning_is_the_default() -> None:
    assert IngestSettings.from_environ({}).nightly_at == TWO
    assert IngestSettings.from_environ({"NIGHTLY_AT": "23:59"}).nightly_at == dt.time(23, 59)
    assert IngestSettings.from_environ({"NIGHTLY_AT": "0:00"}).nightly_at == dt.time(0)


async def test_a_database_that_is_away_at_the_start_is_one_line(ingest_command: RunCommand) -> None:
    finished = await ingest_command("serve", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x")
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: database 127.0.0.1:1/x cannot be reached")
    assert "secret" not in finished.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield an empty folder for an embedded server, not in pytest's own, which the server's user cannot enter."""
    with tempfile.TemporaryDirectory(prefix="warehouse-serve-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def test_an_embedded_server_lives_as_long_as_the_service_and_is_started_again_when_it_dies(
    start_serve: StartServe, folder: Path
) -> None:
    pid_file = folder / "postgres" / "postmaster.pid"
    process = await start_serve(DATABASE_URL="", WAREHOUSE_DATA=str(folder), UNIVERSE="AAPL")
    await logged(process, "ingest.night_done")
    first = int(pid_file.read_text().split()[0])
    os.kill(first, signal.SIGKILL)
    await logged(process, "ingest.scheduler_lock_lost")
    await logged(process, "ingest.scheduler_lock_taken_again")
    second = int(pid_file.read_text().split()[0])
    assert (second != first, psutil.pid_exists(second)) == (True, True)
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0
    assert not pid_file.exists()
