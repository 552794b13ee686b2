"""GET /api/v1/bars: the bars of many symbols, or of all, in one range, of any size in the formats that are streamed."""

import datetime as dt
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Annotated

import asyncpg
import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from api.bars.answer import EXAMPLE_COVERAGE, after, date_of, in_order
from api.bars.bar import EXAMPLE_OF_MANY, SymbolBar, read_rule_names, rule_names_of, table_of
from api.bars.columns import BarColumns, columns_of, joined, no_bars
from api.bars.known import read_known
from api.bars.params import MOST_ROWS, SeriesTerms
from api.bars.restate import Actions, Adjustment, actions_of, restated
from api.bars.selection import SERIES, chosen, in_windows, range_of, within
from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, GenerationChanging, InvalidParameter, TooBusy, UnknownSymbol
from api.etag import etag, tagged
from api.formats.answer import answer_rows, answer_stream
from api.formats.representation import Format, representation_of
from api.formats.table import Table
from api.generation import Generation
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.coverage import Coverage, ProjectionMoved, read_coverage
from api.params import FirstDate, LastDate, Symbol, require_order
from api.warehouse import Warehouse, warehouse_of
from archive.calendar import Days
from project.timeframe import Timeframe
from sql import load_queries

_KNOWN = load_queries("api.sql")["known_symbols"]

_AHEAD = 16
_CHUNK_BARS = 32_768
_WHOLE_BARS = 200_000
_PAGE = 10_000
_MOST_KNOWN_AT = 50
_MOST_COVERED = 100
_ATTEMPTS = 16
_GREATEST_SYMBOL = chr(sys.maxunicode)


class ManyParams(SeriesTerms, frozen=True, kw_only=True):
    """What bars of many symbols are asked for."""

    symbols: (
        Annotated[
            list[Symbol],
            Meta(
                description="The symbols, separated by commas; without it, all there are.",
                min_length=1,
                max_length=1000,
                examples=[["AAPL", "KO"]],
            ),
        ]
        | None
    ) = None
    start: FirstDate | None = None
    end: LastDate | None = None
    limit: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MOST_ROWS,
                description="How many bars at most; without it, 10,000 in JSON and all in the other formats.",
            ),
        ]
        | None
    ) = None
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class SymbolCoverage(Struct, frozen=True):
    """What there is of a symbol in the range asked for."""

    symbol: str
    coverage: Coverage


class ManyBars(Struct, frozen=True):
    """Bars of many symbols, symbol after symbol."""

    start: Annotated[dt.date | None, Meta(description="As asked.")]
    end: Annotated[dt.date | None, Meta(description="As asked.")]
    timeframe: Timeframe
    adjusted: Adjustment
    as_of: dt.date | None
    known_at: dt.datetime | None
    count: Annotated[int | None, Meta(description="Bars of this page; null where all are sent, one after the other.")]
    generation: GenerationRef
    coverage: Annotated[
        list[SymbolCoverage] | None,
        Meta(description="Of each symbol of this page in the range, by what is known now; null beyond 100 symbols."),
    ]
    next_cursor: Annotated[str | None, Meta(description="The cursor of the next page; null on the last.")]
    bars: list[SymbolBar]


class _Place(Struct, frozen=True):
    """The last bar of the page before."""

    symbol: str = ""
    session: dt.date | None = None


class _Part(Struct, frozen=True):
    """The bars of one symbol as they are answered; `sessions` as in Series."""

    symbol: str
    sessions: Days
    bars: BarColumns
    rule_names: Mapping[int, str]


async def bars(request: Request, params: ManyParams) -> Response:
    """Answer with the bars of many symbols."""
    warehouse = warehouse_of(request)
    as_of = None if params.adjusted == "none" else params.as_of or warehouse.today()
    if params.symbols is not None:
        await _require_known(warehouse, params.symbols)
    limit = params.limit or (_PAGE if representation_of(request).format is Format.JSON else None)
    if limit is not None:
        return await _answer_page(request, params, as_of, limit)
    generation, parts = await _open(warehouse, params, as_of)
    envelope, headers = _envelope(params, as_of, generation), tagged(etag(request, generation, as_of))
    chunks = _chunks(parts)
    gathered = await _gather(chunks)
    if sum(map(_bars_in, gathered)) < _WHOLE_BARS:
        whole = [part for chunk in gathered for part in chunk]
        return await answer_rows(request, envelope, "bars", _table(whole), headers)
    return await answer_stream(request, envelope, "bars", SymbolBar, _tables(gathered, chunks), headers)


