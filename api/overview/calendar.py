"""The exchange calendar as the live generation froze it.

It is read from the projection instead of made: that takes 10 ms in the place of 500, and no pandas in the server.
"""

import datetime as dt

import asyncpg
import numpy as np

from api.generation import Generation
from api.overview.reading import Reading
from archive.calendar import Calendar
from project.columnar import dates_sent
from project.gaps.answered import ABSENCE_SETTLES
from sql import load_queries

_CALENDAR = load_queries("api_overview.sql")["frozen_calendar"]


async def frozen_calendar(reading: Reading) -> Calendar:
    """Return the calendar of the generation that is being read."""
    calendars, key = reading.memory.calendars, reading.generation.generation_id
    known = reading.get(calendars, key)
    return known or reading.keep(calendars, key, await _read(reading.connection, reading.generation))


def newest_judged(calendar: Calendar, now: dt.datetime) -> dt.date:
    """Return the newest session of which it can be believed at `now` that a symbol has no bar."""
    return calendar.last_closed(now, ABSENCE_SETTLES)


async def _read(connection: asyncpg.Connection, generation: Generation) -> Calendar:
    row = await connection.fetchrow(_CALENDAR)
    opens, closes = (np.frombuffer(row[name], ">i8").astype("datetime64[s]") for name in ("opens", "closes"))
    return Calendar(generation.calendar_version, dates_sent(row["sessions"]), opens, closes)
