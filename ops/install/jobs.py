"""Jobs that are run on time, each as a process, until somebody cancels it.

Of one job one run at a time; times that pass meanwhile, or while the machine sleeps, are one run. It knows neither
cron nor what the jobs do.
"""

import asyncio
import datetime as dt
import logging
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Sequence

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
    """A job, and the bell that makes it due at once."""

    def __init__(self, job: Job) -> None:
        self.job, self.bell = job, asyncio.Event()


async def run_jobs(
    jobs: Sequence[Job],
    now: Clock,
    *,
    after_failure: str | None = None,
    look_at_the_clock_s: float = _LOOK_AT_THE_CLOCK_S,
) -> None:
    """Run each job whenever it is due, until cancelled; jobs under way are asked to end then, and waited for.

    When another job fails, that of the name `after_failure` is due at once.
    """
    kept = [_Kept(job) for job in jobs]
    bell = next((each.bell for each in kept if each.job.name == after_failure), None)
    tasks = [asyncio.create_task(_keep(each, now, bell, look_at_the_clock_s)) for each in kept]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(kept: _Kept, now: Clock, on_failure: asyncio.Event | None, look_s: float) -> None:
    began: dt.datetime | None = None
    while True:
        due = kept.job.trigger.get_next_fire_time(began, now())
        _LOG.info("ops.job_waits", extra={"job": kept.job.name, "next": due.isoformat(timespec="seconds")})
        await _until(due, kept.bell, now, look_s)
        kept.bell.clear()
        began = now()
        failed = await _run(kept.job)
        if failed and on_failure is not None and on_failure is not kept.bell:
            on_failure.set()


async def _until(due: dt.datetime, bell: asyncio.Event, now: Clock, look_s: float) -> None:
    """Return when an instant has come, or the bell has rung.

    Timers stand still while a machine is suspended, and do not hear of a clock that is set: it is looked at again.
    """
    while not bell.is_set() and (left := (due - now()).total_seconds()) > 0:
        try:
            await asyncio.wait_for(bell.wait(), min(left, look_s))
        except TimeoutError:
            continue


async def _run(job: Job) -> bool:
    """Run a job to its end and tell whether it failed."""
    _LOG.info("ops.job_started", extra={"job": job.name})
    try:
        process = await asyncio.create_subprocess_exec(*job.arguments, stdin=DEVNULL)
    except OSError as exc:
        _LOG.error("ops.job_not_started", extra={"job": job.name, "caused_by": exc.strerror})
        return True
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
            _LOG.info("ops.job_stopped", extra={"job": job.name, "exit_code": process.returncode})
    level = logging.ERROR if process.returncode else logging.INFO
    _LOG.log(level, "ops.job_ended", extra={"job": job.name, "exit_code": process.returncode})
    return process.returncode != 0
