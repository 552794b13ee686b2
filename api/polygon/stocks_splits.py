"""GET /stocks/v1/splits: splits with their kind and what prices before them are multiplied by."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import asyncpg
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.cursor import Cursor
from api.errors import READ_ERRORS, InvalidParameter
from api.generation import Generation
from api.operation import Operation
from api.polygon.cumulative import Applied, read_applied
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.filters import bounds, chosen, ticker_filter
from api.polygon.paging import next_url
from api.polygon.params import AfterDate, AnyOf, BeforeDate, FromDate, OnDate, Text, TickerParams, UntilDate, dotted
from api.polygon.place import Order, Page
from api.polygon.read_splits import DATE, SplitsWanted, read_splits
from api.warehouse import warehouse_of
from project.factors.factor import SPLIT


class StocksSplitsParams(TickerParams, frozen=True, kw_only=True, rename=dotted):
    """Which splits are asked for."""

    ticker_any_of: AnyOf | None = None
    execution_date: OnDate | None = None
    execution_date_gt: AfterDate | None = None
    execution_date_gte: FromDate | None = None
    execution_date_lt: BeforeDate | None = None
    execution_date_lte: UntilDate | None = None
    adjustment_type: Annotated[Text, Meta(description="forward_split, reverse_split or stock_dividend.")] | None = None
    adjustment_type_any_of: AnyOf | None = None
    limit: Annotated[int, Meta(ge=1, le=5000, description="Rows in a page, at most.")] = 100
    sort: Annotated[
        Literal["execution_date", "execution_date.asc", "execution_date.desc", "ticker", "ticker.asc", "ticker.desc"],
        Meta(description="One field; without a direction, asc."),
    ] = "execution_date.desc"
    cursor: Cursor | None = None


class StocksSplit(Struct, frozen=True):
    """`split_from` old shares become `split_to` new ones."""

    id: str
    ticker: str
    execution_date: dt.date
    split_from: float
    split_to: float
    adjustment_type: Annotated[
        str, Meta(description="As the vendor says, else forward_split or reverse_split by the ratio.")
    ]
    historical_adjustment_factor: Annotated[
        float | UnsetType,
        Meta(
            description=(
                "What this warehouse multiplies a price before it by, for it and all later splits up to today; left "
                "out for one still to come."
            )
        ),
    ] = UNSET


class StocksSplits(Struct, frozen=True):
    """A page of splits."""

    results: list[StocksSplit]
    status: str
    request_id: str
    next_url: Annotated[str | UnsetType, Meta(description="The next page; left out on the last.")] = UNSET


async def stocks_splits(request: Request, params: StocksSplitsParams) -> Response:
    """Answer with a page of splits."""
    warehouse = warehouse_of(request)
    wanted = SplitsWanted(
        tickers=ticker_filter(params),
        dates=bounds(params, DATE),
        order=Order.parse("splits", params.sort),
        limit=params.limit,
        kinds=chosen(params.adjustment_type, params.adjustment_type_any_of),
        cursor=params.cursor,
    )

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[Page, Applied]:
        page = await read_splits(connection, wanted)
        return page, await read_applied(connection, (row["ticker"] for row in page.rows))

    page, applied = await warehouse.projection.read(read)
    rows = [_split(row, applied, warehouse.today()) for row in page.rows]
    following = UNSET if page.following is None else next_url(request, page.following)
    return json_answer(StocksSplits(rows, "OK", new_request_id(), following))


def _split(row: Mapping[str, Any], applied: Applied, today: dt.date) -> StocksSplit:
    ticker, date = row["ticker"], row["execution_date"]
    factor: float | UnsetType = UNSET
    if date <= today:
        factor = applied.split_factor(ticker, applied.day_before(SPLIT, row, date), today)
    return StocksSplit(row["vendor_id"], ticker, date, row["split_from"], row["split_to"], row["kind"], factor)


OPERATION = Operation(
    path="/stocks/v1/splits",
    summary="Splits with their adjustment factors",
    description="As Polygon's list of stock splits; those that are believed now.",
    params=StocksSplitsParams,
    answer=StocksSplits,
    example=StocksSplits(
        [
            StocksSplit(
                "E36416cce743c3964c5da63e1ef1626c0aece30fb47302eea5a49c0055c04e8d0",
                "AAPL",
                dt.date(2020, 8, 31),
                1,
                4,
                "forward_split",
                0.25,
            )
        ],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
    ),
    handle=stocks_splits,
    errors=(InvalidParameter("limit", "50000", "must be a whole number from 1 to 5000"), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
