"""The hours of a session, by the calendar that the live generation froze."""

import datetime as dt

import numpy as np
from msgspec import Struct

from api.overview.calendar import frozen_calendar
from api.overview.reading import read_remembering
from api.warehouse import Warehouse
from archive.calendar import Calendar


class Hours(Struct, frozen=True):
    """When a session opens and closes, in UTC."""

    opens: dt.datetime
    closes: dt.datetime


async def read_calendar(warehouse: Warehouse) -> Calendar:
    """Return the exchange calendar.

    Raises: READ_ERRORS.
    """
    return await read_remembering(warehouse.projection, frozen_calendar)


def hours_of(calendar: Calendar, date: dt.date) -> Hours | None:
    """Return the hours of a date, None where it is no session."""
    place = int(np.searchsorted(calendar.sessions, np.datetime64(date)))
    if place == len(calendar.sessions) or calendar.sessions[place] != np.datetime64(date):
        return None
    opens, closes = (instants[place].astype("datetime64[us]").item() for instants in (calendar.opens, calendar.closes))
    return Hours(opens.replace(tzinfo=dt.UTC), closes.replace(tzinfo=dt.UTC))
