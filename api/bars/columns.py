"""The bars of one symbol as columns: read, and restated for splits. Knows no route and no format of an answer."""

import datetime as dt
from collections.abc import Mapping

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

from project.factors.adjust import Floats, SplitFactors, adjust_prices, adjust_volumes, applied_split_factors
from project.factors.factor import factor_of
from sql import load_queries

_QUERIES = load_queries("api.sql")
_BARS = _QUERIES["bar_columns_between"]
_SPLITS = _QUERIES["applied_splits_of"]
_RULES = _QUERIES["rule_names"]

# Source: PostgreSQL's binary forms; a date is a number of days since 2000-01-01.
_WIRE = {"session": ">i4", "failed_rules": ">i8", "validated": "?"}
_FIRST_DAY = np.datetime64("2000-01-01", "D")

_PRICES = ("open", "high", "low", "close", "vwap")


class BarColumns(msgspec.Struct, frozen=True):
    """Bars of one symbol in order of session, one entry a bar in every column.

    Shape: `sessions` datetime64[D]; `failed_rules` int64 with one bit a rule. Units: prices USD/share, volume shares;
    NaN where there is no value.
    """

    sessions: npt.NDArray[np.datetime64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats
    gap: Floats
    volume_ratio: Floats
    failed_rules: npt.NDArray[np.int64]
    quality_score: Floats
    validated: npt.NDArray[np.bool_]


async def read_bars(
    connection: asyncpg.Connection,
    symbol: str,
    first: dt.date,
    last: dt.date,
    *,
    validated_only: bool,
    min_quality: float,
) -> BarColumns:
    """Return the bars of a symbol as traded, from `first` to `last`, both included."""
    row = await connection.fetchrow(_BARS, symbol, first, last, validated_only, min_quality)
    column = {name: np.frombuffer(values or b"", _WIRE.get(name, ">f8")) for name, values in row.items()}
    return BarColumns(
        sessions=_FIRST_DAY + column.pop("session").astype("timedelta64[D]"),
        failed_rules=column.pop("failed_rules").astype(np.int64),
        validated=column.pop("validated"),
        **{name: values.astype(np.float64) for name, values in column.items()},
    )


async def read_split_factors(
    connection: asyncpg.Connection, symbol: str, bars: BarColumns, as_of: dt.date
) -> SplitFactors:
    """Return the factors that restate a symbol's bars in shares of a date."""
    factors = [factor_of(row) for row in await connection.fetch(_SPLITS, symbol)]
    return applied_split_factors(bars.sessions, factors, as_of)


def adjusted(bars: BarColumns, factors: SplitFactors) -> BarColumns:
    """Return bars with prices and volumes restated for splits; the number of trades and the verdicts stay."""
    prices = {name: adjust_prices(getattr(bars, name), factors) for name in _PRICES}
    return msgspec.structs.replace(bars, volume=adjust_volumes(bars.volume, factors), **prices)


async def read_rule_names(connection: asyncpg.Connection) -> Mapping[int, str]:
    """Return the name of each rule of the generation by its bit in `failed_rules`."""
    return {row["bit"]: row["name"] for row in await connection.fetch(_RULES)}
