"""When nights are: on New York's clock, whatever is done to it; and the alarm that rings then."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.date import DateTrigger

from ingest.night.schedule import NEW_YORK, Alarm, nightly_trigger, open_alarm, wait_after

TWO = dt.time(2)
SHORTLY_S = 0.05


def utc(month: int, day: int, hour: int, minute: int = 0, second: int = 0) -> dt.datetime:
    """Return an instant of 2026."""
    return dt.datetime(2026, month, day, hour, minute, second, tzinfo=dt.UTC)


def nights(at: dt.time, after: dt.datetime, count: int) -> list[str]:
    """Return the next nights as APScheduler comes to them, each asked for when the one before has come."""
    trigger = nightly_trigger(at)
    found: list[dt.datetime] = []
    for _ in range(count):
        now = found[-1].astimezone(dt.UTC).astimezone(NEW_YORK) if found else after
        found.append(trigger.get_next_fire_time(found[-1] if found else None, now))
    return [night.astimezone(dt.UTC).strftime("%m-%d %H:%M") for night in found]


@pytest.mark.parametrize(
    ("at", "after", "expected"),
    [
        (TWO, utc(1, 5, 7, 0, 1), ["01-06 07:00", "01-07 07:00"]),
        (TWO, utc(7, 5, 5, 59), ["07-05 06:00", "07-06 06:00"]),
        (TWO, utc(3, 7, 12), ["03-08 07:00", "03-09 06:00", "03-10 06:00"]),
        (TWO, utc(3, 8, 6, 59), ["03-08 07:00", "03-09 06:00"]),
        (TWO, utc(3, 8, 7, 0, 1), ["03-09 06:00"]),
        (dt.time(2, 30), utc(3, 7, 12), ["03-08 07:30", "03-09 06:30"]),
        (TWO, utc(10, 31, 12), ["11-01 07:00", "11-02 07:00", "11-03 07:00"]),
        (dt.time(1, 30), utc(10, 31, 12), ["11-01 05:30", "11-01 06:30", "11-02 06:30"]),
    ],
    ids=[
        "in winter",
        "in summer",
        "the spring night has no 02:00 and the alarm rings at 03:00",
        "a minute before that",
        "just after that",
        "the spring night has no 02:30 either",
        "the autumn night has one 02:00",
        "the autumn night has two 01:30 and the alarm rings twice",
    ],
)
def test_every_night_of_new_york_has_its_ring(at: dt.time, after: dt.datetime, expected: list[str]) -> None:
    assert nights(at, after.astimezone(NEW_YORK), len(expected)) == expected


def test_no_night_is_left_out_in_ten_years() -> None:
    days = {night[:5] for night in nights(TWO, dt.datetime(2026, 1, 1, tzinfo=NEW_YORK), 3653)}
    assert len(days) == 366


def test_each_wait_is_twice_the_one_before() -> None:
    assert [str(wait_after(failures)) for failures in (1, 2, 3, 4, 5)] == [
        "0:15:00",
        "0:30:00",
        "1:00:00",
        "2:00:00",
        "4:00:00",
    ]


def soon(*seconds: float) -> BaseTrigger:
    """Return a trigger of some moments ahead, and then every night."""
    moments = [DateTrigger(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=each)) for each in seconds]
    return OrTrigger([*moments, nightly_trigger(TWO)])


async def is_silent(alarm: Alarm) -> bool:
    try:
        await asyncio.wait_for(alarm.wait(), SHORTLY_S)
    except TimeoutError:
        return True
    return False


async def test_the_alarm_rings_at_night() -> None:
    async with open_alarm(soon(SHORTLY_S)) as alarm:
        assert await alarm.wait() is True
        assert alarm.next_night.astimezone(NEW_YORK).time() == TWO
        assert await is_silent(alarm)


async def test_rings_that_nobody_waited_for_are_one() -> None:
    async with open_alarm(soon(0.01, 0.02, 0.03)) as alarm:
        await asyncio.sleep(0.1)
        assert await alarm.wait() is True
        assert await is_silent(alarm)


async def test_a_moment_that_has_passed_rings_at_once() -> None:
    async with open_alarm(soon(-86_400, -3_600)) as alarm:
        assert await alarm.wait() is True
        assert await is_silent(alarm)


async def test_it_rings_once_more_when_asked_to() -> None:
    async with open_alarm(soon()) as alarm:
        for _ in range(2):
            assert alarm.ring_at(dt.datetime.now(dt.UTC)) is True
            assert await alarm.wait() is False
        assert await is_silent(alarm)


async def test_it_does_not_ring_once_more_where_the_next_night_comes_first() -> None:
    async with open_alarm(soon()) as alarm:
        assert alarm.ring_at(alarm.next_night) is False
        assert alarm.ring_at(alarm.next_night - dt.timedelta(seconds=1)) is True


async def test_a_night_that_comes_upon_a_ring_that_nobody_waited_for_is_heard_as_a_night() -> None:
    async with open_alarm(soon(SHORTLY_S)) as alarm:
        alarm.ring_at(alarm.next_night - dt.timedelta(seconds=0.001))
        await asyncio.sleep(2 * SHORTLY_S)
        assert await alarm.wait() is True
        assert await is_silent(alarm)


async def test_a_machine_that_slept_through_the_night_hears_the_alarm_when_it_wakes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its timers stood still, so only the clock tells."""
    slept = dt.timedelta(0)

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.now(tz) + slept

    monkeypatch.setattr(base, "datetime", Clock)
    async with open_alarm(nightly_trigger(TWO), look_at_the_clock_s=0.01) as alarm:
        assert await is_silent(alarm)
        slept = dt.timedelta(days=3)
        assert await asyncio.wait_for(alarm.wait(), 60) is True
        assert await is_silent(alarm)


async def test_the_next_night_is_said_as_clocks_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime(2026, 3, 8, 6, 30, tzinfo=dt.UTC).astimezone(tz)

    monkeypatch.setattr(base, "datetime", Clock)
    async with open_alarm(nightly_trigger(TWO)) as alarm:
        assert alarm.next_night.isoformat() == "2026-03-08T03:00:00-04:00"
