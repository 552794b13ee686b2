"""GET /api/v1/market/{date}: the whole market of one session."""

import datetime as dt
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.bars.bar import EXAMPLE_OF_MANY, SymbolBar, table_of
from api.bars.market_read import read_market
from api.bars.params import MOST_ROWS, Order, Terms
from api.bars.restate import Adjustment
from api.bars.selection import is_chosen
from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter
from api.etag import etag, tagged
from api.formats.answer import answer_rows
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.warehouse import warehouse_of


class MarketParams(Terms, frozen=True, kw_only=True):
    """Of which session the bars are asked for."""

    date: Annotated[dt.date, Meta(description="The session.", examples=["2014-06-09"])]
    order: Annotated[Order, Meta(description="asc: in byte order of the symbols; desc: the other way round.")] = "asc"
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS, description="How many bars at most.")] = MOST_ROWS
    cursor: Cursor | None = None


class Market(Struct, frozen=True):
    """The bars of all symbols in one session."""

    date: dt.date
    is_session: Annotated[bool, Meta(description="Whether the exchange traded on this date, by its calendar.")]
    adjusted: Adjustment
    as_of: Annotated[dt.date | None, Meta(description="As in /historical; null where nothing is restated.")]
    count: int
    symbols_with_bars: Annotated[int, Meta(description="Bars of the session, whatever is left out or on other pages.")]
    generation: GenerationRef
    reason: Annotated[str | None, Meta(description="Why there are no bars; null where there are.")]
    next_cursor: Annotated[str | None, Meta(description="The cursor of the next page; null on the last.")]
    bars: list[SymbolBar]


async def market(request: Request, params: MarketParams) -> Response:
    """Answer with the bars of a session."""
    list_name = f"market {params.date} {params.order}"
    [last_symbol] = decode_cursor(params.cursor, (str,), of=list_name) if params.cursor else [None]
    found = await read_market(warehouse_of(request), params.date, adjusted=params.adjusted, as_of=params.as_of)
    kept = np.flatnonzero(is_chosen(found.bars, params))
    if params.order == "desc":
        kept = kept[::-1]
    if last_symbol is not None:
        symbols = found.tickers[kept]
        kept = kept[symbols > last_symbol if params.order == "asc" else symbols < last_symbol]
    page = kept[: params.limit]
    envelope = Market(
        date=params.date,
        is_session=found.is_session,
        adjusted=params.adjusted,
        as_of=found.as_of,
        count=len(page),
        symbols_with_bars=len(found.tickers),
        generation=GenerationRef.of(found.generation),
        reason=None if len(page) else _why_empty(params, found.is_session, len(found.tickers)),
        next_cursor=encode_cursor(found.tickers[page[-1]], of=list_name) if len(page) < len(kept) else None,
        bars=[],
    )
    is_all = len(page) == len(found.tickers) and params.order == "asc"
    chosen = slice(None) if is_all else page  # which copies nothing
    table = table_of(found.bars.take(chosen), found.rule_names, found.tickers[chosen])
    return await answer_rows(request, envelope, "bars", table, tagged(etag(request, found.generation, found.as_of)))


def _why_empty(params: MarketParams, is_session: bool, bars: int) -> str:
    if bars:
        return f"none of the {bars} bars of {params.date} is left"
    if not is_session:
        return f"the exchange did not trade on {params.date}"
    return f"there is no bar of {params.date}"


OPERATION = Operation(
    path="/api/v1/market/{date}",
    summary="The whole market of a session",
    description=(
        "The bar of every symbol in one session, in byte order of the symbols. A date without bars is answered with "
        "none and the reason."
    ),
    params=MarketParams,
    answer=Market,
    example=Market(
        date=dt.date(2014, 6, 9),
        is_session=True,
        adjusted="none",
        as_of=None,
        count=1,
        symbols_with_bars=1,
        generation=EXAMPLE_GENERATION,
        reason=None,
        next_cursor=None,
        bars=[EXAMPLE_OF_MANY],
    ),
    handle=market,
    errors=(
        InvalidParameter("date", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="bars",
)
