"""A symbol as the tables tell of it: its securities, their names with the bars there are, and what is listed.

What follows from what is in `identity.py`; this file reads.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

import asyncpg
import msgspec

from project.errors import ProjectError
from project.generation import live_generation
from project.names.identity import NEAR, Security, Span, followed, securities_of, settled
from project.names.listing import Listing
from project.names.ticker_change import TickerChange
from sql import load_queries

_QUERIES = load_queries("tickers.sql")
_CHANGES_ABOUT, _LISTINGS_ABOUT = _QUERIES["changes_about"], _QUERIES["listings_about"]
_BARS, _SESSIONS_NEAR = _QUERIES["bars_of_symbols"], _QUERIES["sessions_near"]


class UnknownSymbol(ProjectError):
    """No payload that is projected speaks of `symbol`."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"symbol {symbol!r}: nothing is known of it, and nobody asked for it; its case matters")
        self.symbol = symbol


class BarsOf(msgspec.Struct, frozen=True):
    """The bars under a ticker, whichever security had it."""

    ticker: str
    first_session: dt.date | None
    last_session: dt.date | None
    bars: int


class Symbol(msgspec.Struct, frozen=True):
    """What is known of a symbol.

    `securities` are those that had it, the last one at the end; `followed` are the spans to read for that one. A date
    outside all of its spans belongs to a security of which nothing is known.
    """

    symbol: str
    securities: list[Security]
    followed: tuple[Span, ...]
    bars: list[BarsOf]
    listings: list[Listing]
    changes: list[TickerChange]


async def read_symbol(connection: asyncpg.Connection, symbol: str) -> Symbol:
    """Return what is known of a symbol.

    Raises: UnknownSymbol; NothingProjected, OutdatedProjection.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await live_generation(connection)
        changes, listings = await read_names(connection, [symbol])
        known = await _settled(connection, securities_of(symbol, changes, listings))
        tickers = sorted({symbol, *(span.ticker for security in known for span in security.spans)})
        bars = [BarsOf(**row) for row in await connection.fetch(_BARS, tickers)]
    if not (bars or changes or listings):
        raise UnknownSymbol(symbol)
    return Symbol(symbol, known, followed(symbol, known), bars, listings, changes)


async def read_names(
    connection: asyncpg.Connection, tickers: Sequence[str]
) -> tuple[list[TickerChange], list[Listing]]:
    """Return the changes and listings that are believed of the securities which have had some tickers."""
    changes = [TickerChange(**row) for row in await connection.fetch(_CHANGES_ABOUT, tickers)]
    named = sorted({*tickers, *(change.ticker for change in changes)})
    ids = sorted({change.security_id for change in changes})
    listings = [Listing(**row) for row in await connection.fetch(_LISTINGS_ABOUT, named, ids)]
    return changes, listings


async def _settled(connection: asyncpg.Connection, known: Sequence[Security]) -> list[Security]:
    """Return the securities with their changes on the dates that the bars show."""
    near = [
        (span.ticker, change)
        for security in known
        for span in security.spans
        for change in (span.first, span.last)
        if change is not None
    ]
    sessions: dict[str, list[dt.date]] = defaultdict(list)
    for ticker, session in await connection.fetch(
        _SESSIONS_NEAR, [ticker for ticker, _ in near], [change for _, change in near], NEAR.days + 1
    ):
        sessions[ticker].append(session)
    return [msgspec.structs.replace(security, spans=settled(security.spans, sessions)) for security in known]
