"""A selection: which bars of a symbol are meant and in what terms, and reading them as one series."""

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from api.bars.bar import rule_names_of
from api.bars.columns import BarColumns, columns_of
from api.bars.known import read_known
from api.bars.restate import Actions, Adjustment, actions_of, restated
from api.errors import UnknownSymbol
from api.generation import Generation
from api.warehouse import Warehouse
from archive.calendar import Days
from project.timeframe import Timeframe, resample, window_end, window_start
from sql import load_queries

SERIES = load_queries("api.sql")["series"]


class Selection(Struct, frozen=True, kw_only=True):
    """Bars of a symbol from `first` to `last`, both included.

    `as_of` is the date in whose shares prices are told, today where it is None. `known_at` asks for what was believed
    at an instant.
    """

    symbol: str
    first: dt.date = dt.date.min
    last: dt.date = dt.date.max
    adjusted: Adjustment = "splits"
    as_of: dt.date | None = None
    known_at: dt.datetime | None = None
    timeframe: Timeframe = "1d"
    validated_only: bool = False
    min_quality: float = 0.0


class Filters(Protocol):
    """What says which bars are left out."""

    @property
    def validated_only(self) -> bool: ...
    @property
    def min_quality(self) -> float: ...


class SymbolStatus(Struct, frozen=True):
    """What there is of a symbol: its bars, and from when until when; the sessions are None where it has none."""

    first_session: dt.date | None
    last_session: dt.date | None
    bars: int
    rejections: int


class Series(Struct, frozen=True):
    """The bars of one symbol, all of one generation.

    `sessions` are those of all its daily bars in the range asked for, whatever was left out or drawn together since.
    `as_of` is None where nothing is adjusted.
    """

    generation: Generation
    status: SymbolStatus
    sessions: Days
    bars: BarColumns
    rule_names: Mapping[int, str]
    as_of: dt.date | None


def range_of(start: dt.date | None, end: dt.date | None, timeframe: Timeframe) -> tuple[dt.date, dt.date]:
    """Return the days of the whole windows that a range touches; None is no bound."""
    return window_start(start or dt.date.min, timeframe), window_end(end or dt.date.max, timeframe)


async def read_series(warehouse: Warehouse, selection: Selection) -> Series:
    """Return the bars of a selection, which may be none.

    Raises: UnknownSymbol for one that no payload ever spoke of; READ_ERRORS.
    """
    as_of = None if selection.adjusted == "none" else selection.as_of or warehouse.today()
    first, last = range_of(selection.first, selection.last, selection.timeframe)
    generation, row = await warehouse.projection.row(
        SERIES, [selection.symbol], selection.symbol, selection.symbol, first, last
    )
    if row["ticker"] is None:
        raise UnknownSymbol(selection.symbol)
    daily, actions = columns_of(row), actions_of(row)
    if selection.known_at is not None:
        generation, daily, actions = await _read_known(warehouse, selection, first, last)
    bars = daily if as_of is None else restated(daily, actions, selection.adjusted, as_of)
    return Series(
        generation,
        SymbolStatus(row["first_session"], row["last_session"], row["bars"], row["rejections"]),
        within(daily.sessions, selection.first, selection.last),
        chosen(in_windows(bars, selection.timeframe), selection),
        rule_names_of(row),
        as_of,
    )


async def _read_known(
    warehouse: Warehouse, selection: Selection, first: dt.date, last: dt.date
) -> tuple[Generation, BarColumns, Actions]:
    assert selection.known_at is not None
    instant = selection.known_at

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[Generation, BarColumns, Actions]:
        known = await read_known(connection, generation, selection.symbol, first, last, instant)
        return generation, known.bars, known.actions

    return await warehouse.projection.read(read)


def within(sessions: Days, start: dt.date | None, end: dt.date | None) -> Days:
    """Return those of ordered sessions that a range asks for, of whole windows only those; None is no bound."""
    first, last = np.datetime64(start or dt.date.min), np.datetime64(end or dt.date.max)
    return sessions[np.searchsorted(sessions, first) : np.searchsorted(sessions, last, side="right")]


def in_windows(bars: BarColumns, timeframe: Timeframe) -> BarColumns:
    """Return the bars of one ticker drawn together into those of a timeframe."""
    if timeframe == "1d":
        return bars
    columns = resample({name: getattr(bars, name) for name in BarColumns.__struct_fields__}, timeframe)
    return BarColumns(*(columns[name] for name in BarColumns.__struct_fields__))


def chosen(bars: BarColumns, filters: Filters) -> BarColumns:
    """Return the bars that are not to be left out."""
    if not filters.validated_only and filters.min_quality <= 0:
        return bars
    return bars.take(is_chosen(bars, filters))


def is_chosen(bars: BarColumns, filters: Filters) -> npt.NDArray[np.bool_]:
    """Tell for each bar whether it is not to be left out."""
    kept = bars.quality_score >= filters.min_quality
    return kept & bars.validated if filters.validated_only else kept
