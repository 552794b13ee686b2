"""Reading splits as they are believed now: a page of them, and what prices before one are multiplied by."""

from typing import Any

import asyncpg
from msgspec import Struct

from api.polygon.filters import Bounds, TickerFilter
from api.polygon.place import Order, Page, page_of
from sql import load_queries

_SPLITS = load_queries("api_polygon.sql")["splits"]
DATE = "execution_date"


class SplitsWanted(Struct, frozen=True, kw_only=True):
    """Which splits are asked for, in which order and how many."""

    tickers: TickerFilter
    dates: Bounds
    order: Order
    limit: int
    reverse: bool | None = None
    kinds: list[str] | None = None
    cursor: str | None = None


async def read_splits(connection: asyncpg.Connection, wanted: SplitsWanted) -> Page:
    """Return a page of splits."""
    args: tuple[Any, ...] = (
        wanted.tickers.chosen,
        wanted.tickers.first,
        wanted.tickers.beyond,
        wanted.dates.low,
        wanted.dates.high,
        wanted.reverse,
        wanted.kinds,
        wanted.order.field,
        wanted.order.sign,
        *wanted.order.place(wanted.cursor),
        wanted.limit + 1,
    )
    return page_of(await connection.fetch(_SPLITS, *args), wanted.limit, wanted.order, DATE)
