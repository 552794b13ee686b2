"""The exchange's dates and instants: XNYS sessions, when they open and close, holidays, and New York to UTC.

Must not know bars. The calendar library is imported when first asked, because it costs half a second that a
folder of recorded bars never needs.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.fake_polygon.market import MarketHoliday

NEW_YORK = ZoneInfo("America/New_York")
_OPEN = time(9, 30)
_CLOSE = time(16)


@lru_cache(maxsize=16)
def _calendar(first_year: int, last_year: int) -> Any:
    from exchange_calendars import get_calendar

    # Without explicit bounds the library's calendar starts 20 years before the day it is asked.
    return get_calendar("XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31")


def sessions_between(first: date, last: date) -> list[date]:
    """Return the XNYS sessions from first to last, both included."""
    if last < first:
        return []
    found = _calendar(first.year, last.year).sessions_in_range(str(first), str(last))
    return [stamp.date() for stamp in found]


def new_york(day: date, at: time) -> datetime:
    """Return the UTC instant of a New York wall-clock time."""
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


@cache
def opens_at(session: date) -> datetime:
    """Return when the session opens, 09:30 New York, in UTC."""
    return new_york(session, _OPEN)


@cache
def full_close_at(session: date) -> datetime:
    """Return 16:00 New York of that date in UTC: no session, half or full, is still open then."""
    return new_york(session, _CLOSE)


@cache
def closes_at(session: date) -> datetime:
    """Return when the session closes in UTC: 16:00 New York, 13:00 on a half day."""
    calendar = _calendar(session.year, session.year)
    stamp = str(session)
    if not calendar.is_session(stamp):
        return full_close_at(session)
    closed: datetime = calendar.session_close(stamp).to_pydatetime()
    return closed.astimezone(UTC)


@cache
def midnight_ms(day: date) -> int:
    """Return 00:00 New York in Unix milliseconds: the `t` of the range route."""
    return round(new_york(day, time()).timestamp() * 1000)


@cache
def close_ms(day: date) -> int:
    """Return 16:00 New York in Unix milliseconds: the `t` of the grouped and previous-close routes."""
    return round(full_close_at(day).timestamp() * 1000)


def new_york_date(instant: datetime) -> date:
    """Return the date in New York at an instant."""
    return instant.astimezone(NEW_YORK).date()


def last_closed_session(now: datetime) -> date:
    """Return the newest XNYS session that has closed at an instant."""
    today = new_york_date(now)
    closed = [s for s in sessions_between(today - timedelta(days=14), today) if closes_at(s) <= now]
    return closed[-1]


def holidays_after(after: date) -> list[MarketHoliday]:
    """Return the closures and early closes of the 365 days after a date, oldest first."""
    until = after + timedelta(days=365)
    calendar = _calendar(after.year, until.year)
    named = {
        stamp.date(): name
        for stamp, name in calendar.regular_holidays.holidays(str(after), str(until), return_name=True).items()
    }
    sessions = set(sessions_between(after, until))
    early = {stamp.date() for stamp in calendar.early_closes}
    days = (after + timedelta(days=n) for n in range(1, 366))
    found = []
    for day in days:
        if day.weekday() < 5 and day not in sessions:
            found.append(MarketHoliday(day, str(named.get(day, "Market closed"))))
        elif day in early:
            found.append(MarketHoliday(day, "Early close", closes_at(day)))
    return found