async def _answer_page(request: Request, params: ManyParams, as_of: dt.date | None, limit: int) -> Response:
    """Answer with a page and the coverage of its symbols, both of one state of the projection."""
    warehouse = warehouse_of(request)
    for _ in range(_ATTEMPTS):
        generation, parts = await _open(warehouse, params, as_of)
        async with aclosing(parts):
            page, more = await _page(parts, limit)
        try:
            coverage = await _coverage(warehouse, params, page, generation)
        except ProjectionMoved:
            continue
        table = _table(page)
        envelope = replace(
            _envelope(params, as_of, generation),
            count=len(table),
            coverage=coverage,
            next_cursor=_cursor(params, page, more),
        )
        headers = tagged(etag(request, generation, as_of, coverage))
        return await answer_rows(request, envelope, "bars", table, headers)
    raise GenerationChanging


def _envelope(params: ManyParams, as_of: dt.date | None, generation: Generation) -> ManyBars:
    return ManyBars(
        start=params.start,
        end=params.end,
        timeframe=params.timeframe,
        adjusted=params.adjusted,
        as_of=as_of,
        known_at=params.known_at,
        count=None,
        generation=GenerationRef.of(generation),
        coverage=None,
        next_cursor=None,
        bars=[],
    )


async def _require_known(warehouse: Warehouse, symbols: list[str]) -> None:
    async def read(connection: asyncpg.Connection, generation: Generation) -> set[str]:
        return {row["ticker"] for row in await connection.fetch(_KNOWN, symbols)}

    known = await warehouse.projection.read(read)
    for symbol in symbols:
        if symbol not in known:
            raise UnknownSymbol(symbol, "symbols")


async def _open(
    warehouse: Warehouse, params: ManyParams, as_of: dt.date | None
) -> tuple[Generation, AsyncGenerator[_Part]]:
    """Return the generation and the symbols with their bars, which are read as they are asked for."""
    first, last = range_of(params.start, params.end, params.timeframe)
    if params.known_at is not None:
        return await _known(warehouse, params, as_of, first, last)
    from_symbol, to_symbol = _place(params).symbol, _GREATEST_SYMBOL
    if params.symbols is not None:
        ordered = sorted(params.symbols, key=str.encode)
        from_symbol, to_symbol = max(from_symbol, ordered[0], key=str.encode), ordered[-1]
    stack = AsyncExitStack()
    generation, rows = await stack.enter_async_context(
        warehouse.projection.rows(SERIES, params.symbols, from_symbol, to_symbol, first, last, ahead=_AHEAD)
    )

    async def parts() -> AsyncGenerator[_Part]:
        async with stack:
            async for row in rows:
                if row["ticker"] is not None:
                    daily = columns_of(row)
                    yield _part(params, as_of, row["ticker"], daily, actions_of(row), rule_names_of(row))

    return generation, parts()


async def _known(
    warehouse: Warehouse, params: ManyParams, as_of: dt.date | None, first: dt.date, last: dt.date
) -> tuple[Generation, AsyncGenerator[_Part]]:
    """Return as `_open` does what was known at an instant: of few symbols, since each is judged afresh."""
    symbols, instant, place = params.symbols, params.known_at, _place(params)
    if symbols is None or len(symbols) > _MOST_KNOWN_AT or instant is None:
        raise InvalidParameter("known_at", str(instant), f"needs symbols, and {_MOST_KNOWN_AT} of them at most")

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[Generation, list[_Part]]:
        rule_names = await read_rule_names(connection)
        parts = []
        for symbol in sorted(symbols, key=str.encode):
            if symbol >= place.symbol:
                known = await read_known(connection, generation, symbol, first, last, instant)
                parts.append(_part(params, as_of, symbol, known.bars, known.actions, rule_names))
        return generation, parts

    generation, found = await warehouse.projection.read(read)

    async def parts() -> AsyncGenerator[_Part]:
        for part in found:
            yield part

    return generation, parts()


