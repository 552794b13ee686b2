"""A selection: which bars of a symbol are meant and in what terms, and reading them as one series."""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

import asyncpg
from msgspec import Struct

from api.bars.columns import BarColumns, adjusted, read_bars, read_rule_names, read_split_factors
from api.bars.symbol_status import SymbolStatus, read_status
from api.generation import Generation
from api.warehouse import Warehouse

Adjustment = Literal["none", "splits", "all"]
Timeframe = Literal["1d", "1w", "1mo", "1q", "1y"]


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


class Series(Struct, frozen=True):
    """The bars of one symbol, all of one generation. `as_of` is None where nothing is adjusted."""

    generation: Generation
    status: SymbolStatus
    bars: BarColumns
    rule_names: Mapping[int, str]
    as_of: dt.date | None


async def read_series(warehouse: Warehouse, selection: Selection) -> Series:
    """Return the bars of a selection, which may be none.

    Raises: UnknownSymbol; READ_ERRORS.
    """
    as_of = None if selection.adjusted == "none" else selection.as_of or warehouse.today()

    async def read(connection: asyncpg.Connection, generation: Generation) -> Series:
        status = await read_status(connection, selection.symbol)
        bars = await read_bars(
            connection,
            selection.symbol,
            selection.first,
            selection.last,
            validated_only=selection.validated_only,
            min_quality=selection.min_quality,
        )
        if as_of is not None and len(bars.sessions):
            bars = adjusted(bars, await read_split_factors(connection, selection.symbol, bars, as_of))
        return Series(generation, status, bars, await read_rule_names(connection), as_of)

    return await warehouse.projection.read(read)
