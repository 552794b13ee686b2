"""The shipped crontab as data: what is run, and when.

One file says it for cron and for `ops cron`. What the two would read differently is refused. It runs nothing.
"""

import datetime as dt
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
from apscheduler.triggers.cron import CronTrigger

from ops.install.errors import InvalidCrontab

BACKUP_DIR = "$BACKUP_DIR"
_ENTRY = re.compile(r"(?P<times>(?:\S+\s+){4})(?P<weekday>\S+)\s+(?P<command>.+)")
_VARIABLE = re.compile(r"(?P<name>\w+)\s*=")
_CLOCKS = ("CRON_TZ", "TZ")
_LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
# The first Sunday of a month: cron takes a day of the month and a weekday as "either", so the command asks for one.
_ONLY_ON = re.compile(r'\[ "\$\(date \+%u\)" = (?P<isoweekday>[1-7]) \] && ')
_IN_THE_CLONE = 'cd "$WAREHOUSE" && .venv/bin/'
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Entry(msgspec.Struct, frozen=True):
    """A job: a command of ours and its arguments, at the times of five fields, all of which must hold."""

    times: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """The command with its subcommand, such as `ops backup`."""
        return " ".join(self.command[:2])

    def trigger(self, timezone: dt.tzinfo | None = None) -> CronTrigger:
        """Return the trigger of those times on a clock of `timezone`; None is this process's."""
        return CronTrigger.from_crontab(self.times, timezone)

    def arguments(self, backup_dir: Path) -> list[str]:
        """Return the command line, with the folder of backups in its place."""
        return [str(backup_dir) if word == BACKUP_DIR else word for word in self.command]


def shipped_crontab() -> str:
    """Return the text of ops/crontab."""
    return (Path(__file__).parents[1] / "crontab").read_text()


def parse_crontab(text: str) -> tuple[Entry, ...]:
    """Return the jobs of a crontab in the shipped one's form, in its order.

    Raises: InvalidCrontab for the first line that has another form.
    """
    return tuple(_entries(text))


def _entries(text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if variable := _VARIABLE.match(line):
                _require_no_clock(variable["name"])
            else:
                yield _entry(line)
        except ValueError as exc:
            raise InvalidCrontab(number, line, str(exc)) from exc


def _require_no_clock(name: str) -> None:
    if name in _CLOCKS:
        raise ValueError("times are those of the process's own clock: set TZ in its environment")


def _entry(line: str) -> Entry:
    found = _ENTRY.fullmatch(line)
    if found is None:
        raise ValueError("it is not five fields and a command")
    times, weekday, command = found["times"].split(), found["weekday"], found["command"]
    if re.search(r"(?<!\\)%", command):
        raise ValueError(r"cron ends a command at a %, write \%")
    command = command.replace(r"\%", "%")
    if re.search(r"\d", weekday):
        raise ValueError("weekdays are names, since 0 is Sunday to cron and Monday to others")
    if weekday != "*" and times[2] != "*":
        raise ValueError("to cron a day of the month and a weekday are alternatives")
    if only := _ONLY_ON.match(command):
        weekday, command = _WEEKDAYS[int(only["isoweekday"]) - 1], command[only.end() :]
    schedule = " ".join([*times, weekday])
    if CronTrigger.from_crontab(schedule, dt.UTC).get_next_fire_time(None, _LONG_AGO) is None:
        raise ValueError("there is no such day")
    return Entry(schedule, _command(command))


def _command(text: str) -> tuple[str, ...]:
    if not text.startswith(_IN_THE_CLONE):
        raise ValueError(f"a command begins with {_IN_THE_CLONE}")
    words = shlex.split(text.removeprefix(_IN_THE_CLONE).removesuffix(">/dev/null"))
    if any(re.search(r"[$&|;<>`]", word) for word in words if word != BACKUP_DIR):
        raise ValueError(f"of a shell's signs it may have ${BACKUP_DIR.lstrip('$')} and a last >/dev/null")
    return tuple(words)
