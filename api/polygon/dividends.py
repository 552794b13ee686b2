"""GET /v3/reference/dividends: dividends, as the vendor's older list has them."""

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
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.filters import bounds, ticker_filter
from api.polygon.paging import next_url
from api.polygon.params import (
    AfterDate,
    BeforeDate,
    Cash,
    Count,
    Direction,
    FromDate,
    OnDate,
    TickerParams,
    UntilDate,
    dotted,
)
from api.polygon.place import Order, Page
from api.polygon.read_dividends import DATE, DividendsWanted, dividend_type, read_dividends, stored_as_dividend_type
from api.warehouse import warehouse_of

DividendType = Literal["CD", "SC", "LT", "ST"]


class DividendsParams(TickerParams, frozen=True, kw_only=True, rename=dotted):
    """Which dividends are asked for."""

    ex_dividend_date: OnDate | None = None
    ex_dividend_date_gt: AfterDate | None = None
    ex_dividend_date_gte: FromDate | None = None
    ex_dividend_date_lt: BeforeDate | None = None
    ex_dividend_date_lte: UntilDate | None = None
    record_date: OnDate | None = None
    record_date_gt: AfterDate | None = None
    record_date_gte: FromDate | None = None
    record_date_lt: BeforeDate | None = None
    record_date_lte: UntilDate | None = None
    declaration_date: OnDate | None = None
    declaration_date_gt: AfterDate | None = None
    declaration_date_gte: FromDate | None = None
    declaration_date_lt: BeforeDate | None = None
    declaration_date_lte: UntilDate | None = None
    pay_date: OnDate | None = None
    pay_date_gt: AfterDate | None = None
    pay_date_gte: FromDate | None = None
    pay_date_lt: BeforeDate | None = None
    pay_date_lte: UntilDate | None = None
    cash_amount: Cash | None = None
    cash_amount_gt: Cash | None = None
    cash_amount_gte: Cash | None = None
    cash_amount_lt: Cash | None = None
    cash_amount_lte: Cash | None = None
    frequency: Count | None = None
    dividend_type: (
        Annotated[
            DividendType,
            Meta(description="CD: on a schedule; SC: special; LT, ST: long- and short-term capital gains."),
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="Rows in a page, at most.")] = 10
    sort: (
        Annotated[
            Literal["ex_dividend_date", "pay_date", "declaration_date", "record_date", "cash_amount", "ticker"],
            Meta(description="Without it, by ex-date, newest first."),
        ]
        | None
    ) = None
    order: Annotated[Direction, Meta(description="Without it, asc where sort is given.")] | None = None
    cursor: Cursor | None = None


class PolygonDividend(Struct, frozen=True):
    """Cash per share; what the vendor did not say is left out."""

    id: str
    ticker: str
    ex_dividend_date: dt.date
    cash_amount: Annotated[float, Meta(description="Per share, in the currency.")]
    currency: str | UnsetType = UNSET
    declaration_date: dt.date | UnsetType = UNSET
    record_date: dt.date | UnsetType = UNSET
    pay_date: dt.date | UnsetType = UNSET
    frequency: Annotated[int | UnsetType, Meta(description="Times a year; 0 for once.")] = UNSET
    dividend_type: DividendType | UnsetType = UNSET


class PolygonDividends(Struct, frozen=True):
    """A page of dividends."""

    results: list[PolygonDividend]
    status: str
    request_id: str
    next_url: Annotated[str | UnsetType, Meta(description="The next page; left out on the last.")] = UNSET


async def reference_dividends(request: Request, params: DividendsParams) -> Response:
    """Answer with a page of dividends."""
    wanted = DividendsWanted(
        tickers=ticker_filter(params),
        ex_dates=bounds(params, DATE),
        record_dates=bounds(params, "record_date"),
        declaration_dates=bounds(params, "declaration_date"),
        pay_dates=bounds(params, "pay_date"),
        cash_amounts=bounds(params, "cash_amount"),
        frequencies=bounds(params, "frequency"),
        stored_kinds=stored_as_dividend_type(params.dividend_type),
        order=Order("dividends", params.sort or DATE, (params.order or ("asc" if params.sort else "desc")) == "desc"),
        limit=params.limit,
        cursor=params.cursor,
    )

    async def read(connection: asyncpg.Connection, generation: Generation) -> Page:
        return await read_dividends(connection, wanted)

    page = await warehouse_of(request).projection.read(read)
    following = UNSET if page.following is None else next_url(request, page.following)
    return json_answer(PolygonDividends([_dividend(row) for row in page.rows], "OK", new_request_id(), following))


def _dividend(row: Mapping[str, Any]) -> PolygonDividend:
    names = ("currency", "declaration_date", "record_date", "pay_date", "frequency")
    known: dict[str, Any] = {name: row[name] for name in names} | {
        "dividend_type": dividend_type(row["distribution_type"])
    }
    return PolygonDividend(
        row["vendor_id"],
        row["ticker"],
        row["ex_dividend_date"],
        row["cash_amount"],
        **{name: value for name, value in known.items() if value is not None},
    )


OPERATION = Operation(
    path="/v3/reference/dividends",
    summary="Dividends",
    description="As Polygon's older list of dividends; those that are believed now.",
    params=DividendsParams,
    answer=PolygonDividends,
    example=PolygonDividends(
        [
            PolygonDividend(
                "E8e3c4f794613e9205e2f178a36c53fcc57cdabb55e1988c87b33f9e52e221444",
                "AAPL",
                dt.date(2020, 8, 7),
                0.82,
                "USD",
                dt.date(2020, 7, 30),
                dt.date(2020, 8, 10),
                dt.date(2020, 8, 13),
                4,
                "CD",
            )
        ],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
    ),
    handle=reference_dividends,
    errors=(InvalidParameter("limit", "5000", "must be a whole number from 1 to 1000"), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
