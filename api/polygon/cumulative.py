"""Cumulative factors: what a price before a split or dividend is multiplied by for it and all later ones, up to today.

They are worked out from what is applied to our own bars, so that a caller who multiplies an unadjusted price by one
gets the adjusted price that the bar routes serve. The vendor's own, which round to six decimals, are not repeated.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import numpy as np

from project.factors.adjust import dividend_factors, split_factors
from project.factors.factor import DIVIDEND, SPLIT
from sql import load_queries

_APPLIED = load_queries("api_polygon.sql")["applied_factors"]
_ONE_DAY = dt.timedelta(days=1)

Id = tuple[str, str, str]


class Applied(msgspec.Struct, frozen=True):
    """What is applied of some tickers: splits as (date, from, to), dividends as (date, factor), the date of each."""

    splits: Mapping[str, Sequence[tuple[dt.date, float, float]]]
    dividends: Mapping[str, Sequence[tuple[dt.date, float]]]
    dates: Mapping[Id, dt.date]

    def split_factor(self, ticker: str, since: dt.date, today: dt.date) -> float:
        """Return what a price of a date is multiplied by for the splits after it."""
        factors = split_factors(np.array([since], "datetime64[D]"), self.splits.get(ticker, ()), today)
        return float(factors.numerator[0] / factors.denominator[0])

    def dividend_factor(self, ticker: str, since: dt.date, today: dt.date) -> float:
        """Return what a price of a date is multiplied by for the dividends after it."""
        return float(dividend_factors(np.array([since], "datetime64[D]"), self.dividends.get(ticker, ()), today)[0])

    def day_before(self, kind: str, row: Mapping[str, Any], stated: dt.date) -> dt.date:
        """Return the last date before a split or dividend, where it is applied if it is, else as it is stated."""
        return self.dates.get((row["ticker"], kind, row["vendor_id"]), stated) - _ONE_DAY


async def read_applied(connection: asyncpg.Connection, tickers: Iterable[str]) -> Applied:
    """Return what is applied of the splits and dividends of some tickers."""
    splits: dict[str, list[tuple[dt.date, float, float]]] = defaultdict(list)
    dividends: dict[str, list[tuple[dt.date, float]]] = defaultdict(list)
    dates: dict[Id, dt.date] = {}
    for row in await connection.fetch(_APPLIED, sorted(set(tickers))):
        ticker, kind, applied_on = row["ticker"], row["kind"], row["applied_on"]
        dates[ticker, kind, row["vendor_id"]] = applied_on
        if kind == SPLIT:
            splits[ticker].append((applied_on, row["split_from"], row["split_to"]))
        elif kind == DIVIDEND and row["price_factor"] is not None:
            dividends[ticker].append((applied_on, row["price_factor"]))
    return Applied(splits, dividends, dates)
