"""GET /api/v1/dividends: what the vendor said of dividends, and what is made of it."""

import datetime as dt
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.errors import READ_ERRORS, InvalidParameter, UnknownSymbol
from api.generation import Generation
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.records.event import (
    AppliedOn,
    EndedBy,
    EventParams,
    Flags,
    KnownFrom,
    KnownTo,
    Move,
    StatedBy,
    VendorFactor,
    read_became,
)
from api.records.known_symbol import require_known
from api.records.page import KeysetList, NextCursor, answer_page
from project.factors.factor import DIVIDEND
from sql import load_queries

_QUERIES = load_queries("api_records.sql")
_HAS_DIVIDENDS = _QUERIES["is_symbol_with_dividends"]
_LIST = KeysetList(
    "dividends",
    _QUERIES["dividends_ascending"],
    _QUERIES["dividends_descending"],
    ("ex_dividend_date", "ticker", "vendor_id", "archive_seq"),
    (dt.date, str, str, int),
)


class DividendRow(Struct, frozen=True, gc=False):
    """One version of a dividend: cash per share for whoever held before the ex-date."""

    symbol: str
    ex_date: Annotated[dt.date, Meta(description="The first session without the dividend, as stated.")]
    cash_amount: Annotated[float, Meta(description="Per share, in currency.")]
    currency: str | None
    declaration_date: dt.date | None
    record_date: dt.date | None
    pay_date: dt.date | None
    frequency: Annotated[int | None, Meta(description="Times a year, as the vendor says.")]
    distribution_type: Annotated[str | None, Meta(description="As the vendor calls it.")]
    vendor_id: Annotated[str, Meta(description="The vendor's id, or one made of date and amount.")]
    applied_on: AppliedOn
    price_factor: Annotated[
        float | None,
        Meta(description="What is left of the previous close, as a share of it; null where none is known."),
    ]
    volume_factor: Annotated[float, Meta(description="1: a dividend changes no number of shares.")]
    move: Move
    vendor_factor: VendorFactor
    flags: Flags
    archive_seq: StatedBy
    known_from: KnownFrom
    known_to: KnownTo
    ended_by: EndedBy


class Dividends(Struct, frozen=True):
    """A page of dividends."""

    count: int
    generation: GenerationRef
    next_cursor: NextCursor
    dividends: list[DividendRow]


async def dividends(request: Request, params: EventParams) -> Response:
    """Answer with a page of dividends."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> Dividends:
        return await _read(connection, generation, params)

    return await answer_page(request, "dividends", read)


async def _read(connection: asyncpg.Connection, generation: Generation, params: EventParams) -> Dividends:
    page = await _LIST.page(
        connection,
        params.symbol,
        params.start,
        params.end,
        params.history,
        params.known_at,
        order=params.order,
        limit=params.limit,
        cursor=params.cursor,
    )
    if params.symbol is not None and not page.rows:
        await require_known(connection, params.symbol, _HAS_DIVIDENDS)
    became = await read_became(connection, DIVIDEND, page.rows)
    rows = [
        DividendRow(
            symbol=row["ticker"],
            ex_date=row["ex_dividend_date"],
            cash_amount=row["cash_amount"],
            currency=row["currency"],
            declaration_date=row["declaration_date"],
            record_date=row["record_date"],
            pay_date=row["pay_date"],
            frequency=row["frequency"],
            distribution_type=row["distribution_type"],
            vendor_id=row["vendor_id"],
            applied_on=made.applied_on,
            price_factor=made.price_factor,
            volume_factor=made.volume_factor,
            move=made.move,
            vendor_factor=row["vendor_factor"],
            flags=made.flags,
            archive_seq=row["archive_seq"],
            known_from=row["known_from"],
            known_to=row["known_to"],
            ended_by=row["ended_by"],
        )
        for row, made in zip(page.rows, became, strict=True)
    ]
    return Dividends(len(rows), GenerationRef.of(generation), page.next_cursor, rows)


OPERATION = Operation(
    path="/api/v1/dividends",
    summary="Dividends, as stated and as applied",
    description=(
        "What the vendor says of cash dividends in order of ex-date, and what is made of each: the session from which "
        "it is applied, what it multiplies prices before by, and what is remarkable about it. known_at tells what was "
        "believed at an instant, history all that ever was."
    ),
    params=EventParams,
    answer=Dividends,
    example=Dividends(
        count=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        dividends=[
            DividendRow(
                symbol="AAPL",
                ex_date=dt.date(2014, 5, 8),
                cash_amount=3.29,
                currency="USD",
                declaration_date=dt.date(2014, 4, 23),
                record_date=dt.date(2014, 5, 12),
                pay_date=dt.date(2014, 5, 15),
                frequency=4,
                distribution_type="recurring",
                vendor_id="Ed4f6b2a0c3e1d8f7a9b5c6e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4",
                applied_on=dt.date(2014, 5, 8),
                price_factor=0.9944452,
                volume_factor=1.0,
                move=0.9932,
                vendor_factor=None,
                flags=["unchecked"],
                archive_seq=17,
                known_from=dt.datetime(2026, 11, 21, 7, 4, 12, tzinfo=dt.UTC),
                known_to=None,
                ended_by=None,
            )
        ],
    ),
    handle=dividends,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("start", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="dividends",
)
