"""When nights are: at a time of New York's clock, and once more after a wait where a night went wrong.

An alarm clock and no memory: what was missed while nobody listened is one ring, and what is to be done then comes from
the archive. It knows nothing of what a night does.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger

NEW_YORK = ZoneInfo("America/New_York")
_FIRST_WAIT = dt.timedelta(minutes=15)
_LOOK_AT_THE_CLOCK_S = 60.0
# However late, and however often it was missed: one ring.
_JOBS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


def nightly_trigger(at: dt.time) -> CronTrigger:
    """Return the trigger of a time of every day on New York's clock.

    In the spring night that has no 02:00 to 02:59 such a time comes an hour later, 02:00 at 03:00. In the autumn night
    that has 01:00 to 01:59 twice such a time comes twice, and the second night finds nothing to do; 02:00 comes once.
    """
    return CronTrigger(hour=at.hour, minute=at.minute, timezone=NEW_YORK)


def wait_after(failures: int) -> dt.timedelta:
    """Return how long to wait after so many failed tries in a row: twice as long each time."""
    return _FIRST_WAIT * (1 << (failures - 1))


class Alarm:
    """Rings at the times of a trigger, and at one more if asked to; see `open_alarm`."""

    def __init__(self, trigger: BaseTrigger, look_at_the_clock_s: float) -> None:
        self._scheduler = AsyncIOScheduler(timezone=NEW_YORK, job_defaults=_JOBS)
        self._night: Job = self._scheduler.add_job(self._ring, trigger, args=[True])
        self._look_s = look_at_the_clock_s
        self._rings = asyncio.Event()
        self._is_night = False

    def ring_at(self, when: dt.datetime) -> bool:
        """Ring once more at an instant, unless the next night comes first; tell whether it will."""
        if when >= self.next_night:
            return False
        trigger = DateTrigger(when, timezone=NEW_YORK)
        self._scheduler.add_job(self._ring, trigger, args=[False], id="again", replace_existing=True)
        return True

    @property
    def next_night(self) -> dt.datetime:
        """When the next night is, on a clock in New York."""
        when: dt.datetime = self._night.next_run_time
        # By way of UTC: the spring night's 02:00 is on no clock.
        return when.astimezone(dt.UTC).astimezone(NEW_YORK)

    async def wait(self) -> bool:
        """Wait for a ring and tell whether it is that of a night; rings that nobody waited for are one."""
        while not self._rings.is_set():
            try:
                await asyncio.wait_for(self._rings.wait(), self._look_s)
            except TimeoutError:
                # Timers stand still while a machine is suspended, and do not hear of a clock that is set.
                self._scheduler.wakeup()
        is_night, self._is_night = self._is_night, False
        self._rings.clear()
        return is_night

    async def _ring(self, is_night: bool) -> None:
        self._is_night |= is_night
        self._rings.set()


@asynccontextmanager
async def open_alarm(
    trigger: BaseTrigger, *, look_at_the_clock_s: float = _LOOK_AT_THE_CLOCK_S
) -> AsyncIterator[Alarm]:
    """Yield an alarm that rings while the context is open."""
    alarm = Alarm(trigger, look_at_the_clock_s)
    alarm._scheduler.start()
    try:
        yield alarm
    finally:
        alarm._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it shuts down in the loop's next turn
