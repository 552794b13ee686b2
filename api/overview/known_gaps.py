"""The gaps of one symbol, remembered for as long as nothing they depend on has changed."""

import datetime as dt

import asyncpg

from api.generation import Generation, Projection
from api.overview.calendar import frozen_calendar, newest_judged
from api.overview.memory import GapsKey, KnownGaps, State, memory_of
from api.project_errors import clear_project_errors
from project.gaps.gap_search import find_gaps
from sql import load_queries

_SPAN = load_queries("api_overview.sql")["span_of"]


async def known_gaps(
    projection: Projection, connection: asyncpg.Connection, generation: Generation, symbol: str, now: dt.datetime
) -> KnownGaps:
    """Return the gaps of a symbol in a generation, up to the newest session that can be judged at `now`.

    To be called within `projection.read`, whose connection and generation it takes: that proves the answer.

    Raises: UnknownSymbol where nobody asked for its bars and none came.
    """
    memory = memory_of(projection)
    calendar = await frozen_calendar(projection, connection, generation)
    key = GapsKey(State.of(generation), newest_judged(calendar, now), symbol)
    known = memory.gaps.get(key)
    if known is not None:
        return known
    with clear_project_errors():
        found = await find_gaps(connection, symbol, now, calendar)
    span = await connection.fetchrow(_SPAN, symbol)
    return memory.gaps.keep(key, KnownGaps(found, *span), weight=len(found.gaps) + 1)
