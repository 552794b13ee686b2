"""The gaps of one symbol, remembered for as long as nothing they depend on has changed."""

import datetime as dt

from api.overview.calendar import frozen_calendar, newest_judged
from api.overview.memory import GapsKey, KnownGaps
from api.overview.reading import Reading
from api.project_errors import clear_project_errors
from project.gaps.gap_search import find_gaps
from sql import load_queries

_SPAN = load_queries("api_overview.sql")["span_of"]


async def known_gaps(reading: Reading, symbol: str, now: dt.datetime) -> KnownGaps:
    """Return the gaps of a symbol in the generation that is being read, up to the newest session judged at `now`.

    Raises: UnknownSymbol where nobody asked for its bars and none came.
    """
    calendar = await frozen_calendar(reading)
    key = GapsKey(reading.state, newest_judged(calendar, now), symbol)
    known = reading.get(reading.memory.gaps, key)
    if known is not None:
        return known
    with clear_project_errors():
        found = await find_gaps(reading.connection, symbol, now, calendar)
    span = await reading.connection.fetchrow(_SPAN, symbol)
    return reading.keep(reading.memory.gaps, key, KnownGaps(found, *span), weight=len(found.gaps) + 1)
