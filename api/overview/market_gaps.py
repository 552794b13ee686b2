"""GET /api/v1/gaps: how many sessions of each class every symbol misses.

To count that takes a second for a thousand symbols, so it is done aside, one such reading at a time, and remembered for
as long as neither the projection changes nor another session can be judged.
"""

import datetime as dt
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct, field
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, InvalidParameter, TooBusy
from api.formats.answer import answer_rows
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.calendar import frozen_calendar, newest_judged
from api.overview.gaps import Classes
from api.overview.memory import MarketKey, State, memory_of
from api.overview.reading import Reading, read_remembering
from api.records.aside import Aside, aside_of
from api.records.page import Limit, NextCursor
from api.warehouse import Warehouse, warehouse_of
from archive.calendar import Calendar
from project.gaps.gap_search import Counted, MarketGaps, count_gaps
from project.gaps.gaps import OUTSIDE, GapKind
from project.generation import live_generation
from project.steady import read_steadily

_EVERYTHING = 50_000


class MarketGapsParams(Struct, frozen=True, kw_only=True):
    """Which symbols are asked for."""

    classes: Classes | None = field(default=None, name="class")
    limit: Limit = _EVERYTHING
    cursor: Cursor | None = None


class KnownMarket(Struct, frozen=True):
    """The gaps of every symbol, counted, and the generation that they are of."""

    generation: GenerationRef
    found: MarketGaps


class SymbolMissing(Struct, frozen=True, gc=False):
    """How many sessions of each class a symbol misses."""

    symbol: str
    bars: int
    missing: Annotated[int, Meta(description="Sessions of the classes asked for.")]
    before_listing: int
    after_delisting: int
    no_trade: int
    vendor_hole: int
    rejected: int
    not_fetched: int


class MarketMissing(Struct, frozen=True):
    """What every symbol misses, those that miss most first."""

    calendar_version: str
    judged_up_to: Annotated[
        dt.date, Meta(description="The newest session of which a missing bar can be believed by now.")
    ]
    counts: Annotated[dict[str, int], Meta(description="Sessions of each class, of the symbols on all pages together.")]
    count: int
    total: Annotated[int, Meta(description="How many symbols miss a session of the classes asked for.")]
    generation: GenerationRef
    next_cursor: NextCursor
    symbols: list[SymbolMissing]


async def market_gaps(request: Request, params: MarketGapsParams) -> Response:
    """Answer with what every symbol misses; as time passes more can be judged, so that no tag stands for it."""
    known = await _market(warehouse_of(request), aside_of(request))
    found = known.found
    kinds = frozenset(map(GapKind, params.classes)) if params.classes else frozenset(GapKind) - OUTSIDE
    rows = [row for row in (_row(one, kinds) for one in found.symbols) if row.missing]
    rows.sort(key=lambda row: (-row.missing, row.symbol))
    page, next_cursor = _page(rows, params)
    envelope = MarketMissing(
        calendar_version=found.calendar_version,
        judged_up_to=found.judged_up_to,
        counts={kind.value: sum(getattr(row, kind.value) for row in rows) for kind in GapKind},
        count=len(page),
        total=len(rows),
        generation=known.generation,
        next_cursor=next_cursor,
        symbols=page,
    )
    return await answer_rows(request, envelope, "symbols", page)


async def _market(warehouse: Warehouse, aside: Aside) -> KnownMarket:
    now = warehouse.now()
    memory = memory_of(warehouse.projection)

    async def read(reading: Reading) -> tuple[MarketKey, Calendar]:
        calendar = await frozen_calendar(reading)
        return MarketKey(reading.state, newest_judged(calendar, now)), calendar

    key, calendar = await read_remembering(warehouse.projection, read)
    remembered = memory.markets.get(key)
    if remembered is not None:
        return remembered

    async def count(connection: asyncpg.Connection) -> KnownMarket:
        # Whoever had the turn before may have counted the same.
        counted = memory.markets.get(key)
        if counted is None:
            counted = await read_steadily(connection, lambda: _counted(connection, now, calendar))
        return counted

    known = await aside.read(count)
    state = State(known.generation.generation_id, known.generation.checkpoint)
    return memory.markets.keep(MarketKey(state, known.found.judged_up_to), known)


async def _counted(connection: asyncpg.Connection, now: dt.datetime, calendar: Calendar) -> KnownMarket:
    live, _ = await live_generation(connection)
    ref = GenerationRef(live.generation_id, live.checkpoint, live.ruleset_hash)
    return KnownMarket(ref, await count_gaps(connection, now, calendar))


def _row(counted: Counted, kinds: frozenset[GapKind]) -> SymbolMissing:
    missing = sum(counted.counts[kind] for kind in kinds)
    return SymbolMissing(counted.symbol, counted.bars, missing, *(counted.counts[kind] for kind in GapKind))


def _page(rows: list[SymbolMissing], params: MarketGapsParams) -> tuple[list[SymbolMissing], str | None]:
    of = f"market gaps {','.join(params.classes or ())}"
    if params.cursor is not None:
        missing, symbol = decode_cursor(params.cursor, (int, str), of=of)
        rows = [row for row in rows if (-row.missing, row.symbol) > (-missing, symbol)]
    page = rows[: params.limit]
    last = page[-1] if len(page) < len(rows) else None
    return page, None if last is None else encode_cursor(last.missing, last.symbol, of=of)


OPERATION = Operation(
    path="/api/v1/gaps",
    summary="What every symbol misses",
    description=(
        "How many sessions of each class every symbol misses, those that miss most first. Without class, a symbol that "
        "misses nothing but what was before its listing or after its delisting is left out. The first such request "
        "after a change takes some seconds for the whole market; one is counted at a time."
    ),
    params=MarketGapsParams,
    answer=MarketMissing,
    example=MarketMissing(
        calendar_version="exchange_calendars 4.13.2 XNYS",
        judged_up_to=dt.date(2018, 3, 27),
        counts={kind.value: 53 * (kind is GapKind.VENDOR_HOLE) for kind in GapKind},
        count=1,
        total=1,
        generation=EXAMPLE_GENERATION,
        next_cursor=None,
        symbols=[SymbolMissing("IBM", 1_266, 53, 0, 0, 0, 53, 0, 0)],
    ),
    handle=market_gaps,
    errors=(
        InvalidParameter("limit", "0", "must be a whole number from 1 to 50000"),
        TooBusy(8, "audits"),
        *READ_ERRORS,
    ),
    rows="symbols",
)
