"""From the vendor's milliseconds to the New York date, for every instant there is, and on any host."""

import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from project.newyork import NO_DAY, new_york_days
from tests.payloads import t_ms

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FIRST, LAST = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (1960, 2100))
# Every year of history and a few to come: the days on which the clocks are changed, and their neighbours.
CHANGES = [
    day
    for year in range(1962, 2036)
    for month in (3, 4, 10, 11)
    for day in (dt.date(year, month, 1) + dt.timedelta(days=n) for n in range(30))
    if day.weekday() in (5, 6, 0)
]


def _day(ms: float) -> int:
    [day] = new_york_days(np.array([ms], np.float64)).tolist()
    assert isinstance(day, int)
    return day


def _date(ms: float) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=_day(ms))


@given(st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None) - dt.timedelta(milliseconds=1)))
@example(dt.datetime(1969, 12, 31, 23, 59, 59, 999000))  # noqa: DTZ001 - hypothesis speaks of naive instants
def test_it_is_the_date_that_the_time_zone_database_says(naive: dt.datetime) -> None:
    instant = naive.replace(tzinfo=dt.UTC)
    ms = (instant - EPOCH) / dt.timedelta(milliseconds=1)
    assert _date(ms) == instant.astimezone(NEW_YORK).date()


def test_midnight_and_the_millisecond_before_it_are_two_days_whenever_the_clocks_change() -> None:
    midnights = np.array([t_ms(day) for day in CHANGES], np.float64)
    expected = [(day - dt.date(1970, 1, 1)).days for day in CHANGES]
    assert new_york_days(midnights).tolist() == expected
    assert new_york_days(midnights - 1).tolist() == [day - 1 for day in expected]
    assert new_york_days(midnights - 0.5).tolist() == [day - 1 for day in expected]


@pytest.mark.parametrize("hour", [0, 9, 16, 23])
def test_both_kinds_of_t_stand_for_their_session_whenever_the_clocks_change(hour: int) -> None:
    """The range route sends 00:00, the grouped one 16:00."""
    found = new_york_days(np.array([t_ms(day, hour) for day in CHANGES], np.float64))
    assert found.tolist() == [(day - dt.date(1970, 1, 1)).days for day in CHANGES]


@pytest.mark.parametrize(
    ("ms", "date"),
    [
        (1704171600000.0, dt.date(2024, 1, 2)),  # the vendor's own, 05:00Z in winter
        (1719892800000.0, dt.date(2024, 7, 2)),  # 04:00Z in summer
        (1719950400000.0, dt.date(2024, 7, 2)),  # the grouped route's 16:00
        (0.0, dt.date(1969, 12, 31)),
    ],
)
def test_hand_checked_instants(ms: float, date: dt.date) -> None:
    assert _date(ms) == date


@pytest.mark.parametrize("ms", [math.nan, math.inf, -math.inf, 1e300, -1e300, 4.2e12, -3.2e11])
def test_what_is_no_instant_of_this_age_has_no_day(ms: float) -> None:
    assert _day(ms) == NO_DAY


def test_the_bounds_are_1960_and_2100() -> None:
    first, last = (instant.timestamp() * 1000 for instant in (FIRST, LAST))
    assert _day(first) != NO_DAY
    assert _day(first - 1) == NO_DAY
    assert _day(last - 1) != NO_DAY
    assert _day(last) == NO_DAY


def test_no_instants_have_no_days() -> None:
    assert new_york_days(np.empty(0)).tolist() == []
