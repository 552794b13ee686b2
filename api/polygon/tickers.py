"""GET /v3/reference/tickers: what is listed, and the tickers that have bars and stand in no list."""

import datetime as dt
from heapq import merge
from itertools import islice
from typing import Annotated, Literal

import asyncpg
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter
from api.generation import Generation
from api.operation import Operation
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.filters import ticker_filter
from api.polygon.paging import next_url
from api.polygon.params import Direction, OnDate, Text, TickerParams, dotted
from api.polygon.ticker import STOCKS, PolygonTicker, listed, unlisted
from api.warehouse import warehouse_of
from sql import load_queries

_QUERIES = load_queries("api_polygon.sql")
_LISTINGS, _LISTED = _QUERIES["listings"], _QUERIES["listed_tickers"]
_WITH_BARS = _QUERIES["tickers_with_bars"]

SortField = Literal["ticker", "name", "market", "type", "primary_exchange", "cik", "composite_figi", "share_class_figi"]


class TickersParams(TickerParams, frozen=True, kw_only=True, rename=dotted):
    """Which tickers are asked for."""

    type: Annotated[Text, Meta(description="The vendor's type: CS, ETF, ADRC and so on.")] | None = None
    market: Annotated[Text, Meta(description="stocks or otc.")] | None = None
    exchange: Annotated[Text, Meta(description="The primary exchange, as its market identifier code.")] | None = None
    cik: (
        Annotated[Text, Meta(description="The company's number at the SEC, with or without zeros before it.")] | None
    ) = None
    date: Annotated[OnDate, Meta(description="Ask what traded on this date; without it, now.")] | None = None
    search: Annotated[Text, Meta(description="Part of the ticker or the name, in any case.")] | None = None
    active: Annotated[bool, Meta(description="Those that trade, or those that do not any more.")] = True
    limit: Annotated[int, Meta(ge=1, le=1000, description="Rows in a page, at most.")] = 100
    sort: Annotated[SortField, Meta(description="What is equal stands by ticker.")] = "ticker"
    order: Direction = "asc"
    cursor: Cursor | None = None

    @property
    def descending(self) -> bool:
        """Whether the list goes downwards."""
        return self.order == "desc"

    @property
    def list_name(self) -> str:
        """The list that a cursor is of."""
        return f"tickers {self.sort} {self.order}"

    @property
    def takes_unlisted(self) -> bool:
        """Whether a ticker of which nothing but its bars is known can be meant."""
        wants_more = (self.type, self.exchange, self.cik) != (None, None, None)
        return self.active and not wants_more and self.market in (None, STOCKS)


class PolygonTickers(Struct, frozen=True):
    """A page of tickers."""

    results: list[PolygonTicker]
    status: str
    request_id: str
    count: Annotated[int, Meta(description="Rows in this page.")]
    next_url: Annotated[str | UnsetType, Meta(description="The next page; left out on the last.")] = UNSET


class _Entry(Struct, frozen=True):
    """A row with its place in the list; `security_id` is empty where it is not listed."""

    key: str
    ticker: str
    security_id: str
    row: PolygonTicker


async def reference_tickers(request: Request, params: TickersParams) -> Response:
    """Answer with a page of tickers."""
    after = None if params.cursor is None else decode_cursor(params.cursor, (str, str, str), of=params.list_name)

    async def read(connection: asyncpg.Connection, generation: Generation) -> list[_Entry]:
        known = await _listed(connection, params, after)
        # Beyond the last row of a full page nothing has to be looked for.
        last = known[-1] if len(known) > params.limit else None
        others = await _unlisted(connection, params, after, last) if params.takes_unlisted else []
        return list(islice(merge(known, others, key=_place, reverse=params.descending), params.limit + 1))

    entries = await warehouse_of(request).projection.read(read)
    page = entries[: params.limit]
    following: str | UnsetType = UNSET
    if len(entries) > params.limit:
        end = page[-1]
        following = next_url(request, encode_cursor(end.key, end.ticker, end.security_id, of=params.list_name))
    rows = [entry.row for entry in page]
    return json_answer(PolygonTickers(rows, "OK", new_request_id(), len(rows), following))


async def _listed(
    connection: asyncpg.Connection, params: TickersParams, after: tuple[str, str, str] | None
) -> list[_Entry]:
    tickers = ticker_filter(params)
    rows = await connection.fetch(
        _LISTINGS,
        tickers.chosen,
        tickers.first,
        tickers.beyond,
        params.type,
        params.market,
        params.exchange,
        params.cik,
        params.search,
        params.active,
        params.date,
        params.sort,
        params.descending,
        *(after or (None, None, None)),
        params.limit + 1,
    )
    return [_Entry(row["key"], row["ticker"], row["security_id"], listed(row, active=row["is_active"])) for row in rows]


async def _unlisted(
    connection: asyncpg.Connection, params: TickersParams, after: tuple[str, str, str] | None, last: _Entry | None
) -> list[_Entry]:
    """Return the tickers that only have bars, from where the page begins to where it ends for certain, in order."""
    wanted = ticker_filter(params)
    first, beyond = wanted.first, wanted.beyond
    if params.sort == "ticker":
        # The list is that of the tickers themselves, so the page bounds which have to be read.
        lower, upper = (last, after) if params.descending else (after, last)
        first = _later(first, _ticker_of(lower))
        beyond = _earlier(beyond, _ticker_of(upper))
    tickers = await connection.fetchval(_WITH_BARS, wanted.chosen, first, beyond, params.search) or []
    known = set(await connection.fetchval(_LISTED, tickers) or [])
    entries = [
        _Entry(_key(ticker, params.sort), ticker, "", unlisted(ticker)) for ticker in tickers if ticker not in known
    ]
    entries.sort(key=_place, reverse=params.descending)
    return entries if after is None else [entry for entry in entries if _is_after(entry, after, params)]


def _place(entry: _Entry) -> tuple[str, str]:
    return entry.key, entry.ticker


def _is_after(entry: _Entry, after: tuple[str, str, str], params: TickersParams) -> bool:
    place = _place(entry)
    return place < after[:2] if params.descending else place > after[:2]


def _key(ticker: str, sort: SortField) -> str:
    """Return what an unlisted ticker is sorted by, as the statement has it for a listing."""
    return {"name": ticker, "market": STOCKS}.get(sort, "")


def _ticker_of(end: _Entry | tuple[str, str, str] | None) -> str | None:
    return end.ticker if isinstance(end, _Entry) else None if end is None else end[1]


def _later(bound: str | None, ticker: str | None) -> str | None:
    return max((text for text in (bound, ticker) if text is not None), default=None)


def _earlier(bound: str | None, ticker: str | None) -> str | None:
    return min((text for text in (bound, ticker) if text is not None), default=None)


OPERATION = Operation(
    path="/v3/reference/tickers",
    summary="Tickers",
    description=(
        "As Polygon's list of tickers: what the vendor's lists said last, and the tickers that have bars and stand in "
        "no list."
    ),
    params=TickersParams,
    answer=PolygonTickers,
    example=PolygonTickers(
        [
            PolygonTicker(
                "AAPL",
                "Apple Inc.",
                "stocks",
                "us",
                True,
                "usd",
                "CS",
                "XNAS",
                "0000320193",
                "BBG000B9XRY4",
                "BBG001S5N8V8",
                last_updated_utc=dt.datetime(2026, 11, 20, 7, tzinfo=dt.UTC),
            )
        ],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
        1,
    ),
    handle=reference_tickers,
    errors=(InvalidParameter("limit", "5000", "must be a whole number from 1 to 1000"), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
