"""Timeframes: bars of weeks, months, quarters and years, made of the daily bars of one ticker.

A longer bar opens with the first session that has a bar and closes with the last; whether the days are as traded or
adjusted is the caller's choice. Its label is the first date of its window, whether or not that is a session: the
Monday of an ISO week, the first of a month, quarter or year, which is also how TimescaleDB's time_bucket calls it. It
is no better than its worst day: the lowest score, validated only where all days are, failed where any day failed.

Sums of doubles depend on the order, so there is one here: session after session. The aggregates of TimescaleDB
(sql/aggregates.sql) add in the same order and agree to the last bit. This file knows no database and no adjustment.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from project.rows import Floats, Ints

Timeframe = Literal["1d", "1w", "1mo", "1q", "1y"]
Dates = npt.NDArray[np.datetime64]
Column = npt.NDArray[Any]

SMALLEST_ADDEND, LARGEST_ADDEND = 1e-150, 1e150
"""Of what is added up: beyond them a product of two may be no double any more, and PostgreSQL would raise."""

_MONTHS = {"1mo": 1, "1q": 3, "1y": 12}
_MONDAY = 3  # days from the Monday of its week to 1970-01-01
_WEEK = 7


def window_start(date: dt.date, timeframe: Timeframe) -> dt.date:
    """Return the first date of the window that a date lies in: the label of its bar."""
    if timeframe == "1d":
        return date
    if timeframe == "1w":
        return date - dt.timedelta(days=date.weekday())
    months = _MONTHS[timeframe]
    return date.replace(month=(date.month - 1) // months * months + 1, day=1)


def window_end(date: dt.date, timeframe: Timeframe) -> dt.date:
    """Return the last date of the window that a date lies in; the last there is where the window goes beyond it."""
    if timeframe == "1d":
        return date
    if timeframe == "1w":
        return date + min(dt.timedelta(days=_WEEK - 1 - date.weekday()), dt.date.max - date)
    months = _MONTHS[timeframe]
    month = ((date.month - 1) // months + 1) * months
    return date.replace(month=month, day=calendar.monthrange(date.year, month)[1])


def window_starts(sessions: Dates, timeframe: Timeframe) -> Dates:
    """Return for each session (datetime64[D]) the first date of its window."""
    if timeframe == "1d":
        return sessions
    if timeframe == "1w":
        day = sessions.astype(np.int64)
        return (day - (day + _MONDAY) % _WEEK).astype("datetime64[D]")
    months = _MONTHS[timeframe]
    month = sessions.astype("datetime64[M]").astype(np.int64)
    return (month // months * months).astype("datetime64[M]").astype("datetime64[D]")


def resample(columns: Mapping[str, Column], timeframe: Timeframe) -> dict[str, Column]:
    """Return the bars of a longer timeframe, one a window that has a session, in order; `1d` gives those there are.

    Shape: `columns` are `sessions` (datetime64[D], ascending), open, high, low, close, volume, vwap, trades, gap,
    volume_ratio, quality_score (float64, NaN for none), failed_rules (int64) and validated (bool); the answer has the
    same, and `session_count`, the number of sessions in each. `vwap` is weighted by the volume of the days that have
    one; `trades` is the sum of those known; `gap` and `volume_ratio` are measures of a day and NaN for longer ones.
    A sum that an addend makes meaningless (beyond 1e±150) is NaN.
    """
    sessions = columns["sessions"]
    if timeframe == "1d":
        return {**columns, "session_count": np.ones(len(sessions), np.int64)}
    starts = window_starts(sessions, timeframe)
    is_first = np.append(True, starts[1:] != starts[:-1])[: len(starts)]
    first = np.flatnonzero(is_first)
    window = np.cumsum(is_first) - 1
    count = np.diff(np.append(first, len(starts)))
    volume, vwap, trades = addend(columns["volume"]), addend(columns["vwap"]), addend(columns["trades"])
    has_vwap, has_trades = ~np.isnan(columns["vwap"]), ~np.isnan(columns["trades"])
    none = np.full(len(first), np.nan)
    return {
        "sessions": starts[first],
        "open": positive_zero(columns["open"][first]),
        "high": positive_zero(_reduce(np.maximum, columns["high"], first)),
        "low": positive_zero(_reduce(np.minimum, columns["low"], first)),
        "close": positive_zero(columns["close"][first + count - 1]),
        "volume": _sum(volume, window, len(first)),
        "vwap": weighted_price(
            _sum(np.where(has_vwap, vwap * volume, 0.0), window, len(first)),
            _sum(np.where(has_vwap, volume, 0.0), window, len(first)),
        ),
        "trades": np.where(
            _reduce(np.logical_or, has_trades, first),
            _sum(np.where(has_trades, trades, 0.0), window, len(first)),
            np.nan,
        ),
        "gap": none,
        "volume_ratio": none,
        "failed_rules": _reduce(np.bitwise_or, columns["failed_rules"], first),
        "quality_score": _reduce(np.minimum, columns["quality_score"], first),
        "validated": _reduce(np.logical_and, columns["validated"], first),
        "session_count": count,
    }


def addend(values: Floats) -> Floats:
    """Return values as they are added up: NaN for those too large or too small."""
    size = np.abs(values)
    return np.where((size == 0) | ((size >= SMALLEST_ADDEND) & (size <= LARGEST_ADDEND)), values, np.nan)


def weighted_price(turnover: Floats, volume: Floats) -> Floats:
    """Return turnover / volume, NaN where there is no volume or no such price. Units: USD, shares, USD/share."""
    with np.errstate(all="ignore"):
        price = turnover / volume
    return positive_zero(np.where(np.isfinite(price), price, np.nan))


def positive_zero(values: Floats) -> Floats:
    """Return values with 0 for −0, of which a minimum of both would be either."""
    return values + 0.0


def _sum(values: Floats, window: Ints, count: int) -> Floats:
    """Return the sum of each window, added up from the first session on."""
    return np.bincount(window, weights=values, minlength=count).astype(np.float64)


def _reduce(operation: np.ufunc, values: Column, first: Ints) -> Any:
    return operation.reduceat(values, first) if len(first) else values[:0]
