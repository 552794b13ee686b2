"""GET /udf/symbols, /udf/search and /udf/symbol_info: what there is to chart, and how the library is to show it.

A symbol is its plain ticker, wherever the protocol takes an exchange before it. The library searches in capitals, so a
search looks at no case, while a ticker that is asked for is taken as it is written.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Literal

import asyncpg
from msgspec import Meta, Struct, field
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, InvalidParameter, MissingParameter, UnknownSymbol
from api.etag import etag, is_held, not_modified, tagged
from api.generation import Generation
from api.operation import Operation
from api.params import Symbol
from api.udf.dialect import UDF
from api.udf.times import SUPPORTED
from api.warehouse import warehouse_of
from sql import load_queries

_QUERIES = load_queries("api_udf.sql")
_LISTING_OF = _QUERIES["listing_of"]
_LISTINGS_LIKE = _QUERIES["listings_like"]
_LAST_SESSION_OF = _QUERIES["last_session_of"]
_LAST_SESSIONS_LIKE = _QUERIES["last_sessions_like"]
_CLOSES_ON = _QUERIES["closes_on"]

NO_EXCHANGE = "US"
"""Where the vendor does not say on which exchange a security is listed."""

STOCK: Literal["stock"] = "stock"
_SESSION = "0930-1600"
_TIMEZONE = "America/New_York"

# Source: SEC rule 612: prices from 1 USD on are quoted in cents, those below in hundredths of a cent.
_CENTS, _HUNDREDTHS_OF_A_CENT = 100, 10_000
_DOLLAR = 1.0

SearchText = Annotated[
    str,
    Meta(
        description="Part of a symbol or a name, in any case; empty for all.",
        max_length=64,
        pattern=r"^[^\x00]*$",
        examples=["AAP"],
    ),
]
ExchangeCode = Annotated[
    str,
    Meta(
        description="The exchange's market identifier code (ISO 10383), as /udf/config lists them; empty for all.",
        max_length=16,
        pattern=r"^[A-Z0-9]*$",
        examples=["XNAS"],
    ),
]


class SymbolParams(Struct, frozen=True, kw_only=True):
    """Which symbol is to be described."""

    symbol: Symbol


class SearchParams(Struct, frozen=True, kw_only=True):
    """What is searched for."""

    query: SearchText = ""
    type: Annotated[Literal["", "stock"], Meta(description="All here are stocks; empty for all types.")] = ""
    exchange: Annotated[ExchangeCode, Meta(examples=[""])] = ""
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many at most.")] = 30


class GroupParams(Struct, frozen=True, kw_only=True):
    """Which group of symbols is to be described."""

    group: ExchangeCode = ""


class ChartSymbol(Struct, frozen=True, kw_only=True):
    """How the library is to show a symbol."""

    name: str
    ticker: Annotated[str, Meta(description="What the library sends as symbol.")]
    full_name: str
    description: Annotated[str, Meta(description="The name in the vendor's lists, else the ticker.")]
    type: Literal["stock"]
    session: Annotated[str, Meta(description="Trading hours in the timezone.")]
    timezone: str
    exchange: Annotated[str, Meta(description="The market identifier code; US where it is not known.")]
    listed_exchange: str
    exchange_traded: str = field(name="exchange-traded")
    exchange_listed: str = field(name="exchange-listed")
    currency_code: Literal["USD"]
    format: Literal["price"]
    minmov: int
    minmov2: int
    pricescale: Annotated[
        int, Meta(description="100 is a price step of 0.01; 10000 where the newest close is below 1.")
    ]
    has_intraday: bool
    has_daily: bool
    has_weekly_and_monthly: bool
    weekly_multipliers: list[str]
    monthly_multipliers: Annotated[list[str], Meta(description="Months, quarters and years are made here.")]
    supported_resolutions: list[str]
    visible_plots_set: str
    volume_precision: int
    data_status: Literal["endofday"]


class ChartFound(Struct, frozen=True):
    """A symbol that was found."""

    symbol: str
    full_name: str
    description: str
    exchange: str
    ticker: str
    type: Literal["stock"]


class ChartSymbols(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A group of symbols as a table; what is one value holds for all of them."""

    symbol: list[str]
    ticker: list[str]
    description: list[str]
    exchange_listed: list[str]
    exchange_traded: list[str]
    pricescale: list[int]
    type: Literal["stock"]
    currency_code: Literal["USD"]
    session_regular: str
    timezone: str
    minmovement: int
    minmovement2: int
    has_intraday: bool
    has_daily: bool
    has_weekly_and_monthly: bool
    supported_resolutions: list[str]
    visible_plots_set: str
    volume_precision: int


