"""GET /v1/open-close/{ticker}/{date}: one bar as a flat object; 404 where there is none, as the vendor has it."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.bars.selection import Selection, read_series
from api.errors import READ_ERRORS, UnknownSymbol
from api.operation import Operation
from api.params import Symbol
from api.polygon.bar import Price
from api.polygon.dialect import POLYGON
from api.polygon.errors import BAD_DATE, DataNotFound
from api.polygon.params import Adjusted, OnDate, dotted
from api.warehouse import warehouse_of


class OpenCloseParams(Struct, frozen=True, kw_only=True):
    """Which bar is asked for."""

    ticker: Symbol
    date: OnDate
    adjusted: Adjusted = True


class OpenClose(Struct, frozen=True, rename=dotted):
    """One bar. Prices before the opening and after the close are not kept here, and so left out."""

    status: str
    from_: Annotated[dt.date, Meta(description="The exchange's trading date.")]
    symbol: str
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Meta(description="Shares; may have decimals.")]


async def open_close(request: Request, params: OpenCloseParams) -> Response:
    """Answer with one bar.

    Raises: DataNotFound.
    """
    selection = Selection(
        symbol=params.ticker,
        first=params.date,
        last=params.date,
        adjusted="splits" if params.adjusted else "none",
    )
    try:
        bars = (await read_series(warehouse_of(request), selection)).bars
    except UnknownSymbol as exc:
        raise DataNotFound from exc
    if not len(bars):
        raise DataNotFound
    values = (getattr(bars, name)[0].item() for name in ("open", "high", "low", "close", "volume"))
    return json_answer(OpenClose("OK", params.date, params.ticker, *values))


OPERATION = Operation(
    path="/v1/open-close/{ticker:path}/{date}",
    summary="One bar as a flat object",
    description="As Polygon's daily ticker summary, without prices before the opening and after the close.",
    params=OpenCloseParams,
    answer=OpenClose,
    example=OpenClose(
        "OK",
        dt.date(2014, 6, 9),
        "AAPL",
        92.7,
        93.88,
        91.75,
        93.7,
        75415000.0,
    ),
    handle=open_close,
    errors=(
        DataNotFound(),
        BAD_DATE,
        *READ_ERRORS,
    ),
    tags=("Polygon",),
    dialect=POLYGON,
)
