"""GET /v2/aggs/ticker/{ticker}/prev: the newest bar before today."""

import datetime as dt

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.bars.columns import BarColumns, no_bars
from api.bars.selection import Selection, read_series
from api.errors import READ_ERRORS, UnknownSymbol
from api.operation import Operation
from api.params import Symbol
from api.polygon.aggs import Aggs
from api.polygon.bar import CLOSE_OF_SESSION, PolygonBar, bar_rows, stamps
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.params import Adjusted
from api.warehouse import Warehouse, warehouse_of

_ONE_DAY = dt.timedelta(days=1)
_A_WHILE = dt.timedelta(days=14)


class PreviousCloseParams(Struct, frozen=True, kw_only=True):
    """Which ticker is asked for."""

    ticker: Symbol
    adjusted: Adjusted = True


async def previous_close(request: Request, params: PreviousCloseParams) -> Response:
    """Answer with one bar, or none of a ticker that has none."""
    bars = await _newest_before_today(warehouse_of(request), params)
    rows = bar_rows(bars, stamps(bars.sessions.tolist(), CLOSE_OF_SESSION), [params.ticker] * len(bars))
    count = len(rows)
    return json_answer(Aggs(params.ticker, count, count, params.adjusted, rows, "OK", new_request_id(), count))


async def _newest_before_today(warehouse: Warehouse, params: PreviousCloseParams) -> BarColumns:
    yesterday = warehouse.today() - _ONE_DAY
    # Of most tickers it is one of the last days; of one that trades no more, any.
    for first in (yesterday - _A_WHILE, dt.date.min):
        selection = Selection(
            symbol=params.ticker,
            first=first,
            last=yesterday,
            adjusted="splits" if params.adjusted else "none",
        )
        try:
            bars = (await read_series(warehouse, selection)).bars
        except UnknownSymbol:
            break
        if len(bars):
            return bars.take(slice(-1, None))
    return no_bars()


OPERATION = Operation(
    path="/v2/aggs/ticker/{ticker:path}/prev",
    summary="The bar of the session before",
    description="As Polygon's previous day bar: the newest bar before today in New York.",
    params=PreviousCloseParams,
    answer=Aggs,
    example=Aggs(
        "AAPL",
        1,
        1,
        True,
        [PolygonBar(92.7, 93.88, 91.75, 93.7, 75415000.0, 1402344000000, 92.9, 481_233, "AAPL")],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
        1,
    ),
    handle=previous_close,
    errors=READ_ERRORS,
    tags=("Polygon",),
    dialect=POLYGON,
)
