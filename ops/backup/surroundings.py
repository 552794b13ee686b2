"""What a backup, a restore or a drill is given from outside: the clock, and where a person sees how far it is."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec

Now = Callable[[], dt.datetime]
Progress = Callable[[int, int], None]
Show = Callable[[str, str], AbstractContextManager[Progress]]
"""What opens a progress bar, from what is done and the unit it is counted in."""


class Surroundings(msgspec.Struct, frozen=True):
    """The clock, what says a line, and what opens a progress bar."""

    now: Now
    say: Callable[[str], None]
    show: Show


class Laps:
    """How long each part took, by the clock it is given."""

    def __init__(self, now: Now) -> None:
        self._now, self._since = now, now()
        self.seconds: dict[str, float] = {}

    def end(self, part: str) -> None:
        """Record the time since the last part ended as that of `part`."""
        now = self._now()
        self.seconds[part] = round((now - self._since).total_seconds(), 1)
        self._since = now
