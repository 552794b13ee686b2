"""Jobs on time: one run of each at a time, what was missed is one run, and a failure calls the watch."""

import asyncio
import datetime as dt
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from ops.install.jobs import Job, run_jobs

_PATIENCE_S = 30.0
_HOURLY = CronTrigger.from_crontab("0 * * * *", dt.UTC)
_YEARLY = CronTrigger.from_crontab("0 0 1 jan *", dt.UTC)


class HandSetClock:
    """A clock that stands still until a test sets it."""

    def __init__(self) -> None:
        self.time = dt.datetime(2026, 11, 22, 9, 30, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.time

    def set_to(self, hour: int, minute: int = 0) -> None:
        """Set it to a time of the same day."""
        self.time = self.time.replace(hour=hour, minute=minute)


class Recorded:
    """A job whose every run adds a line to a file and then waits until the test lets it end."""

    def __init__(self, folder: Path, name: str, trigger: BaseTrigger, *, code: int = 0) -> None:
        self.runs, self._gate = folder / f"{name}.runs", folder / f"{name}.gate"
        os.mkfifo(self._gate)
        script = (
            f'trap "echo stopped >> {self.runs}; exit 5" TERM; echo began >> {self.runs}; '
            f"read x < {self._gate}; exit {code}"
        )
        self.job = Job(name, trigger, ("/bin/sh", "-c", script))

    def lines(self) -> list[str]:
        """Return what its runs have written."""
        return self.runs.read_text().split() if self.runs.exists() else []

    async def began(self, times: int) -> None:
        """Wait until it has begun so often."""
        async with asyncio.timeout(_PATIENCE_S):
            while self.lines().count("began") < times:
                await asyncio.sleep(0.005)

    async def let_end(self) -> None:
        """Let the run that is under way end."""
        await asyncio.to_thread(self._gate.write_text, "go\n")


@pytest.fixture
def clock() -> HandSetClock:
    """Return a clock that shows half past nine."""
    return HandSetClock()


@asynccontextmanager
async def _running(clock: HandSetClock, *jobs: Recorded, after_failure: str | None = None) -> AsyncIterator[None]:
    running = asyncio.create_task(
        run_jobs([each.job for each in jobs], clock, after_failure=after_failure, look_at_the_clock_s=0.005)
    )
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _waits_again(caplog: pytest.LogCaptureFixture, times: int) -> str:
    """Wait until jobs have said so often when they are due next; return the last time."""
    async with asyncio.timeout(_PATIENCE_S):
        while len(said := [record for record in caplog.records if record.msg == "ops.job_waits"]) < times:
            await asyncio.sleep(0.005)
    return str(vars(said[-1])["next"])


async def test_a_job_runs_when_it_is_due_and_not_before(
    tmp_path: Path, clock: HandSetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ops")
    hourly = Recorded(tmp_path, "hourly", _HOURLY)
    async with _running(clock, hourly):
        assert await _waits_again(caplog, 1) == "2026-11-22T10:00:00+00:00"
        assert hourly.lines() == []
        clock.set_to(10)
        await hourly.began(1)
        await hourly.let_end()
        assert await _waits_again(caplog, 2) == "2026-11-22T11:00:00+00:00"
    assert hourly.lines() == ["began"]
    ended = [vars(record) for record in caplog.records if record.msg == "ops.job_ended"]
    assert [(record["job"], record["exit_code"]) for record in ended] == [("hourly", 0)]


async def test_times_that_pass_during_a_run_are_one_run_after_it(
    tmp_path: Path, clock: HandSetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ops")
    hourly = Recorded(tmp_path, "hourly", _HOURLY)
    async with _running(clock, hourly):
        await _waits_again(caplog, 1)
        clock.set_to(10)
        await hourly.began(1)
        clock.set_to(13, 30)
        assert hourly.lines() == ["began"]
        await hourly.let_end()
        await hourly.began(2)
        await hourly.let_end()
        assert await _waits_again(caplog, 3) == "2026-11-22T14:00:00+00:00"
    assert hourly.lines() == ["began", "began"]


async def test_one_job_does_not_hold_up_another(tmp_path: Path, clock: HandSetClock) -> None:
    slow, other = Recorded(tmp_path, "slow", _HOURLY), Recorded(tmp_path, "other", _HOURLY)
    async with _running(clock, slow, other):
        await asyncio.sleep(0)
        clock.set_to(10)
        await slow.began(1)
        await other.began(1)
        await other.let_end()
        clock.set_to(11)
        await other.began(2)
        assert slow.lines() == ["began"]


async def test_a_failed_job_makes_the_watch_due_at_once_and_a_failed_watch_does_not(
    tmp_path: Path, clock: HandSetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ops")
    backup, watch = Recorded(tmp_path, "backup", _HOURLY, code=1), Recorded(tmp_path, "watch", _YEARLY, code=1)
    async with _running(clock, backup, watch, after_failure="watch"):
        await _waits_again(caplog, 2)
        clock.set_to(10)
        await backup.began(1)
        assert watch.lines() == []
        await backup.let_end()
        await watch.began(1)
        await watch.let_end()
        await _waits_again(caplog, 4)
    assert watch.lines() == ["began"]
    failed = [vars(record)["job"] for record in caplog.records if record.levelno == logging.ERROR]
    assert failed == ["backup", "watch"]


async def test_the_watch_hears_which_job_failed_and_when_it_went_well_again(
    tmp_path: Path, clock: HandSetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ops")
    said, twice = tmp_path / "said", tmp_path / "twice"
    tell = f"echo $MONITOR_UNIT $MONITOR_SERVICE_RESULT $MONITOR_EXIT_STATUS >> {said}"
    fails_once = f"[ -e {twice} ] || {{ touch {twice}; exit 3; }}"
    jobs = [
        Job("ops backup", _HOURLY, ("/bin/sh", "-c", fails_once)),
        Job("ops drill", _HOURLY, ("/bin/sh", "-c", "kill -KILL $$")),
        Job("ops scrub", _HOURLY, ("/bin/sh", "-c", "exit 0")),
        Job("watch", _YEARLY, ("/bin/sh", "-c", tell)),
    ]
    running = asyncio.create_task(run_jobs(jobs, clock, after_failure="watch", look_at_the_clock_s=0.005))
    for hour, expected in (
        (10, {"ops backup exit-code 3", "ops drill signal KILL"}),
        (11, {"ops backup success 0", "ops drill signal KILL"}),
    ):
        clock.set_to(hour)
        async with asyncio.timeout(_PATIENCE_S):
            while not said.exists() or len(said.read_text().splitlines()) < len(expected):
                await asyncio.sleep(0.005)
        assert set(said.read_text().splitlines()) == expected
        said.unlink()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_an_end_ends_what_runs_and_waits_for_it(tmp_path: Path, clock: HandSetClock) -> None:
    hourly = Recorded(tmp_path, "hourly", _HOURLY)
    async with _running(clock, hourly):
        await asyncio.sleep(0)
        clock.set_to(10)
        await hourly.began(1)
    assert hourly.lines() == ["began", "stopped"]


async def test_a_command_that_is_not_there_is_a_failed_job_and_no_end_of_the_others(
    tmp_path: Path, clock: HandSetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ops")
    missing, watch = Recorded(tmp_path, "missing", _HOURLY), Recorded(tmp_path, "watch", _YEARLY)
    missing.job = Job("missing", _HOURLY, (str(tmp_path / "nothing"),))
    async with _running(clock, missing, watch, after_failure="watch"):
        await _waits_again(caplog, 2)
        clock.set_to(10)
        await watch.began(1)
    assert [record.msg for record in caplog.records if record.levelno == logging.ERROR] == ["ops.job_not_started"]