class _Listed(Struct, frozen=True):
    """A ticker with bars, and what the vendor's lists say of it."""

    ticker: str
    name: str | None
    exchange: str
    last_session: dt.date


async def udf_symbols(request: Request, params: SymbolParams) -> Response:
    """Answer with how one symbol is to be shown."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[str, ChartSymbol | None]:
        tag = etag(request, generation)
        return tag, None if is_held(request, tag) else await _describe(connection, params.symbol)

    tag, info = await warehouse_of(request).projection.read(read)
    return not_modified(tag) if info is None else json_answer(info, tagged(tag))


async def _describe(connection: asyncpg.Connection, symbol: str) -> ChartSymbol:
    status = await connection.fetchrow(_LAST_SESSION_OF, symbol)
    if status is None:
        raise UnknownSymbol(symbol)
    listing = await connection.fetchrow(_LISTING_OF, symbol)
    scales = await _price_scales(connection, [(symbol, status["last_session"])])
    exchange = _exchange(listing)
    return ChartSymbol(
        name=symbol,
        ticker=symbol,
        full_name=symbol,
        description=_description(symbol, listing),
        type=STOCK,
        session=_SESSION,
        timezone=_TIMEZONE,
        exchange=exchange,
        listed_exchange=exchange,
        exchange_traded=exchange,
        exchange_listed=exchange,
        currency_code="USD",
        format="price",
        minmov=1,
        minmov2=0,
        pricescale=scales.get(symbol, _CENTS),
        has_intraday=False,
        has_daily=True,
        has_weekly_and_monthly=True,
        weekly_multipliers=["1"],
        monthly_multipliers=["1", "3", "12"],
        supported_resolutions=list(SUPPORTED),
        visible_plots_set="ohlcv",
        volume_precision=0,
        data_status="endofday",
    )


async def udf_search(request: Request, params: SearchParams) -> Response:
    """Answer with the symbols that a text is found in, the likeliest first."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[str, list[_Listed] | None]:
        tag = etag(request, generation)
        return tag, None if is_held(request, tag) else await _listed_like(connection, params.query, params.exchange)

    tag, listed = await warehouse_of(request).projection.read(read)
    if listed is None:
        return not_modified(tag)
    best = sorted(listed, key=lambda found: _rank(found, params.query.upper()))[: params.limit]
    return json_answer([_found(one) for one in best], tagged(tag))


def _rank(found: _Listed, text: str) -> tuple[int, int, str]:
    """Return a key by which the ticker itself comes first, then its beginning, its middle, and the name."""
    if not text:
        return 0, 0, found.ticker
    place = found.ticker.upper().find(text)
    in_name = (found.name or "").upper().find(text)
    if place < 0:
        return 3, in_name, found.ticker
    if place > 0:
        return 2, place, found.ticker
    return int(len(found.ticker) > len(text)), len(found.ticker), found.ticker


def _found(one: _Listed) -> ChartFound:
    return ChartFound(one.ticker, one.ticker, one.name or one.ticker, one.exchange, one.ticker, STOCK)


