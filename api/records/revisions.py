"""GET /api/v1/revisions: what the vendor restated of bars: the values before and after, when, and by which payload."""

import datetime as dt
from collections.abc import Sequence
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
from api.params import FirstDate, Instant, LastDate, Symbol, require_order
from api.records.known_symbol import require_known
from api.records.page import Direction, KeysetList, Limit, NextCursor, answer_page
from project.rows import VALUES
from sql import load_queries

_QUERIES = load_queries("api_records.sql")
_LATER_VALUES = _QUERIES["later_values"]
_VALUES_NOW = _QUERIES["values_now"]
_LIST = KeysetList(
    "revisions",
    _QUERIES["revisions_ascending"],
    _QUERIES["revisions_descending"],
    ("known_to", "superseded_by", "ticker", "session"),
    (dt.datetime, int, str, dt.date),
)

Price = Annotated[float, Meta(description="USD per share, as traded.")]
Vwap = Annotated[float | None, Meta(description="Volume-weighted average price; null where the vendor sent none.")]
Trades = Annotated[float | None, Meta(description="Number of trades; null where the vendor sent none.")]
Shares = Annotated[float, Meta(description="Shares; may have decimals.")]


class RevisionsParams(Struct, frozen=True, kw_only=True):
    """Which restatements are asked for."""

    symbol: Symbol | None = None
    start: FirstDate | None = None
    end: LastDate | None = None
    since: Annotated[Instant, Meta(description="Restated at this instant or later.")] | None = None
    until: Annotated[Instant, Meta(description="Restated before this instant.")] | None = None
    order: Annotated[Direction, Meta(description="By when it was restated, the earliest or the latest first.")] = "desc"
    limit: Limit = 1000
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)
        if self.since is not None and self.until is not None and self.since > self.until:
            bound = f"must not be after until, which is {self.until.isoformat()}"
            raise InvalidParameter("since", self.since.isoformat(), bound)


class RevisionRow(Struct, frozen=True, gc=False):
    """One restatement of a bar: the old values, believed for a time, and the new ones."""

    symbol: str
    session: dt.date
    restated_at: Annotated[dt.datetime, Meta(description="Until when the old values were believed.")]
    superseded_by: Annotated[int, Meta(description="The payload that said the new values: /api/v1/payloads/{seq}.")]
    known_from: Annotated[dt.datetime, Meta(description="Since when the old values were believed.")]
    archive_seq: Annotated[int, Meta(description="The payload that said the old values.")]
    old_open: Price
    old_high: Price
    old_low: Price
    old_close: Price
    old_volume: Shares
    old_vwap: Vwap
    old_trades: Trades
    new_open: Price
    new_high: Price
    new_low: Price
    new_close: Price
    new_volume: Shares
    new_vwap: Vwap
    new_trades: Trades
    changed: Annotated[list[str], Meta(description="The values that differ.")]
    stands: Annotated[
        bool, Meta(description="Whether the new values are believed now; false where they were restated in their turn.")
    ]


class Revisions(Struct, frozen=True):
    """A page of restatements."""

    count: int
    generation: GenerationRef
    next_cursor: NextCursor
    revisions: list[RevisionRow]


async def revisions(request: Request, params: RevisionsParams) -> Response:
    """Answer with a page of restatements."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> Revisions:
        return await _read(connection, generation, params)

    return await answer_page(request, "revisions", read)


async def _read(connection: asyncpg.Connection, generation: Generation, params: RevisionsParams) -> Revisions:
    page = await _LIST.page(
        connection,
        params.symbol,
        params.start,
        params.end,
        params.since,
        params.until,
        order=params.order,
        limit=params.limit,
        cursor=params.cursor,
    )
    if params.symbol is not None and not page.rows:
        await require_known(connection, params.symbol)
    rows = await _with_new_values(connection, page.rows)
    return Revisions(len(rows), GenerationRef.of(generation), page.next_cursor, rows)


async def _with_new_values(connection: asyncpg.Connection, old: Sequence[asyncpg.Record]) -> list[RevisionRow]:
    """Return each restatement with the values that took the place of the old ones: a revision too, or the bar."""
    tickers = [row["ticker"] for row in old]
    sessions = [row["session"] for row in old]
    later = await connection.fetch(_LATER_VALUES, tickers, sessions, [row["superseded_by"] for row in old])
    now = await connection.fetch(_VALUES_NOW, tickers, sessions)
    new = {(row["ticker"], row["session"], row["archive_seq"]): (row, False) for row in later}
    new |= {(row["ticker"], row["session"], row["archive_seq"]): (row, True) for row in now}
    return [_row(row, *new[row["ticker"], row["session"], row["superseded_by"]]) for row in old]


def _row(old: asyncpg.Record, new: asyncpg.Record, stands: bool) -> RevisionRow:
    return RevisionRow(
        symbol=old["ticker"],
        session=old["session"],
        restated_at=old["known_to"],
        superseded_by=old["superseded_by"],
        known_from=old["known_from"],
        archive_seq=old["archive_seq"],
        changed=[name for name in VALUES if old[name] != new[name]],
        stands=stands,
        **{f"old_{name}": old[name] for name in VALUES},
        **{f"new_{name}": new[name] for name in VALUES},
    )


_FETCHED_AT = dt.datetime(2026, 11, 20, 7, 4, 11, tzinfo=dt.UTC)

OPERATION = Operation(
    path="/api/v1/revisions",
    summary="Bars that the vendor restated",
    description=(
        "What the vendor restated, the latest first: the old values with the span in which they were believed and the "
        "payload that said them, and the new values with the payload that restated them. start and end are sessions; "
        "since and until are instants at which it was restated."
    ),
    params=RevisionsParams,
    answer=Revisions,
    example=Revisions(
        count=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        revisions=[
            RevisionRow(
                "AAPL",
                dt.date(2026, 11, 19),
                _FETCHED_AT + dt.timedelta(days=1),
                1020,
                _FETCHED_AT,
                1003,
                *(267.1, 269.4, 265.9, 268.3, 41_003_511.0, 267.9, 512_004.0),
                *(267.1, 269.4, 265.9, 268.3, 41_020_842.0, 267.9, 512_311.0),
                ["volume", "trades"],
                True,
            )
        ],
    ),
    handle=revisions,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("since", "yesterday", "must be an instant with its offset, written YYYY-MM-DDTHH:MM:SSZ"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="revisions",
)
