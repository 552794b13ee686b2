"""GET /api/v1/splits: what the vendor said of splits, and what is made of it."""

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
from project.factors.factor import SPLIT
from sql import load_queries

_QUERIES = load_queries("api_records.sql")
_HAS_SPLITS = _QUERIES["is_symbol_with_splits"]
_LIST = KeysetList(
    "splits",
    _QUERIES["splits_ascending"],
    _QUERIES["splits_descending"],
    ("execution_date", "ticker", "vendor_id", "archive_seq"),
    (dt.date, str, str, int),
)


class SplitRow(Struct, frozen=True, gc=False):
    """One version of a split: split_from old shares become split_to new ones on the ex-date."""

    symbol: str
    ex_date: Annotated[dt.date, Meta(description="The first session in new shares, as stated.")]
    split_from: float
    split_to: float
    adjustment_type: Annotated[str | None, Meta(description="As the vendor calls it; null where it does not.")]
    vendor_id: Annotated[str, Meta(description="The vendor's id, or one made of date and ratio.")]
    applied_on: AppliedOn
    price_factor: Annotated[
        float | None, Meta(description="What prices before are multiplied by: split_from / split_to.")
    ]
    volume_factor: Annotated[float, Meta(description="What volumes before are multiplied by.")]
    move: Move
    vendor_factor: VendorFactor
    flags: Flags
    archive_seq: StatedBy
    known_from: KnownFrom
    known_to: KnownTo
    ended_by: EndedBy


class Splits(Struct, frozen=True):
    """A page of splits."""

    count: int
    generation: GenerationRef
    next_cursor: NextCursor
    splits: list[SplitRow]


async def splits(request: Request, params: EventParams) -> Response:
    """Answer with a page of splits."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> Splits:
        return await _read(connection, generation, params)

    return await answer_page(request, "splits", read)


async def _read(connection: asyncpg.Connection, generation: Generation, params: EventParams) -> Splits:
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
        await require_known(connection, params.symbol, _HAS_SPLITS)
    became = await read_became(connection, SPLIT, page.rows)
    rows = [
        SplitRow(
            symbol=row["ticker"],
            ex_date=row["execution_date"],
            split_from=row["split_from"],
            split_to=row["split_to"],
            adjustment_type=row["adjustment_type"],
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
    return Splits(len(rows), GenerationRef.of(generation), page.next_cursor, rows)


OPERATION = Operation(
    path="/api/v1/splits",
    summary="Splits, as stated and as applied",
    description=(
        "What the vendor says of splits in order of ex-date, and what is made of each: the session from which it is "
        "applied, what it multiplies prices and volumes before by, and what is remarkable about it. known_at tells "
        "what was believed at an instant, history all that ever was."
    ),
    params=EventParams,
    answer=Splits,
    example=Splits(
        count=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        splits=[
            SplitRow(
                symbol="AAPL",
                ex_date=dt.date(2014, 6, 9),
                split_from=1.0,
                split_to=7.0,
                adjustment_type="forward_split",
                vendor_id="E90a77bdf742661741ed7c8fc086415f0457c2816c45899d73aaa88bdc8ff6025",
                applied_on=dt.date(2014, 6, 9),
                price_factor=0.14285714285714285,
                volume_factor=7.0,
                move=0.1435,
                vendor_factor=None,
                flags=[],
                archive_seq=16,
                known_from=dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC),
                known_to=None,
                ended_by=None,
            )
        ],
    ),
    handle=splits,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("start", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="splits",
)
