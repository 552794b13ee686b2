"""What answers of bars share: the order of their bars and the place of a page in it."""

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt

from api.bars.columns import BarColumns
from api.bars.params import Order
from api.overview.coverage import Coverage

_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()

EXAMPLE_COVERAGE = Coverage(
    first=dt.date(2014, 6, 9),
    last=dt.date(2014, 6, 9),
    judged_up_to=dt.date(2026, 11, 19),
    expected=1,
    present=1,
    missing=[],
)


def in_order(bars: BarColumns, order: Order) -> BarColumns:
    """Return bars of one symbol, which are oldest first, in the order asked for."""
    return bars if order == "asc" else bars.take(slice(None, None, -1))


def after(bars: BarColumns, session: dt.date, order: Order) -> BarColumns:
    """Return those of bars in an order that come after a session's."""
    day = np.datetime64(session)
    later: npt.NDArray[Any] = bars.sessions > day if order == "asc" else bars.sessions < day
    return bars.take(later)


def date_of(day: np.datetime64) -> dt.date:
    """Return a date of numpy's as Python's."""
    return dt.date.fromordinal(_EPOCH_ORDINAL + int(day.astype("datetime64[D]").astype(np.int64)))
