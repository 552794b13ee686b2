"""The hours of sessions, by the calendar that the live generation froze."""

import datetime as dt
from collections.abc import Mapping

import asyncpg
from msgspec import Struct

from api.generation import Generation
from api.warehouse import Warehouse
from sql import load_queries

_HOURS = load_queries("api_polygon.sql")["hours_between"]


class Hours(Struct, frozen=True):
    """When a session opens and closes, in UTC."""

    opens: dt.datetime
    closes: dt.datetime


async def read_hours(warehouse: Warehouse, first: dt.date, last: dt.date) -> Mapping[dt.date, Hours]:
    """Return the hours of every session from `first` to `last`, both included.

    Raises: READ_ERRORS.
    """

    async def read(connection: asyncpg.Connection, generation: Generation) -> Mapping[dt.date, Hours]:
        rows = await connection.fetch(_HOURS, first, last)
        return {row["session"]: Hours(row["opens_at"], row["closes_at"]) for row in rows}

    return await warehouse.projection.read(read)
