"""What is made of splits and dividends, read from the live projection. It reads and decides nothing."""

import datetime as dt

import asyncpg
import msgspec

from project.factors.factor import Factor, factor_of
from project.generation import live_generation
from project.steady import read_steadily
from sql import load_queries

_QUERIES = load_queries("factors.sql")
_NEWEST = _QUERIES["newest_factors"]
_COUNT = _QUERIES["count_factors"]


class Factors(msgspec.Struct, frozen=True):
    """Factors of the newest ex-dates; how many there are in all and with each flag, and how many are left out."""

    factors: list[Factor]
    total: int
    flags: dict[str, int]
    more: int


async def read_factors(
    connection: asyncpg.Connection, ticker: str | None, flagged: bool, known_at: dt.datetime | None, limit: int
) -> Factors:
    """Return factors of one ticker or of all, of what is believed now or was at an instant, newest ex-date first.

    `flagged` leaves out those with no flag, or none but that the prices cannot tell.
    Raises: NothingProjected, OutdatedProjection.
    """

    async def read() -> Factors:
        await live_generation(connection)
        counts = {row["flag"]: row["factors"] for row in await connection.fetch(_COUNT, ticker, flagged, known_at)}
        rows = await connection.fetch(_NEWEST, ticker, flagged, known_at, limit)
        found = [factor_of(row) for row in rows]
        total = counts.pop(None)
        return Factors(found, total, dict(sorted(counts.items())), total - len(found))

    return await read_steadily(connection, read)
