"""GET /v2/aggs/ticker/{ticker}/range/…: the bars of one ticker, of days or of longer windows of the calendar.

Windows are the vendor's: a week begins on Sunday, a month, quarter or year on its first day; `from` and `to` are
widened to whole windows, and `t` is the midnight at which a window begins. `limit` counts the daily bars that go in,
and only windows with all of theirs are in a page.

Source: polygon.io knowledge base, "how does Polygon treat hourly bars" (snapping, weeks from Sunday); polygon.io blog,
aggs-api-updates (limit).
"""

import datetime as dt
from itertools import repeat
from typing import Annotated, Literal

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.bars.columns import BarColumns, no_bars
from api.bars.selection import Selection, read_series
from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter, UnknownSymbol
from api.operation import Operation
from api.params import Symbol
from api.polygon.bar import MIDNIGHT, PolygonBar, bar_rows, stamps
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.paging import next_url
from api.polygon.params import Adjusted, Direction, dotted
from api.warehouse import Warehouse, warehouse_of
from archive.calendar import NEW_YORK
from project.timeframe import Timeframe, resample, window_end, window_start, window_starts

Timespan = Literal["day", "week", "month", "quarter", "year"]

_TIMEFRAMES: dict[Timespan, Timeframe] = {"day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

TimeText = Annotated[
    str,
    Meta(
        description="A date, YYYY-MM-DD, or milliseconds since 1970 UTC; included.",
        examples=["2014-06-01"],
        pattern=r"^(\d{4}-\d{2}-\d{2}|-?\d{1,14})$",
        max_length=16,
    ),
]


class AggsParams(Struct, frozen=True, kw_only=True, rename=dotted):
    """What bars are asked for."""

    ticker: Symbol
    multiplier: Annotated[int, Meta(ge=1, le=1, description="1: other windows are not made here.")]
    timespan: Annotated[Timespan, Meta(description="The window of a bar; intraday bars are not kept here.")]
    from_: TimeText
    to: TimeText
    adjusted: Adjusted = True
    sort: Annotated[Direction, Meta(description="asc: oldest first.")] = "asc"
    limit: Annotated[int, Meta(ge=1, le=50_000, description="Daily bars that go into a page, at most.")] = 5_000
    cursor: Cursor | None = None


class Aggs(Struct, frozen=True):
    """A page of the bars of one ticker."""

    ticker: str
    queryCount: Annotated[int, Meta(description="Daily bars that went in.")]
    resultsCount: int
    adjusted: bool
    results: list[PolygonBar]
    status: str
    request_id: str
    count: int
    next_url: Annotated[str | UnsetType, Meta(description="The next page; left out on the last.")] = UNSET


class _Page(Struct, frozen=True):
    """The daily bars of a page, and the date that the next one begins (or, backwards, ends) with."""

    bars: BarColumns
    following: dt.date | None


async def list_aggs(request: Request, params: AggsParams) -> Response:
    """Answer with a page of bars; an unknown ticker has none."""
    warehouse = warehouse_of(request)
    first, last = _range(params)
    as_of: dt.date | None = warehouse.today() if params.adjusted else None
    if params.cursor is not None:
        following, as_of = decode_cursor(params.cursor, (dt.date, dt.date | None), of=_list_name(params))
        first, last = (following, last) if params.sort == "asc" else (first, following)
    daily = await _daily_bars(warehouse, params, first, last, as_of)
    page = _page(daily, params)
    columns = resample({name: getattr(page.bars, name) for name in BarColumns.__struct_fields__}, _timeframe(params))
    bars = BarColumns(*(columns[name] for name in BarColumns.__struct_fields__))
    if params.sort == "desc":
        bars = bars.take(slice(None, None, -1))
    dates = [_begins(date, params.timespan) for date in bars.sessions.tolist()]
    rows = bar_rows(bars, stamps(dates, MIDNIGHT), repeat(UNSET))
    answer = Aggs(
        ticker=params.ticker,
        queryCount=len(page.bars),
        resultsCount=len(rows),
        adjusted=params.adjusted,
        results=rows,
        status="OK",
        request_id=new_request_id(),
        count=len(rows),
        next_url=UNSET
        if page.following is None
        else next_url(request, encode_cursor(page.following, as_of, of=_list_name(params))),
    )
    return json_answer(answer)


async def _daily_bars(
    warehouse: Warehouse, params: AggsParams, first: dt.date, last: dt.date, as_of: dt.date | None
) -> BarColumns:
    selection = Selection(
        symbol=params.ticker,
        first=first,
        last=last,
        adjusted="splits" if params.adjusted else "none",
        as_of=as_of,
    )
    try:
        return (await read_series(warehouse, selection)).bars
    except UnknownSymbol:
        return no_bars()


def _range(params: AggsParams) -> tuple[dt.date, dt.date]:
    """Return the first and the last date of the windows that are asked for."""
    first, last = _date("from", params.from_), _date("to", params.to)
    if last < first:
        raise InvalidParameter("to", params.to, f"must not be before from, which is {params.from_}")
    return _begins(first, params.timespan), _ends(last, params.timespan)


def _date(name: str, text: str) -> dt.date:
    try:
        if "-" in text[1:]:
            return dt.date.fromisoformat(text)
        return (_EPOCH + dt.timedelta(milliseconds=int(text))).astimezone(NEW_YORK).date()
    except (ValueError, OverflowError) as exc:
        raise InvalidParameter(name, text, "must be a date that exists, YYYY-MM-DD, or milliseconds") from exc


def _begins(date: dt.date, timespan: Timespan) -> dt.date:
    if timespan == "week":
        return date - min(dt.timedelta(days=date.isoweekday() % 7), date - dt.date.min)
    return window_start(date, _TIMEFRAMES[timespan])


def _ends(date: dt.date, timespan: Timespan) -> dt.date:
    if timespan == "week":
        return date + min(dt.timedelta(days=6 - date.isoweekday() % 7), dt.date.max - date)
    return window_end(date, _TIMEFRAMES[timespan])


def _page(daily: BarColumns, params: AggsParams) -> _Page:
    """Return as many bars as the page takes, in whole windows, and one window whatever its length."""
    count, limit = len(daily), params.limit
    if count <= limit:
        return _Page(daily, None)
    # No session is a Sunday, so weeks from Sunday and from Monday part the bars alike.
    starts = window_starts(daily.sessions, _timeframe(params))
    edges = np.flatnonzero(np.append(True, starts[1:] != starts[:-1]))
    if params.sort == "asc":
        fitting = edges[(edges > 0) & (edges <= limit)]
        cut = int(fitting[-1]) if len(fitting) else int(edges[1]) if len(edges) > 1 else count
        return _Page(daily.take(slice(cut)), daily.sessions[cut].item() if cut < count else None)
    fitting = edges[edges >= count - limit]
    cut = int(fitting[0]) if len(fitting) else int(edges[-1])
    return _Page(daily.take(slice(cut, None)), daily.sessions[cut - 1].item() if cut else None)


def _timeframe(params: AggsParams) -> Timeframe:
    return _TIMEFRAMES[params.timespan]


def _list_name(params: AggsParams) -> str:
    return f"aggs {params.ticker} {params.timespan} {params.sort} {params.adjusted}"


OPERATION = Operation(
    path="/v2/aggs/ticker/{ticker:path}/range/{multiplier}/{timespan}/{from}/{to}",
    summary="The bars of one ticker",
    description=(
        "As Polygon's custom bars, from daily bars. Weeks begin on Sunday; from and to are widened to whole windows. "
        "An unknown ticker is answered with no bars."
    ),
    params=AggsParams,
    answer=Aggs,
    example=Aggs(
        "AAPL",
        1,
        1,
        True,
        [PolygonBar(92.7, 93.88, 91.75, 93.7, 75415000.0, 1402286400000, 92.9, 481_233)],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
        1,
    ),
    handle=list_aggs,
    errors=(InvalidParameter("timespan", "minute", "must be one of day, week, month, quarter, year"), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
