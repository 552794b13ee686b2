"""GET /api/v1/rejections: the raw rows that cannot be a bar, a split or a dividend, each with every reason."""

import datetime as dt
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor
from api.errors import READ_ERRORS, InvalidParameter, UnknownSymbol
from api.generation import Generation
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.params import FirstDate, LastDate, Symbol, require_order
from api.records.known_symbol import require_known
from api.records.page import Direction, KeysetList, Limit, NextCursor, answer_page
from sql import load_queries

_QUERIES = load_queries("api_records.sql")
_HAS_REJECTIONS = _QUERIES["is_symbol_with_rejections"]
_LIST = KeysetList(
    "rejections",
    _QUERIES["rejections_ascending"],
    _QUERIES["rejections_descending"],
    ("archive_seq", "row_index"),
    (int, int),
)


class RejectionsParams(Struct, frozen=True, kw_only=True):
    """Which rejections are asked for."""

    symbol: Symbol | None = None
    start: FirstDate | None = None
    end: LastDate | None = None
    reason: (
        Annotated[
            str,
            Meta(
                description="One of the reasons, whole: duplicate_key, missing_close, not_a_session …",
                examples=["duplicate_key"],
                max_length=64,
                pattern=r"^\w+$",
            ),
        ]
        | None
    ) = None
    payload: Annotated[int, Meta(ge=1, le=2**63 - 1, description="Rows of this payload only.")] | None = None
    order: Annotated[Direction, Meta(description="By payload and place in it, the oldest or the newest first.")] = (
        "desc"
    )
    limit: Limit = 1000
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class RejectionRow(Struct, frozen=True, gc=False):
    """One raw row that was rejected."""

    archive_seq: Annotated[int, Meta(description="The payload it stands in: /api/v1/payloads/{seq}.")]
    row_index: Annotated[
        int, Meta(description="Its place among the payload's rows, from 0; -1 for the payload as a whole.")
    ]
    symbol: Annotated[
        str | None, Meta(description="As the row has it, control characters escaped; null where it has none.")
    ]
    session: Annotated[dt.date | None, Meta(description="The row's date in New York; null where it has none.")]
    reasons: list[str]
    row_text: Annotated[str, Meta(description="The row as it was sent.")]


class Rejections(Struct, frozen=True):
    """A page of rejections."""

    count: int
    generation: GenerationRef
    next_cursor: NextCursor
    rejections: list[RejectionRow]


async def rejections(request: Request, params: RejectionsParams) -> Response:
    """Answer with a page of rejections."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> Rejections:
        return await _read(connection, generation, params)

    return await answer_page(request, "rejections", read)


async def _read(connection: asyncpg.Connection, generation: Generation, params: RejectionsParams) -> Rejections:
    page = await _LIST.page(
        connection,
        params.symbol,
        params.start,
        params.end,
        params.reason,
        params.payload,
        order=params.order,
        limit=params.limit,
        cursor=params.cursor,
    )
    if params.symbol is not None and not page.rows:
        await require_known(connection, params.symbol, _HAS_REJECTIONS)
    rows = [
        RejectionRow(
            row["archive_seq"],
            row["row_index"],
            row["ticker"],
            row["session"],
            row["reasons"],
            row["row_text"],
        )
        for row in page.rows
    ]
    return Rejections(len(rows), GenerationRef.of(generation), page.next_cursor, rows)


OPERATION = Operation(
    path="/api/v1/rejections",
    summary="Raw rows that were rejected",
    description=(
        "Rows that cannot be a bar, a split or a dividend, the newest first, each as it was sent, with every reason "
        "and its place in its payload. With start or end, rows without a date are left out."
    ),
    params=RejectionsParams,
    answer=Rejections,
    example=Rejections(
        count=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        rejections=[
            RejectionRow(
                archive_seq=981,
                row_index=4417,
                symbol="ZVZZT",
                session=dt.date(2026, 11, 19),
                reasons=["test_ticker"],
                row_text='{"T":"ZVZZT","v":500,"o":10,"c":10,"h":10,"l":10,"t":1795122000000,"n":3}',
            )
        ],
    ),
    handle=rejections,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("payload", "0", "must be a whole number from 1 to 9223372036854775807"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="rejections",
)
