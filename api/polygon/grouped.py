"""GET /v2/aggs/grouped/locale/us/market/stocks/{date}: the bars of the whole market for one date."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.bars.market_read import read_market
from api.errors import READ_ERRORS
from api.operation import Operation
from api.polygon.bar import CLOSE_OF_SESSION, PolygonBar, bar_rows, new_york_ms
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.errors import BAD_DATE
from api.polygon.params import Adjusted, OnDate
from api.warehouse import warehouse_of


class GroupedParams(Struct, frozen=True, kw_only=True):
    """Which date is asked for."""

    date: OnDate
    adjusted: Adjusted = True


class Grouped(Struct, frozen=True):
    """The bars of one date, in order of ticker."""

    queryCount: int
    resultsCount: int
    adjusted: bool
    results: Annotated[list[PolygonBar], Meta(description="None on a date without a session.")]
    status: str
    request_id: str
    count: int


async def grouped_daily(request: Request, params: GroupedParams) -> Response:
    """Answer with every bar of a date."""
    market = await read_market(warehouse_of(request), params.date, adjusted="splits" if params.adjusted else "none")
    count = len(market.bars)
    # No bar, no instant: a date far from our time may have none.
    stamps = [new_york_ms(params.date, CLOSE_OF_SESSION)] * count if count else []
    rows = bar_rows(market.bars, stamps, market.tickers.tolist())
    return json_answer(Grouped(count, count, params.adjusted, rows, "OK", new_request_id(), count))


OPERATION = Operation(
    path="/v2/aggs/grouped/locale/us/market/stocks/{date}",
    summary="The bars of the whole market for one date",
    description=(
        "As Polygon's daily market summary: every bar there is of the date. Bars traded over the counter are not told "
        "apart, so include_otc changes nothing."
    ),
    params=GroupedParams,
    answer=Grouped,
    example=Grouped(
        1,
        1,
        True,
        [PolygonBar(92.7, 93.88, 91.75, 93.7, 75415000.0, 1402344000000, 92.9, 481_233, "AAPL")],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
        1,
    ),
    handle=grouped_daily,
    errors=(BAD_DATE, *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
