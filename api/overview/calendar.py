"""The exchange calendar as the live generation froze it.

It is read from the projection instead of made: that takes 10 ms in the place of 500, and no pandas in the server.
"""

import datetime as dt

import asyncpg
import numpy as np

from api.generation import Generation
from api.overview.reading import Reading
from archive.calendar import Calendar, Days
from project.gaps.answered import ABSENCE_SETTLES
from sql import load_queries

_CALENDAR = load_queries("api_overview.sql")["frozen_calendar"]

# Source: PostgreSQL's binary form of a date, a number of days since 2000-01-01.
_FIRST_DAY = np.datetime64("2000-01-01", "D")


async def frozen_calendar(reading: Reading) -> Calendar:
    """Return the calendar of the generation that is being read."""
    calendars, key = reading.memory.calendars, reading.generation.generation_id
    known = reading.get(calendars, key)
    return known or reading.keep(calendars, key, await _read(reading.connection, reading.generation))


def newest_judged(calendar: Calendar, now: dt.datetime) -> dt.date:
    """Return the newest session of which it can be believed at `now` that a symbol has no bar."""
    return calendar.last_closed(now, ABSENCE_SETTLES)


def days_sent(column: bytes) -> Days:
    """Return dates that came in their binary form, end to end."""
    return _FIRST_DAY + np.frombuffer(column, ">i4").astype("timedelta64[D]")


async def _read(connection: asyncpg.Connection, generation: Generation) -> Calendar:
    row = await connection.fetchrow(_CALENDAR)
    opens, closes = (np.frombuffer(row[name], ">i8").astype("datetime64[s]") for name in ("opens", "closes"))
    return Calendar(generation.calendar_version, days_sent(row["sessions"]), opens, closes)
