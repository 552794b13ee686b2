"""Times and resolutions: the library's instants and letters, and the dates and timeframes that they mean here.

A bar's time is midnight UTC of its session; of a week, a month or longer it is that of the first session in it that has
a bar. Source: the library's page "UDF": daily bars at 00:00 UTC of the trading day, monthly ones of the first trading
day of the month.
"""

import datetime as dt
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from project.timeframe import Dates, Timeframe, window_starts

Resolution = Literal["1D", "D", "1W", "W", "1M", "M", "3M", "12M"]
SUPPORTED: tuple[Resolution, ...] = ("1D", "1W", "1M", "3M", "12M")
TIMEFRAMES: dict[Resolution, Timeframe] = {
    "1D": "1d", "D": "1d", "1W": "1w", "W": "1w", "1M": "1mo", "M": "1mo", "3M": "1q", "12M": "1y",
}  # fmt: skip

_DAY_S = 86_400
_FIRST_S = int(dt.datetime.min.replace(tzinfo=dt.UTC).timestamp())
_LAST_S = int(dt.datetime.max.replace(tzinfo=dt.UTC).timestamp())

Seconds = Annotated[int, Meta(ge=_FIRST_S, le=_LAST_S)]
"""Seconds since 1970-01-01 UTC, of the years that a date may have."""

Times = npt.NDArray[np.int64]


def times_of(dates: Dates) -> Times:
    """Return midnight UTC of dates. Units: seconds since 1970."""
    times: Times = dates.astype("datetime64[D]").astype(np.int64) * _DAY_S
    return times


def first_of_windows(sessions: Dates, timeframe: Timeframe) -> npt.NDArray[np.intp]:
    """Return where in ascending sessions each bar of a timeframe begins."""
    starts = window_starts(sessions, timeframe)
    return np.flatnonzero(np.append(True, starts[1:] != starts[:-1])[: len(starts)])
