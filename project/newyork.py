"""From the vendor's milliseconds to the session they stand for: the date in New York, never the host's.

Source: shared fact sheet of the vendor: `t` is 00:00 New York in the range route and 16:00 in the grouped one, so the
date in New York is right for both, and nothing is ever keyed on `t` itself.
"""

import datetime as dt
from functools import cache

import numpy as np

from archive.calendar import NEW_YORK
from project.rows import Floats, Ints

_DAY_S = 86_400
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
    starts, offsets = [], []
    hour = _epoch_s(_FIRST)
    end = _epoch_s(_LAST)
    offset = None
    while hour < end:
        found = _offset_at(hour)
        if found != offset:
            # Step back to the hour of the change; the offset moved within the day before.
            change = hour
            while offset is not None and _offset_at(change - 3600) == found:
                change -= 3600
            starts.append(change)
            offsets.append(found)
            offset = found
        hour += _DAY_S
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _offset_at(epoch_s: int) -> int:
    offset = dt.datetime.fromtimestamp(epoch_s, NEW_YORK).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _epoch_s(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())
