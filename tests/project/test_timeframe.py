"""Longer timeframes: every window is what a person would make of its days by hand."""

import datetime as dt
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.timeframe import Timeframe, resample, window_end, window_start, window_starts

LONGER: tuple[Timeframe, ...] = ("1w", "1mo", "1q", "1y")
NAN = math.nan
FLOATS = ("open", "high", "low", "close", "volume", "vwap", "trades", "gap", "volume_ratio", "quality_score")
NAMES = ("sessions", *FLOATS, "failed_rules", "validated")
_dates = st.dates(dt.date(1999, 12, 1), dt.date(2004, 3, 31))
_numbers = st.sampled_from([0.1, 0.2, 0.3, 0.7, 1e16, 10.0, 61436228.189065, -5.0, 0.0, -0.0, 1e200, 1e-200])
_maybe = st.just(NAN) | _numbers
_days = st.fixed_dictionaries(
    {
        **dict.fromkeys(FLOATS, _numbers),
        **dict.fromkeys(("vwap", "trades", "gap", "volume_ratio"), _maybe),
        "quality_score": st.sampled_from([1.0, 0.95, 0.45, 0.0]),
        "failed_rules": st.integers(0, 255),
        "validated": st.booleans(),
    }
)
_series = st.dictionaries(_dates, _days, max_size=40)
Day = Mapping[str, float]


def _columns(series: Mapping[dt.date, Day]) -> dict[str, npt.NDArray[np.generic]]:
    dates = sorted(series)
    columns: dict[str, npt.NDArray[np.generic]] = {
        name: np.array([series[date][name] for date in dates], np.float64) for name in FLOATS
    }
    return {
        **columns,
        "sessions": np.array(dates, "datetime64[D]"),
        "failed_rules": np.array([series[date]["failed_rules"] for date in dates], np.int64),
        "validated": np.array([series[date]["validated"] for date in dates], np.bool_),
    }


def _label(date: dt.date, timeframe: Timeframe) -> dt.date:
    if timeframe == "1w":
        year, week, _ = date.isocalendar()
        return dt.date.fromisocalendar(year, week, 1)
    month = {"1mo": date.month, "1q": {1: 1, 2: 4, 3: 7, 4: 10}[math.ceil(date.month / 3)], "1y": 1}[timeframe]
    return dt.date(date.year, month, 1)


def _added(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value if value == 0 or 1e-150 <= abs(value) <= 1e150 else NAN
    return total


def _by_hand(days: list[Day]) -> dict[str, float]:
    priced = [day for day in days if not math.isnan(day["vwap"])]
    counted = [day["trades"] for day in days if not math.isnan(day["trades"])]
    turnover = 0.0
    for day in priced:
        turnover += _added([day["vwap"]]) * _added([day["volume"]])
    weight = _added([day["volume"] for day in priced])
    vwap = turnover / weight if weight else NAN
    return {
        "open": days[0]["open"],
        "high": max(day["high"] for day in days),
        "low": min(day["low"] for day in days),
        "close": days[-1]["close"],
        "volume": _added([day["volume"] for day in days]),
        "vwap": vwap,
        "trades": _added(counted) if counted else NAN,
        "gap": NAN,
        "volume_ratio": NAN,
        "failed_rules": math.fsum(
            {1 << bit for day in days for bit in range(8) if int(day["failed_rules"]) >> bit & 1}
        ),
        "quality_score": min(day["quality_score"] for day in days),
        "validated": all(day["validated"] for day in days),
        "session_count": len(days),
    }


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize("timeframe", LONGER)
@given(series=_series)
def test_each_window_is_what_its_days_make_by_hand(timeframe: Timeframe, series: Mapping[dt.date, Day]) -> None:
    windows: dict[dt.date, list[Day]] = {}
    for date in sorted(series):
        windows.setdefault(_label(date, timeframe), []).append(series[date])
    longer = resample(_columns(series), timeframe)
    assert longer["sessions"].tolist() == list(windows)
    for place, days in enumerate(windows.values()):
        for name, expected in _by_hand(days).items():
            assert _same(longer[name].tolist()[place], expected), name


@given(series=_series)
def test_a_day_stays_as_it_is(series: Mapping[dt.date, Day]) -> None:
    columns = _columns(series)
    days = resample(columns, "1d")
    assert all(days[name] is columns[name] for name in NAMES)
    assert days["session_count"].tolist() == [1] * len(series)


@given(series=_series)
def test_years_of_quarters_of_months_are_years(series: Mapping[dt.date, Day]) -> None:
    """But for sums, which are rounded on the way, and their measures."""
    steps = resample(resample(resample(_columns(series), "1mo"), "1q"), "1y")
    years = resample(_columns(series), "1y")
    for name in ("sessions", "open", "high", "low", "close", "failed_rules", "quality_score", "validated"):
        assert steps[name].tolist() == years[name].tolist()


@pytest.mark.parametrize("timeframe", LONGER)
def test_columns_keep_their_types_where_there_are_no_bars_too(timeframe: Timeframe) -> None:
    day = dict.fromkeys((*FLOATS, "failed_rules", "validated"), 1.0)
    for series in ({}, {dt.date(2024, 1, 2): day}):
        columns = _columns(series)
        longer = resample(columns, timeframe)
        assert {name: longer[name].dtype for name in NAMES} == {name: columns[name].dtype for name in NAMES}
        assert {len(column) for column in longer.values()} == {len(series)}


@given(date=st.dates(), timeframe=st.sampled_from(["1d", *LONGER]))
def test_a_window_reaches_from_its_start_to_the_day_before_the_next(date: dt.date, timeframe: Timeframe) -> None:
    start, end = window_start(date, timeframe), window_end(date, timeframe)
    assert start <= date <= end
    assert window_start(start, timeframe) == window_start(end, timeframe) == start
    assert window_starts(np.array([date], "datetime64[D]"), timeframe).tolist() == [start]
    if end < dt.date.max:
        assert window_start(end + dt.timedelta(days=1), timeframe) > end
    if start > dt.date.min:
        assert window_end(start - dt.timedelta(days=1), timeframe) < start


def test_labels_of_real_dates() -> None:
    """2024-12-31 is in the first ISO week of 2025; 2027-01-01 in the last of 2026."""
    assert window_start(dt.date(2024, 12, 31), "1w") == dt.date(2024, 12, 30)
    assert window_end(dt.date(2024, 12, 31), "1w") == dt.date(2025, 1, 5)
    assert window_start(dt.date(2027, 1, 1), "1w") == dt.date(2026, 12, 28)
    assert (window_start(dt.date(2024, 5, 31), "1q"), window_end(dt.date(2024, 5, 31), "1q")) == (
        dt.date(2024, 4, 1),
        dt.date(2024, 6, 30),
    )
    assert window_end(dt.date(2024, 2, 1), "1mo") == dt.date(2024, 2, 29)
