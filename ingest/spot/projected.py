"""The closes of the live projection, as a spot check reads them, from one generation and no other.

The projector puts a new generation in place by renaming schemas, at any moment. A statement that names two tables may
then find one of each, and so may two statements, so the schema's identity and version are read before and after: if
they are the same, no rename fell in between (api/generation.py proves its answers in the same way).
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from ingest.errors import NothingCompared, NothingProjected, ProjectionChanging
from ingest.period import Period
from ingest.spot.check import OurClose
from sql import load_queries

_QUERIES = load_queries("spot_check.sql")
_PLACE = _QUERIES["spot_check_place"]
_DISCARD_PLANS = _QUERIES["spot_check_discard_plans"]
_PERIOD = _QUERIES["spot_check_period"]
_SYMBOLS = _QUERIES["spot_check_symbols"]
_CLOSES = _QUERIES["spot_check_closes"]
# Each takes a swap of its own to fail.
_ATTEMPTS = 16

T = TypeVar("T")
Read = Callable[[asyncpg.Connection], Awaitable[T]]


async def read_one_generation(connection: asyncpg.Connection, read: Read[T]) -> T:
    """Return what `read` makes of one generation; it may be called again, so it must only read.

    Raises: NothingProjected, ProjectionChanging, and what `read` raises.
    """
    for _ in range(_ATTEMPTS):
        await connection.execute(_DISCARD_PLANS)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            place = await connection.fetchrow(_PLACE)
            if place is None:
                raise NothingProjected
            found = await read(connection)
        if await connection.fetchrow(_PLACE) == place:
            return found
    raise ProjectionChanging(_ATTEMPTS)


async def read_period(
    connection: asyncpg.Connection, first: dt.date | None, last: dt.date | None, sessions: int
) -> Period:
    """Return the period asked for up to the newest session there is; without a first date, its last `sessions`.

    Raises: NothingCompared when the projection has no bar from there on.
    """
    row = await connection.fetchrow(_PERIOD, last, sessions)
    begin = first or row["first"]
    if row["last"] is None or begin is None or begin > row["last"]:
        raise NothingCompared("the projection has no bar" + ("" if first is None else f" from {first} on"))
    return Period(begin, row["last"])


async def read_symbols(connection: asyncpg.Connection, period: Period) -> list[str]:
    """Return the symbols with a validated bar in a period, in order."""
    return [row["ticker"] for row in await connection.fetch(_SYMBOLS, period.first, period.last)]


async def read_closes(
    connection: asyncpg.Connection, symbols: list[str], period: Period, as_of: dt.date | None
) -> dict[str, dict[dt.date, OurClose]]:
    """Return the closes of symbols by symbol and session, in shares of a date, or as traded."""
    closes: dict[str, dict[dt.date, OurClose]] = {symbol: {} for symbol in symbols}
    for row in await connection.fetch(_CLOSES, symbols, period.first, period.last, as_of):
        closes[row["ticker"]][row["session"]] = OurClose(row["close"], row["validated"])
    return closes
