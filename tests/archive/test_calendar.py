"""The calendar: which dates are sessions and when they close, hand-checked against the exchange's own notices."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.calendar import FIRST_DATE, LAST_DATE, exchange_calendar

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = exchange_calendar()


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("1985-09-27", False),  # hurricane Gloria
        ("2001-09-10", True),
        ("2001-09-11", False),  # shut from this day to the 14th
        ("2001-09-14", False),
        ("2001-09-17", True),
        ("2012-10-29", False),  # hurricane Sandy
        ("2018-12-05", False),  # mourning of a president
        ("2022-06-20", False),  # Juneteenth, kept on the Monday
        ("2021-06-18", True),  # the year before the exchange kept it
        ("2024-03-29", False),  # Good Friday
        ("2024-07-03", True),  # a half day is a session
        ("2024-07-04", False),
        ("2024-07-06", False),  # a Saturday
        ("2025-01-09", False),  # mourning of a president
        ("1969-12-31", True),
        ("1970-01-01", False),
        ("1900-01-02", False),  # before the calendar begins
        ("2999-01-02", False),  # after it ends
    ],
)
def test_a_date_is_a_session_or_not(date: str, expected: bool) -> None:
    assert CALENDAR.is_session(np.array([date], "datetime64[D]")).tolist() == [expected]


def test_many_dates_are_told_at_once() -> None:
    days = np.arange("2024-07-01", "2024-07-08", dtype="datetime64[D]")
    assert CALENDAR.is_session(days).tolist() == [True, True, True, False, True, False, False]
    assert CALENDAR.is_session(days[:0]).tolist() == []


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (dt.date(2024, 7, 3), dt.date(2024, 7, 8), ["2024-07-03", "2024-07-05", "2024-07-08"]),
        (dt.date(2024, 7, 5), dt.date(2024, 7, 5), ["2024-07-05"]),
        (dt.date(2024, 7, 6), dt.date(2024, 7, 7), []),
        (dt.date(2024, 7, 5), dt.date(2024, 7, 4), []),
    ],
    ids=["over a holiday and a weekend", "one day", "a weekend", "backwards"],
)
def test_the_sessions_between_two_dates_include_both(first: dt.date, last: dt.date, expected: list[str]) -> None:
    assert [str(session) for session in CALENDAR.between(first, last)] == expected


@pytest.mark.parametrize(
    ("session", "close"),
    [
        (dt.date(2024, 1, 2), "2024-01-02T21:00"),  # 16:00 in winter
        (dt.date(2024, 7, 2), "2024-07-02T20:00"),  # 16:00 in summer
        (dt.date(2024, 7, 3), "2024-07-03T17:00"),  # 13:00 before Independence Day
        (dt.date(2024, 11, 29), "2024-11-29T18:00"),  # 13:00 after Thanksgiving
        (dt.date(2024, 3, 8), "2024-03-08T21:00"),  # the Friday before the clocks go forward
        (dt.date(2024, 3, 11), "2024-03-11T20:00"),  # and the Monday after
        (dt.date(2024, 11, 1), "2024-11-01T20:00"),  # the Friday before they go back
        (dt.date(2024, 11, 4), "2024-11-04T21:00"),
    ],
    ids=str,
)
def test_a_session_closes_at_an_instant(session: dt.date, close: str) -> None:
    assert CALENDAR.close_of(session) == dt.datetime.fromisoformat(close).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize("date", [dt.date(2024, 7, 4), dt.date(2024, 7, 6), dt.date(1900, 1, 2), dt.date(2999, 1, 2)])
def test_a_date_that_is_no_session_has_no_close(date: dt.date) -> None:
    with pytest.raises(KeyError):
        CALENDAR.close_of(date)


@pytest.mark.parametrize(
    ("now", "settle_h", "expected"),
    [
        ("2024-07-03T16:59:59", 0, dt.date(2024, 7, 2)),
        ("2024-07-03T17:00:00", 0, dt.date(2024, 7, 3)),  # a half day has closed at its close
        ("2024-07-03T18:00:00", 4, dt.date(2024, 7, 2)),
        ("2024-07-03T21:00:00", 4, dt.date(2024, 7, 3)),
        ("2024-07-05T12:00:00", 0, dt.date(2024, 7, 3)),  # the holiday between is none
        ("2024-07-07T12:00:00", 0, dt.date(2024, 7, 5)),
    ],
)
def test_the_last_closed_session_is_the_newest_whose_close_has_settled(
    now: str, settle_h: int, expected: dt.date
) -> None:
    instant = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    assert CALENDAR.last_closed(instant, dt.timedelta(hours=settle_h)) == expected
    assert CALENDAR.last_closed(instant.astimezone(NEW_YORK), dt.timedelta(hours=settle_h)) == expected


@given(st.integers(-220_000_000, 2_490_000_000))
def test_the_last_closed_session_has_closed_and_the_next_has_not(epoch_s: int) -> None:
    now = dt.datetime.fromtimestamp(epoch_s, dt.UTC)
    session = CALENDAR.last_closed(now)
    assert CALENDAR.close_of(session) <= now
    [_, following, *_] = CALENDAR.between(session, session + dt.timedelta(days=14))
    assert CALENDAR.close_of(following) > now


def test_every_session_opens_before_it_closes_on_its_own_date_in_new_york() -> None:
    sessions, opens, closes = (column.tolist() for column in (CALENDAR.sessions, CALENDAR.opens, CALENDAR.closes))
    for session, opened, closed in zip(sessions, opens, closes, strict=True):
        assert opened < closed
        for instant in (opened, closed):
            assert instant.replace(tzinfo=dt.UTC).astimezone(NEW_YORK).date() == session


def test_its_bounds_are_fixed_so_that_it_is_the_same_on_every_day() -> None:
    assert CALENDAR.sessions[0] == np.datetime64(FIRST_DATE) == np.datetime64("1962-01-01")
    assert CALENDAR.sessions[-1] == np.datetime64(LAST_DATE) == np.datetime64("2049-12-31")
    assert np.all(np.diff(CALENDAR.sessions) > np.timedelta64(0, "D"))


def test_before_1970_every_weekday_is_a_session_but_for_days_of_mourning() -> None:
    """The library knows the yearly holidays from 1970 on; a bar of 1965 must not be rejected for its ignorance."""
    weekdays = np.arange("1962-01-01", "1970-01-01", dtype="datetime64[D]")
    weekdays = weekdays[np.is_busday(weekdays)]
    shut = weekdays[~CALENDAR.is_session(weekdays)]
    assert len(shut) < 40
    assert np.datetime64("1963-11-25") in shut


def test_its_version_names_the_library_and_the_exchange() -> None:
    assert CALENDAR.version.startswith("exchange_calendars 4")
    assert CALENDAR.version.endswith(" XNYS")
