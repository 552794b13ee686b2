"""Jobs that are run on time, each as a process, until somebody cancels it.

Of one job one run at a time; times that pass meanwhile, or while the machine sleeps, are one run. It knows neither
cron nor what the jobs do.
"""

import asyncio
import datetime as dt
import logging
import os
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Mapping, Sequence

import msgspec
from apscheduler.triggers.base import BaseTrigger

_LOG = logging.getLogger("ops")
_LOOK_AT_THE_CLOCK_S = 60.0

Clock = Callable[[], dt.datetime]


class Job(msgspec.Struct, frozen=True):
    """A command line and when it is due."""

    name: str
    trigger: BaseTrigger
    arguments: tuple[str, ...]


class _Kept:
    """A job, the bell that makes it due at once, and what it is to hear then: how each other job has ended."""

    def __init__(self, job: Job) -> None:
        self.job, self.bell = job, asyncio.Event()
        self.heard: dict[str, Mapping[str, str]] = {}

    def hear(self, name: str, ended: Mapping[str, str]) -> None:
        """Make it due at once, to be run with how another job has ended."""
        self.heard[name] = ended
        self.bell.set()


async def run_jobs(
    jobs: Sequence[Job],
    now: Clock,
    *,
    after_failure: str | None = None,
    look_at_the_clock_s: float = _LOOK_AT_THE_CLOCK_S,
) -> None:
    """Run each job whenever it is due, until cancelled; jobs under way are asked to end then, and waited for.

    When another job fails, or goes well after it had failed, that of the name `after_failure` is due at once, and finds
    in its environment what systemd would tell it: MONITOR_UNIT, which is the job's name, and how it ended.
    """
    kept = [_Kept(job) for job in jobs]
    watch = next((each for each in kept if each.job.name == after_failure), None)
    tasks = [asyncio.create_task(_keep(each, now, watch, look_at_the_clock_s)) for each in kept]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(kept: _Kept, now: Clock, watch: _Kept | None, look_s: float) -> None:
    began: dt.datetime | None = None
    had_failed = False
    while True:
        due = kept.job.trigger.get_next_fire_time(began, now())
        _LOG.info("ops.job_waits", extra={"job": kept.job.name, "next": due.isoformat(timespec="seconds")})
        await _until(due, kept.bell, now, look_s)
        kept.bell.clear()
        began = now()
        heard, kept.heard = kept.heard, {}
        for environ in list(heard.values()) or [{}]:
            code = await _run(kept.job, environ)
        failed = code != 0
        if (failed or had_failed) and watch is not None and watch is not kept:
            watch.hear(kept.job.name, _ended(kept.job.name, code))
        had_failed = failed


async def _until(due: dt.datetime, bell: asyncio.Event, now: Clock, look_s: float) -> None:
    """Return when an instant has come, or the bell has rung.

    Timers stand still while a machine is suspended, and do not hear of a clock that is set: it is looked at again.
    """
    while not bell.is_set() and (left := (due - now()).total_seconds()) > 0:
        try:
            await asyncio.wait_for(bell.wait(), min(left, look_s))
        except TimeoutError:
            continue


def _ended(name: str, code: int | None) -> dict[str, str]:
    """Return how a job ended, in systemd's words.

    Source: systemd.exec(5).
    """
    if code is None:
        result, status = "resources", ""
    elif code < 0:
        result, status = "signal", signal.Signals(-code).name.removeprefix("SIG")
    else:
        result, status = "exit-code" if code else "success", str(code)
    return {"MONITOR_UNIT": name, "MONITOR_SERVICE_RESULT": result, "MONITOR_EXIT_STATUS": status}


async def _run(job: Job, environ: Mapping[str, str]) -> int | None:
    """Run a job to its end, with these variables too, and return its exit code; None where it did not start."""
    _LOG.info("ops.job_started", extra={"job": job.name})
    try:
        process = await asyncio.create_subprocess_exec(*job.arguments, stdin=DEVNULL, env={**os.environ, **environ})
    except OSError as exc:
        _LOG.error("ops.job_not_started", extra={"job": job.name, "caused_by": exc.strerror})
        return None
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
            _LOG.info("ops.job_stopped", extra={"job": job.name, "exit_code": process.returncode})
    level = logging.ERROR if process.returncode else logging.INFO
    _LOG.log(level, "ops.job_ended", extra={"job": job.name, "exit_code": process.returncode})
    return process.returncode
