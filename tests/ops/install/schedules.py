"""When a line of a crontab and a timer's OnCalendar are due, worked out by the rules of crontab(5) and systemd.time(7).

For the shapes that ops/ uses; it knows nothing of how ops/install reads them.
"""

import configparser
import datetime as dt
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

OPS = Path(__file__).parents[3] / "ops"
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_GUARD = re.compile(r'\[ "\$\(date \+%u\)" = ([1-7]) \] && ')
_CALENDAR = re.compile(r"(?:(?P<weekday>\w{3}) )?\*-\*-(?P<day>\S+) (?P<hour>\*|\d\d):(?P<minute>\d\d)")


def cron_lines(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield the five fields and the command of each job, the command as the shell gets it."""
    for line in text.splitlines():
        if re.match(r"[\d*]", line):
            *fields, command = line.split(maxsplit=5)
            assert not re.search(r"(?<!\\)%", command), f"cron would end this command at its %: {line}"
            yield fields, command.replace("\\%", "%")


def cron_times(fields: list[str], command: str, first: dt.date, days: int) -> set[dt.datetime]:
    """Return the minutes at which cron runs a job's command past its guard."""
    minute, hour, day, month, weekday = fields
    guard = _GUARD.match(command)
    found = set()
    for date in (first + dt.timedelta(days=n) for n in range(days)):
        of_month = date.day in _numbers(day, 1, 31)
        of_week = date.isoweekday() % 7 in _numbers(weekday, 0, 6)
        restricted = not day.startswith("*") and not weekday.startswith("*")
        due = (of_month or of_week) if restricted else (of_month and of_week)
        if due and date.month in _numbers(month, 1, 12) and (not guard or date.isoweekday() == int(guard[1])):
            found |= _minutes(date, _numbers(hour, 0, 23), _numbers(minute, 0, 59))
    return found


def timer_times(name: str, first: dt.date, days: int) -> set[dt.datetime]:
    """Return the minutes at which the shipped timer of a name is due."""
    calendar = on_calendar(name)
    read = _CALENDAR.fullmatch(calendar)
    assert read, calendar
    every_day = _numbers(read["day"].replace("..", "-"), 1, 31)
    hours = _numbers(read["hour"], 0, 23)
    found = set()
    for date in (first + dt.timedelta(days=n) for n in range(days)):
        if date.day in every_day and read["weekday"] in (None, date.strftime("%a")):
            found |= _minutes(date, hours, _numbers(read["minute"], 0, 59))
    return found


def on_calendar(name: str) -> str:
    """Return the OnCalendar of the shipped timer of a name."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.read(OPS / f"{name}.timer")
    return unit["Timer"]["OnCalendar"]


def _minutes(date: dt.date, hours: set[int], minutes: set[int]) -> set[dt.datetime]:
    return {
        dt.datetime.combine(date, dt.time(hour, minute), dt.UTC) for hour, minute in itertools.product(hours, minutes)
    }


def _numbers(field: str, lowest: int, highest: int) -> set[int]:
    if field == "*":
        return set(range(lowest, highest + 1))
    for number, name in enumerate(_DAYS):
        field = field.replace(name, str(number))
    first, _, last = field.partition("-")
    return set(range(int(first), int(last or first) + 1))
