"""Of which sessions answers spoke: those they were asked for, and that were over for long enough when they came.

That there is no bar is believed of an answer a day after the session has settled: a bar still moves after the close,
and a plan without the current day leaves it out and says nothing. It knows no bar.

Source: the vendor's free plan gives a session the next morning; paid plans' bars move until extended hours end, 20:00
New York. The ingest room waits as long (`ingest plan`).
"""

import datetime as dt
from collections.abc import Iterable

import msgspec
import numpy as np

from archive.calendar import Calendar
from project.rows import Bools, Ints

ABSENCE_SETTLES = dt.timedelta(days=1, hours=4, minutes=30)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)


class Expected(msgspec.Struct, frozen=True):
    """The sessions of which a missing bar can be believed by now, and from when on, in seconds since 1970."""

    sessions: Ints
    believed_s: Ints


class Answer(msgspec.Struct, frozen=True):
    """An answer that speaks of the dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date
    fetched_at: dt.datetime


def expected_sessions(calendar: Calendar, now: dt.datetime) -> Expected:
    """Return the sessions of a calendar of which a missing bar can be believed at `now`."""
    newest = np.datetime64(calendar.last_closed(now, ABSENCE_SETTLES))
    count = int(np.searchsorted(calendar.sessions, newest, side="right"))
    closes = calendar.closes[:count].astype("datetime64[s]").astype(np.int64)
    return Expected(
        calendar.sessions[:count].astype("datetime64[D]").astype(np.int64),
        closes + ABSENCE_SETTLES // _SECOND,
    )


def answered(expected: Expected, answers: Iterable[Answer]) -> Bools:
    """Tell for each session whether any of the answers spoke of it."""
    told = list(answers)
    first, last = (np.array([_day(getattr(answer, name)) for answer in told], np.int64) for name in ("first", "last"))
    fetched_s = np.array([(answer.fetched_at - _EPOCH) // _SECOND for answer in told], np.int64)
    begin, end = np.searchsorted(expected.sessions, first), np.searchsorted(expected.sessions, last, side="right")
    end = np.minimum(end, np.searchsorted(expected.believed_s, fetched_s, side="right"))
    speaks = begin < end
    size = len(expected.sessions) + 1
    changes = np.bincount(begin[speaks], minlength=size) - np.bincount(end[speaks], minlength=size)
    spoken: Bools = np.cumsum(changes[:-1]) > 0
    return spoken


def _day(date: dt.date) -> int:
    return date.toordinal() - _EPOCH.toordinal()
