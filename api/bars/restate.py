"""Restating bars: the splits and dividends that are believed now, applied to the bars before them."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from api.bars.columns import BarColumns
from project.factors.adjust import (
    adjust_for_dividends,
    adjust_prices,
    adjust_volumes,
    dividend_factors,
    split_factors,
)

Adjustment = Literal["none", "splits", "all"]

PRICES = ("open", "high", "low", "close", "vwap")


class Actions(Struct, frozen=True):
    """What restates the bars of one ticker: splits as (applied on, from, to), dividends as (applied on, factor)."""

    splits: list[tuple[dt.date, float, float]]
    dividends: list[tuple[dt.date, float]]


def actions_of(row: Mapping[str, Any]) -> Actions:
    """Return the actions of a row of series_of (sql/generation.sql)."""
    return Actions(
        list(zip(row["split_on"] or (), row["split_from"] or (), row["split_to"] or (), strict=True)),
        [
            (date, factor)
            for date, factor in zip(row["dividend_on"] or (), row["dividend_factor"] or (), strict=True)
            if factor is not None
        ],
    )


def restated(bars: BarColumns, actions: Actions, adjustment: Adjustment, as_of: dt.date) -> BarColumns:
    """Return the bars of one ticker in shares of a date; the number of trades and the verdicts stay as they are.

    Dividends lower prices only: as many shares change hands with one as without.
    """
    if adjustment == "none" or not _any_applies(actions, adjustment, as_of):
        return bars
    splits = split_factors(bars.sessions, actions.splits, as_of)
    prices = {name: adjust_prices(getattr(bars, name), splits) for name in PRICES}
    if adjustment == "all":
        dividends = dividend_factors(bars.sessions, actions.dividends, as_of)
        prices = {name: adjust_for_dividends(values, dividends) for name, values in prices.items()}
    return replace(bars, volume=adjust_volumes(bars.volume, splits), **prices)


def _any_applies(actions: Actions, adjustment: Adjustment, as_of: dt.date) -> bool:
    dates: Iterable[tuple[Any, ...]] = actions.splits
    if adjustment == "all":
        dates = [*actions.splits, *actions.dividends]
    return any(action[0] <= as_of for action in dates)
