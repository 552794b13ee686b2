"""GET /v3/reference/splits: splits, as the vendor's older list has them."""

import datetime as dt
from typing import Annotated, Literal

import asyncpg
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.cursor import Cursor
from api.errors import READ_ERRORS, InvalidParameter
from api.generation import Generation
from api.operation import Operation
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.filters import bounds, ticker_filter
from api.polygon.paging import next_url
from api.polygon.params import AfterDate, BeforeDate, Direction, FromDate, OnDate, TickerParams, UntilDate, dotted
from api.polygon.place import Order, Page
from api.polygon.read_splits import DATE, SplitsWanted, read_splits
from api.warehouse import warehouse_of


class SplitsParams(TickerParams, frozen=True, kw_only=True, rename=dotted):
    """Which splits are asked for."""

    execution_date: OnDate | None = None
    execution_date_gt: AfterDate | None = None
    execution_date_gte: FromDate | None = None
    execution_date_lt: BeforeDate | None = None
    execution_date_lte: UntilDate | None = None
    reverse_split: Annotated[bool, Meta(description="Only those that make fewer shares, or only others.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="Rows in a page, at most.")] = 10
    sort: (
        Annotated[Literal["execution_date", "ticker"], Meta(description="Without it, by execution date, newest first.")]
        | None
    ) = None
    order: Annotated[Direction, Meta(description="Without it, asc where sort is given.")] | None = None
    cursor: Cursor | None = None


class PolygonSplit(Struct, frozen=True):
    """`split_from` old shares become `split_to` new ones."""

    id: str
    ticker: str
    execution_date: dt.date
    split_from: float
    split_to: float


class PolygonSplits(Struct, frozen=True):
    """A page of splits."""

    results: list[PolygonSplit]
    status: str
    request_id: str
    next_url: Annotated[str | UnsetType, Meta(description="The next page; left out on the last.")] = UNSET


async def reference_splits(request: Request, params: SplitsParams) -> Response:
    """Answer with a page of splits."""
    wanted = SplitsWanted(
        tickers=ticker_filter(params),
        dates=bounds(params, DATE),
        order=Order("splits", params.sort or DATE, (params.order or ("asc" if params.sort else "desc")) == "desc"),
        limit=params.limit,
        reverse=params.reverse_split,
        cursor=params.cursor,
    )

    async def read(connection: asyncpg.Connection, generation: Generation) -> Page:
        return await read_splits(connection, wanted)

    page = await warehouse_of(request).projection.read(read)
    rows = [
        PolygonSplit(row["vendor_id"], row["ticker"], row["execution_date"], row["split_from"], row["split_to"])
        for row in page.rows
    ]
    following = UNSET if page.following is None else next_url(request, page.following)
    return json_answer(PolygonSplits(rows, "OK", new_request_id(), following))


OPERATION = Operation(
    path="/v3/reference/splits",
    summary="Splits",
    description="As Polygon's older list of splits; those that are believed now.",
    params=SplitsParams,
    answer=PolygonSplits,
    example=PolygonSplits(
        [
            PolygonSplit(
                "E36416cce743c3964c5da63e1ef1626c0aece30fb47302eea5a49c0055c04e8d0", "AAPL", dt.date(2020, 8, 31), 1, 4
            )
        ],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
    ),
    handle=reference_splits,
    errors=(InvalidParameter("limit", "5000", "must be a whole number from 1 to 1000"), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
