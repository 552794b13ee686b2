"""What the projection holds of a symbol: whether it is known at all, and from when until when it has bars."""

import datetime as dt

import asyncpg
import msgspec

from api.errors import UnknownSymbol
from sql import load_queries

_STATUS = load_queries("api.sql")["symbol_status_of"]


class SymbolStatus(msgspec.Struct, frozen=True):
    """The bars of one symbol; the sessions are None where it has none."""

    first_session: dt.date | None
    last_session: dt.date | None
    bars: int
    rejections: int


async def read_status(connection: asyncpg.Connection, symbol: str) -> SymbolStatus:
    """Return what there is of a symbol.

    Raises: UnknownSymbol for one that no payload ever spoke of.
    """
    row = await connection.fetchrow(_STATUS, symbol)
    if row is None:
        raise UnknownSymbol(symbol)
    return SymbolStatus(**row)
