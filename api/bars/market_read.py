"""Reading the whole market of one session, in shares of a date."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import replace

from api.bars.bar import rule_names_of
from api.bars.columns import BarColumns, columns_of
from api.bars.restate import PRICES, Adjustment
from api.generation import Generation
from api.warehouse import Warehouse
from project.factors.adjust import SplitFactors, adjust_for_dividends, adjust_prices, adjust_volumes
from project.rows import Floats
from sql import load_queries

_MARKET = load_queries("api.sql")["market"]


class MarketBars(Struct, frozen=True):
    """The bars of a session, of one generation, in byte order of their tickers.

    `is_session` tells whether the exchange traded on the date; `as_of` is None where nothing is adjusted.
    """

    generation: Generation
    is_session: bool
    tickers: npt.NDArray[Any]
    bars: BarColumns
    rule_names: Mapping[int, str]
    as_of: dt.date | None


async def read_market(
    warehouse: Warehouse, session: dt.date, *, adjusted: Adjustment, as_of: dt.date | None = None
) -> MarketBars:
    """Return every bar of a session.

    Raises: READ_ERRORS.
    """
    as_of = None if adjusted == "none" else as_of or warehouse.today()
    generation, row = await warehouse.projection.row(_MARKET, session, as_of, as_of if adjusted == "all" else None)
    tickers, bars = row["tickers"] or [], columns_of(row)
    if row["split_of"] or row["dividend_of"]:
        bars = _restated(tickers, bars, row)
    return MarketBars(generation, row["is_session"], np.array(tickers, object), bars, rule_names_of(row), as_of)


def _restated(tickers: list[str], bars: BarColumns, row: asyncpg.Record) -> BarColumns:
    """Return the bars restated by the splits and dividends of the row, all of which came after the session."""
    place = {ticker: place for place, ticker in enumerate(tickers)}
    numerator, denominator = _products(place, row["split_of"], row["split_on"], row["split_from"], row["split_to"])
    (dividends,) = _products(place, row["dividend_of"], row["dividend_on"], row["dividend_factor"])
    splits = SplitFactors(numerator, denominator)
    prices = {name: adjust_for_dividends(adjust_prices(getattr(bars, name), splits), dividends) for name in PRICES}
    return replace(bars, volume=adjust_volumes(bars.volume, splits), **prices)


def _products(
    place: Mapping[str, int], of: list[str] | None, on: list[dt.date] | None, *parts: list[float] | None
) -> list[Floats]:
    """Return for each ticker, in its place, the product of each part of its actions, 1 where it has none.

    The last action comes first, as for series of bars (project/factors/adjust.py): so both agree to the last bit.
    """
    where = np.array([place.get(ticker, -1) for ticker in of or ()], np.int64)
    dates = np.array(on or (), "datetime64[D]")
    values = [np.array(part or (), np.float64) for part in parts]
    order = np.lexsort((*reversed(values), dates, where))[::-1]
    order = order[where[order] >= 0]
    starts = np.flatnonzero(np.diff(where[order], prepend=-1))
    products = [np.ones(len(place)) for _ in values]
    if len(order):
        for product, value in zip(products, values, strict=True):
            product[where[order[starts]]] = np.multiply.reduceat(value[order], starts)
    return products