def _part(
    params: ManyParams,
    as_of: dt.date | None,
    symbol: str,
    daily: BarColumns,
    actions: Actions,
    rule_names: Mapping[int, str],
) -> _Part:
    bars = daily if as_of is None else restated(daily, actions, params.adjusted, as_of)
    bars = in_order(chosen(in_windows(bars, params.timeframe), params), params.order)
    place = _place(params)
    if place.session is not None and symbol == place.symbol:
        bars = after(bars, place.session, params.order)
    return _Part(symbol, within(daily.sessions, params.start, params.end), bars, rule_names)


def _place(params: ManyParams) -> _Place:
    return _Place(*decode_cursor(params.cursor, (str, dt.date), of=_list_name(params))) if params.cursor else _Place()


def _list_name(params: ManyParams) -> str:
    return f"bars {params.timeframe} {params.order}"


async def _page(parts: AsyncIterator[_Part], limit: int) -> tuple[list[_Part], bool]:
    """Return the symbols whose bars make up a page, the last one cut, and whether there are more bars."""
    page: list[_Part] = []
    room = limit
    async for part in parts:
        if len(part.bars) > room:
            return [*page, replace(part, bars=part.bars.take(slice(room)))] if room else page, True
        page.append(part)
        room -= len(part.bars)
    return page, False


def _cursor(params: ManyParams, page: list[_Part], more: bool) -> str | None:
    if not more:
        return None
    last = next(part for part in reversed(page) if len(part.bars))
    return encode_cursor(last.symbol, date_of(last.bars.sessions[-1]), of=_list_name(params))


async def _coverage(
    warehouse: Warehouse, params: ManyParams, page: list[_Part], generation: Generation
) -> list[SymbolCoverage] | None:
    if len(page) > _MOST_COVERED:
        return None
    first, last = params.start or dt.date.min, params.end or dt.date.max
    return [
        SymbolCoverage(
            part.symbol,
            await read_coverage(warehouse, part.symbol, first, last, part.sessions, generation=generation),
        )
        for part in page
    ]


async def _chunks(parts: AsyncGenerator[_Part]) -> AsyncGenerator[list[_Part]]:
    """Yield symbols in lists of some thousand bars."""
    async with aclosing(parts):
        chunk: list[_Part] = []
        async for part in parts:
            chunk.append(part)
            if _bars_in(chunk) >= _CHUNK_BARS:
                yield chunk
                chunk = []
        yield chunk


async def _gather(chunks: AsyncIterator[list[_Part]]) -> list[list[_Part]]:
    """Return as many of the chunks as make up an answer that is sent whole."""
    gathered = []
    bars = 0
    async for chunk in chunks:
        gathered.append(chunk)
        bars += _bars_in(chunk)
        if bars >= _WHOLE_BARS:
            break
    return gathered


async def _tables(gathered: list[list[_Part]], rest: AsyncGenerator[list[_Part]]) -> AsyncGenerator[Table]:
    async with aclosing(rest):
        while gathered:
            yield _table(gathered.pop(0))
        async for chunk in rest:
            yield _table(chunk)


def _bars_in(parts: list[_Part]) -> int:
    return sum(len(part.bars) for part in parts)


def _table(parts: list[_Part]) -> Table:
    if not parts:
        return table_of(no_bars(), {}, np.empty(0, object))
    symbols = np.array([part.symbol for part in parts], object)
    counts = [len(part.bars) for part in parts]
    return table_of(joined([part.bars for part in parts]), parts[0].rule_names, np.repeat(symbols, counts))


OPERATION = Operation(
    path="/api/v1/bars",
    summary="The bars of many symbols",
    description=(
        "Bars as of /historical/{symbol}, of several symbols or of all, in one range, symbol after symbol in byte "
        "order. In JSON a page at a time; in the other formats all of them, streamed where there are many."
    ),
    params=ManyParams,
    answer=ManyBars,
    example=ManyBars(
        start=dt.date(2014, 6, 9),
        end=dt.date(2014, 6, 9),
        timeframe="1d",
        adjusted="none",
        as_of=None,
        known_at=None,
        count=1,
        generation=EXAMPLE_GENERATION,
        coverage=[SymbolCoverage("AAPL", EXAMPLE_COVERAGE)],
        next_cursor=None,
        bars=[EXAMPLE_OF_MANY],
    ),
    handle=bars,
    errors=(
        UnknownSymbol("AAPLX", "symbols"),
        InvalidParameter("start", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        TooBusy(4, "long answers"),
        *READ_ERRORS,
    ),
    tagged=True,
    rows="bars",
)