async def udf_symbol_info(request: Request, params: GroupParams) -> Response:
    """Answer with how all symbols of an exchange are to be shown."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[str, ChartSymbols | None]:
        tag = etag(request, generation)
        if is_held(request, tag):
            return tag, None
        listed = sorted(await _listed_like(connection, "", params.group), key=lambda one: one.ticker)
        scales = await _price_scales(connection, [(one.ticker, one.last_session) for one in listed])
        return tag, _table(listed, scales)

    tag, table = await warehouse_of(request).projection.read(read)
    return not_modified(tag) if table is None else json_answer(table, tagged(tag))


def _table(listed: list[_Listed], scales: dict[str, int]) -> ChartSymbols:
    tickers, exchanges = [one.ticker for one in listed], [one.exchange for one in listed]
    return ChartSymbols(
        symbol=tickers,
        ticker=tickers,
        description=[one.name or one.ticker for one in listed],
        exchange_listed=exchanges,
        exchange_traded=exchanges,
        pricescale=[scales.get(ticker, _CENTS) for ticker in tickers],
        type=STOCK,
        currency_code="USD",
        session_regular=_SESSION,
        timezone=_TIMEZONE,
        minmovement=1,
        minmovement2=0,
        has_intraday=False,
        has_daily=True,
        has_weekly_and_monthly=True,
        supported_resolutions=list(SUPPORTED),
        visible_plots_set="ohlcv",
        volume_precision=0,
    )


async def _listed_like(connection: asyncpg.Connection, text: str, exchange: str) -> list[_Listed]:
    """Return what has bars and a text in its ticker or name, of one exchange or of all."""
    listings = {row["ticker"]: row for row in await connection.fetch(_LISTINGS_LIKE, text)}
    listed = [
        _Listed(row["ticker"], listing and listing["name"], _exchange(listing), row["last_session"])
        for row in await connection.fetch(_LAST_SESSIONS_LIKE, text, list(listings))
        for listing in (listings.get(row["ticker"]),)
    ]
    return [one for one in listed if exchange in ("", one.exchange)]


async def _price_scales(
    connection: asyncpg.Connection, last_sessions: Iterable[tuple[str, dt.date | None]]
) -> dict[str, int]:
    """Return how many steps of price make a dollar, of each ticker with bars, by its newest close."""
    known = [(ticker, session) for ticker, session in last_sessions if session is not None]
    rows = await connection.fetch(_CLOSES_ON, [ticker for ticker, _ in known], [session for _, session in known])
    return {row["ticker"]: _HUNDREDTHS_OF_A_CENT if row["close"] < _DOLLAR else _CENTS for row in rows}


def _exchange(listing: asyncpg.Record | None) -> str:
    return (listing and listing["primary_exchange"]) or NO_EXCHANGE


def _description(symbol: str, listing: asyncpg.Record | None) -> str:
    return (listing and listing["name"]) or symbol


_INFO = ChartSymbol(
    name="AAPL",
    ticker="AAPL",
    full_name="AAPL",
    description="Apple Inc.",
    type=STOCK,
    session=_SESSION,
    timezone=_TIMEZONE,
    exchange="XNAS",
    listed_exchange="XNAS",
    exchange_traded="XNAS",
    exchange_listed="XNAS",
    currency_code="USD",
    format="price",
    minmov=1,
    minmov2=0,
    pricescale=_CENTS,
    has_intraday=False,
    has_daily=True,
    has_weekly_and_monthly=True,
    weekly_multipliers=["1"],
    monthly_multipliers=["1", "3", "12"],
    supported_resolutions=list(SUPPORTED),
    visible_plots_set="ohlcv",
    volume_precision=0,
    data_status="endofday",
)

OPERATIONS = (
    Operation(
        path="/udf/symbols",
        summary="TradingView UDF: one symbol",
        description=(
            "How the charting library is to show a symbol. Its price step is a cent, and a hundredth of a cent where "
            "the newest close is below a dollar (SEC rule 612)."
        ),
        params=SymbolParams,
        answer=ChartSymbol,
        example=_INFO,
        handle=udf_symbols,
        errors=(
            UnknownSymbol("AAPLX"),
            MissingParameter("symbol"),
            InvalidParameter("symbol", "A B", "must be one word of at most 64 characters"),
            *READ_ERRORS,
        ),
        tagged=True,
        tags=("TradingView",),
        dialect=UDF,
    ),
    Operation(
        path="/udf/search",
        summary="TradingView UDF: search",
        description="Symbols with bars that have a text in their ticker or name, in any case, the likeliest first.",
        params=SearchParams,
        answer=list[ChartFound],
        example=[ChartFound("AAPL", "AAPL", "Apple Inc.", "XNAS", "AAPL", STOCK)],
        handle=udf_search,
        errors=(InvalidParameter("limit", "0", "must be a whole number from 1 to 1000"), *READ_ERRORS),
        tagged=True,
        tags=("TradingView",),
        dialect=UDF,
    ),
    Operation(
        path="/udf/symbol_info",
        summary="TradingView UDF: all symbols of an exchange",
        description="How the charting library is to show each symbol of a group, as a table of columns.",
        params=GroupParams,
        answer=ChartSymbols,
        example=_table([_Listed("AAPL", "Apple Inc.", "XNAS", dt.date(2026, 11, 20))], {"AAPL": _CENTS}),
        handle=udf_symbol_info,
        errors=(InvalidParameter("group", "x!", "must be one word of at most 16 characters"), *READ_ERRORS),
        tagged=True,
        tags=("TradingView",),
        dialect=UDF,
    ),
)
