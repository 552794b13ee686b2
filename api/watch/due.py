"""When a session is due: the instant from which its bars must be here. It knows New York's clock and no bar.

A session is asked for once it has settled, 4 h 30 min after its close (the ingest room waits as long), by the night
that follows, which is tried again for some hours where the vendor is late. So it is due when the clock in New York
shows FRESH_BY for the first time after it settled: by default at 10:00 the next morning, Friday's on Saturday. Between
two such times nothing becomes due, and on a weekend or a holiday nothing new does.
"""

import datetime as dt

from archive.calendar import NEW_YORK
from project.gaps.answered import ABSENCE_SETTLES

SETTLES = ABSENCE_SETTLES - dt.timedelta(days=1)


def last_deadline(now: dt.datetime, fresh_by: dt.time) -> dt.datetime:
    """Return the newest instant up to `now` at which the clock in New York showed `fresh_by`, in UTC."""
    today = now.astimezone(NEW_YORK).date()
    deadline = _at(today, fresh_by)
    return deadline if deadline <= now else _at(today - dt.timedelta(days=1), fresh_by)


def closed_by(deadline: dt.datetime) -> dt.datetime:
    """Return the instant by which a session must have closed to be due at a deadline."""
    return deadline - SETTLES


def _at(date: dt.date, time: dt.time) -> dt.datetime:
    return dt.datetime.combine(date, time, NEW_YORK).astimezone(dt.UTC)
