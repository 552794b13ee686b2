"""Whether a symbol that nothing was found of is known at all, so that a misspelt one is no empty answer."""

import asyncpg

from api.errors import UnknownSymbol
from sql import load_queries

_IS_ASKED = load_queries("api_records.sql")["is_asked_symbol"]


async def require_known(connection: asyncpg.Connection, symbol: str, *others: str) -> None:
    """Let a symbol pass that bars were asked for of, or that one of the other statements has heard of.

    Raises: UnknownSymbol.
    """
    for statement in (_IS_ASKED, *others):
        if await connection.fetchval(statement, symbol):
            return
    raise UnknownSymbol(symbol)
