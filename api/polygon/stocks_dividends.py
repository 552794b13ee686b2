"""GET /stocks/v1/dividends: dividends with what prices before them are multiplied by."""

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
from api.polygon.params import (
    AfterDate,
    AnyOf,
    BeforeDate,
    Count,
    FromDate,
    OnDate,
    Text,
    TickerParams,
    UntilDate,
    dotted,
)
from api.polygon.place import Order, Page
from api.polygon.read_dividends import (
    DATE,
    DividendsWanted,
    distribution_type,
    read_dividends,
    stored_as_distribution_types,
)
from api.warehouse import warehouse_of
from project.factors.factor import DIVIDEND


class StocksDividendsParams(TickerParams, frozen=True, kw_only=True, rename=dotted):
    """Which dividends are asked for."""

    ticker_any_of: AnyOf | None = None
    ex_dividend_date: OnDate | None = None
    ex_dividend_date_gt: AfterDate | None = None
    ex_dividend_date_gte: FromDate | None = None
    ex_dividend_date_lt: BeforeDate | None = None
    ex_dividend_date_lte: UntilDate | None = None
    frequency: Count | None = None
    frequency_gt: Count | None = None
    frequency_gte: Count | None = None
    frequency_lt: Count | None = None
    frequency_lte: Count | None = None
    distribution_type: (
        Annotated[Text, Meta(description="recurring, special, supplemental, irregular or unknown.")] | None
    ) = None
    distribution_type_any_of: AnyOf | None = None
    limit: Annotated[int, Meta(ge=1, le=5000, description="Rows in a page, at most.")] = 100
    sort: Annotated[
        Literal[
            "ticker",
            "ticker.asc",
            "ticker.desc",
            "ex_dividend_date",
            "ex_dividend_date.asc",
            "ex_dividend_date.desc",
            "cash_amount",
            "cash_amount.asc",
            "cash_amount.desc",
        ],
        Meta(description="One field; without a direction, asc."),
    ] = "ticker.asc"
    cursor: Cursor | None = None


class StocksDividend(Struct, frozen=True):
    """Cash per share; what the vendor did not say is left out."""

    id: str
    ticker: str
    ex_dividend_date: dt.date
    cash_amount: Annotated[float, Meta(description="Per share, in the currency.")]
    distribution_type: str
    currency: str | UnsetType = UNSET
    declaration_date: dt.date | UnsetType = UNSET
    record_date: dt.date | UnsetType = UNSET
    pay_date: dt.date | UnsetType = UNSET
    frequency: Annotated[int | UnsetType, Meta(description="Times a year; 0 for once.")] = UNSET
    historical_adjustment_factor: Annotated[
        float | UnsetType,
        Meta(
            description=(
                "What this warehouse multiplies a price before it by, for it and all later dividends up to today; left "
                "out for one still to come."
            )
        ),
    ] = UNSET
    split_adjusted_cash_amount: Annotated[float | UnsetType, Meta(description="Per share of today.")] = UNSET


class StocksDividends(Struct, frozen=True):
    """A page of dividends."""

    results: list[StocksDividend]
    status: str
    request_id: str
    next_url: Annotated[str | UnsetType, Meta(description="The next page; left out on the last.")] = UNSET


async def stocks_dividends(request: Request, params: StocksDividendsParams) -> Response:
    """Answer with a page of dividends."""
    warehouse = warehouse_of(request)
    wanted = DividendsWanted(
        tickers=ticker_filter(params),
        ex_dates=bounds(params, DATE),
        frequencies=bounds(params, "frequency"),
        stored_kinds=stored_as_distribution_types(chosen(params.distribution_type, params.distribution_type_any_of)),
        order=Order.parse("dividends", params.sort),
        limit=params.limit,
        cursor=params.cursor,
    )

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[Page, Applied]:
        page = await read_dividends(connection, wanted)
        return page, await read_applied(connection, (row["ticker"] for row in page.rows))

    page, applied = await warehouse.projection.read(read)
    rows = [_dividend(row, applied, warehouse.today()) for row in page.rows]
    following = UNSET if page.following is None else next_url(request, page.following)
    return json_answer(StocksDividends(rows, "OK", new_request_id(), following))


def _dividend(row: Mapping[str, Any], applied: Applied, today: dt.date) -> StocksDividend:
    names = ("currency", "declaration_date", "record_date", "pay_date", "frequency")
    known: dict[str, Any] = {name: row[name] for name in names if row[name] is not None}
    ticker, date, cash = row["ticker"], row["ex_dividend_date"], row["cash_amount"]
    if date <= today:
        before = applied.day_before(DIVIDEND, row, date)
        known["historical_adjustment_factor"] = applied.dividend_factor(ticker, before, today)
    known["split_adjusted_cash_amount"] = cash * applied.split_factor(ticker, date, today)
    kind = distribution_type(row["distribution_type"])
    return StocksDividend(row["vendor_id"], ticker, date, cash, kind, **known)


OPERATION = Operation(
    path="/stocks/v1/dividends",
    summary="Dividends with their adjustment factors",
    description="As Polygon's list of stock dividends; those that are believed now.",
    params=StocksDividendsParams,
    answer=StocksDividends,
    example=StocksDividends(
        [
            StocksDividend(
                "E8e3c4f794613e9205e2f178a36c53fcc57cdabb55e1988c87b33f9e52e221444",
                "AAPL",
                dt.date(2020, 8, 7),
                0.82,
                "recurring",
                "USD",
                dt.date(2020, 7, 30),
                dt.date(2020, 8, 10),
                dt.date(2020, 8, 13),
                4,
                0.9694,
                0.205,
            )
        ],
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
    ),
    handle=stocks_dividends,
    errors=(InvalidParameter("limit", "50000", "must be a whole number from 1 to 5000"), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
