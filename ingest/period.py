"""The period of a run: which dates are asked for, and from when on an answer about a session is final.

A session's bar still moves after its close (late prints, extended hours in the volume), so a bar counts only if it was
fetched after the session has settled. That there is no bar is believed a day later still: a plan without the current
day leaves it out and says nothing. Settled bars are restated too, so each session is looked at again one, five and
thirty sessions later. It knows the calendar and nothing of vendors.

Source: the vendor's free plan gives a session the next morning; paid plans' bars move until extended hours end, 20:00
New York, 4 hours after the close.
"""

import datetime as dt
from functools import lru_cache

import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from ingest.errors import InvalidDates

SETTLE = dt.timedelta(hours=4, minutes=30)
_ABSENCE_SETTLES = SETTLE + dt.timedelta(days=1)
_YEARS_BACK = 5
LOOKS = (0, 1, 5, 30)
"""How many sessions after it has settled a session is looked at, and again."""


class Span(msgspec.Struct, frozen=True, order=True):
    """The dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    def within(self, other: "Span") -> "Span | None":
        """Return the dates that are in the other span too."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Span(first, last) if first <= last else None


class Period(msgspec.Struct, frozen=True):
    """The dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    def sessions(self) -> list[dt.date]:
        """Return the sessions of the period, in order."""
        return exchange_calendar().between(self.first, self.last)


def last_settled(now: dt.datetime) -> dt.date:
    """Return the newest session whose bar, fetched at `now`, is final."""
    return exchange_calendar().last_closed(now, SETTLE)


def last_surely_absent(now: dt.datetime) -> dt.date:
    """Return the newest session of which an answer fetched at `now` and without a bar means that there is none."""
    return exchange_calendar().last_closed(now, _ABSENCE_SETTLES)


def settled_at(session: dt.date) -> dt.datetime:
    """Return the UTC instant from which on a session's bar is final."""
    return exchange_calendar().close_of(session) + SETTLE


def looked_at(fetched_at: dt.datetime, now: dt.datetime) -> tuple[Span, ...]:
    """Return the dates whose bars, fetched at `fetched_at`, need no other look at `now`; later is never worse.

    A session is due for a look once it has settled, and again as each later session of `LOOKS` has; of looks that
    were missed only the last is made up for.
    """
    return _looked_at(last_settled(fetched_at), last_settled(now))


@lru_cache(maxsize=4096)
def _looked_at(newest_then: dt.date, newest_now: dt.date) -> tuple[Span, ...]:
    sessions = exchange_calendar().sessions
    then, now = (int(np.searchsorted(sessions, np.datetime64(newest))) for newest in (newest_then, newest_now))
    # A session is due for look k from k to next_k - 1 sessions after it, and has had it if it was k sessions old then.
    spans = []
    for k, next_k in zip(LOOKS, (*LOOKS[1:], now + 1), strict=True):
        oldest, newest = max(now - next_k + 1, 0), min(then, now) - k
        if oldest <= newest:
            spans.append(Span(sessions[oldest].astype(object), sessions[newest].astype(object)))
    return tuple(reversed(spans))


def asked_period(first: dt.date | None, last: dt.date | None, now: dt.datetime) -> Period:
    """Return the period of a run: by default the five years up to the last settled session.

    A later end is clipped to that session: what has not settled is not asked for yet.

    Raises: InvalidDates when it would end before it begins.
    """
    newest = last_settled(now)
    if first is not None and last is not None and first > last:
        raise InvalidDates(f"the period begins on {first} and ends on {last}, before it begins")
    end = newest if last is None else min(last, newest)
    begin = _years_before(end) if first is None else first
    if begin > end:
        raise InvalidDates(f"the period begins on {begin}, after {newest}, the last session that has settled")
    return Period(begin, end)


def _years_before(date: dt.date) -> dt.date:
    try:
        return date.replace(year=date.year - _YEARS_BACK)
    except ValueError:  # 29 February
        return date.replace(year=date.year - _YEARS_BACK, day=28)
