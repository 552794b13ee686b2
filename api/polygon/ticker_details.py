"""GET /v3/reference/tickers/{ticker}: what is known of one ticker; 404 of one that nothing is known of."""

import datetime as dt
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.generation import Generation
from api.operation import Operation
from api.params import Symbol
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.errors import BAD_DATE, DataNotFound
from api.polygon.params import OnDate
from api.polygon.ticker import PolygonTicker, listed, unlisted
from api.warehouse import warehouse_of
from sql import load_queries

_QUERIES = load_queries("api_polygon.sql")
_LISTINGS_OF, _HAS_BARS = _QUERIES["listings_of"], _QUERIES["has_bars"]


class TickerDetailsParams(Struct, frozen=True, kw_only=True):
    """Which ticker is asked for."""

    ticker: Symbol
    date: (
        Annotated[OnDate, Meta(description="Whoever had the ticker on this date; without it, has or had it last.")]
        | None
    ) = None


class TickerDetails(Struct, frozen=True):
    """What is known of one ticker."""

    results: PolygonTicker
    status: str
    request_id: str


async def ticker_details(request: Request, params: TickerDetailsParams) -> Response:
    """Answer with one ticker.

    Raises: DataNotFound.
    """

    async def read(connection: asyncpg.Connection, generation: Generation) -> PolygonTicker | None:
        rows = [row for row in await connection.fetch(_LISTINGS_OF, params.ticker) if row["ticker"] == params.ticker]
        if rows:
            row = _who_had_it(rows, params.date)
            return listed(row, active=_trades(row, params.date))
        return unlisted(params.ticker) if await connection.fetchval(_HAS_BARS, params.ticker) else None

    found = await warehouse_of(request).projection.read(read)
    if found is None:
        raise DataNotFound
    return json_answer(TickerDetails(found, "OK", new_request_id()))


def _who_had_it(rows: list[asyncpg.Record], on: dt.date | None) -> asyncpg.Record:
    """Return the listing of a date: of those delisted later the first to go, else the one that trades or went last."""
    later = [row for row in rows if on is not None and row["delisted_on"] is not None and row["delisted_on"] > on]
    if later:
        return min(later, key=lambda row: row["delisted_on"])
    return max(rows, key=lambda row: (row["active"], row["delisted_on"] or dt.date.min, row["archive_seq"]))


def _trades(row: asyncpg.Record, on: dt.date | None) -> bool:
    gone = row["delisted_on"]
    return bool(row["active"] or (on is not None and gone is not None and gone > on))


OPERATION = Operation(
    path="/v3/reference/tickers/{ticker:path}",
    summary="One ticker",
    description="As Polygon's ticker overview, without what no list has: address, description, numbers of shares.",
    params=TickerDetailsParams,
    answer=TickerDetails,
    example=TickerDetails(
        PolygonTicker("AAPL", "Apple Inc.", "stocks", "us", True, "usd", "CS", "XNAS", "0000320193"),
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
    ),
    handle=ticker_details,
    errors=(
        DataNotFound(),
        BAD_DATE,
        *READ_ERRORS,
    ),
    tags=("Polygon",),
    dialect=POLYGON,
)
