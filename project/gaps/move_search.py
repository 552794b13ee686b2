"""The search for large moves: bars beside their neighbours, and the splits and dividends effective between them."""

import datetime as dt
from collections import defaultdict

import asyncpg

from project.gaps.moves import LIMIT, Beside, Effect, Move, classify
from project.generation import live_generation
from sql import load_queries

_QUERIES = load_queries("moves.sql")
_LARGE_MOVES, _FACTORS = _QUERIES["large_moves"], _QUERIES["factors_of_moves"]


async def find_moves(connection: asyncpg.Connection, symbol: str | None = None, limit: float = LIMIT) -> list[Move]:
    """Return the moves of one symbol or of all that are larger than a limit, by ticker and session.

    Raises: NothingProjected, OutdatedProjection.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await live_generation(connection)
        bars = [Beside(**row) for row in await connection.fetch(_LARGE_MOVES, symbol, limit)]
        factors = await connection.fetch(
            _FACTORS,
            [bar.ticker for bar in bars],
            [bar.previous_session for bar in bars],
            [bar.session for bar in bars],
        )
    effects: dict[tuple[str, dt.date], list[Effect]] = defaultdict(list)
    for ticker, session, *effect in factors:
        effects[ticker, session].append(Effect(*effect))
    return [classify(bar, effects.get((bar.ticker, bar.session), ()), limit) for bar in bars]
