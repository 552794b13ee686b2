"""From the vendor's milliseconds to the session they stand for: the date in New York, never the host's.

Source: shared fact sheet of the vendor: `t` is 00:00 New York in the range route and 16:00 in the grouped one, so the
date in New York is right for both, and nothing is ever keyed on `t` itself.
"""

import datetime as dt
from bisect import bisect_left
from functools import cache

import numpy as np

from archive.calendar import NEW_YORK
from project.rows import Floats, Ints

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_FIRST, _LAST = dt.date(1960, 1, 1), dt.date(2100, 1, 1)
NO_DAY = np.iinfo(np.int64).min


def new_york_days(t_ms: Floats) -> Ints:
    """Return the New York date of each instant.

    Units: t_ms milliseconds since 1970 UTC; the result counts days since 1970-01-01, NO_DAY where the instant is not
    a finite number within 1960 to 2100.
    """
    first_s, last_s = _epoch_s(_FIRST), _epoch_s(_LAST)
    with np.errstate(invalid="ignore"):
        known = (t_ms >= first_s * 1000.0) & (t_ms < last_s * 1000.0)
    seconds = np.floor(np.where(known, t_ms, 0.0) / 1000.0).astype(np.int64)
    starts, offsets = _utc_offsets()
    places = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, None)
    days = (seconds + offsets[places]) // _DAY_S
    return np.where(known, days, NO_DAY)


@cache
def _utc_offsets() -> tuple[Ints, Ints]:
    """Return the instants at which New York's offset from UTC changes, and the offset from each on, in seconds."""
    first_s, last_s = _epoch_s(_FIRST), _epoch_s(_LAST)
    starts, offsets = [first_s], [_offset_at(first_s)]
    for week in range(first_s + _WEEK_S, last_s, _WEEK_S):
        if _offset_at(week) != offsets[-1]:
            # New York never changed its clocks twice in a week; look for the hour within the last one.
            hours = range(week - _WEEK_S, week + 1, 3600)
            starts.append(hours[bisect_left(hours, True, key=lambda hour: _offset_at(hour) != offsets[-1])])
            offsets.append(_offset_at(week))
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _offset_at(epoch_s: int) -> int:
    offset = dt.datetime.fromtimestamp(epoch_s, NEW_YORK).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _epoch_s(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())
