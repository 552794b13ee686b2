"""Split adjustment: the arithmetic between what was traded and what it amounts to in shares of a stated date.

A factor is kept as a numerator and a denominator, so that a price before a 7-for-1 split is the traded price divided
by 7 and nothing else. This file knows no database, no bar and no vendor: dates and splits in, factors out. Which
splits can be believed is decided before they come here.
"""

import datetime as dt
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from archive.calendar import Days
from project.split import Split, distinct_splits

Floats = npt.NDArray[np.float64]


class SplitFactors(msgspec.Struct, frozen=True):
    """What the splits after each session amount to: ∏split_from and ∏split_to.

    Shape: two arrays as long as the sessions they were made for; 1 and 1 where no split applies.
    """

    numerator: Floats
    denominator: Floats


def split_factors(sessions: Days, splits: Iterable[Split], as_of: dt.date) -> SplitFactors:
    """Return for each session (datetime64[D]) the factors of one ticker's splits with session < ex-date ≤ as_of.

    An announced split of the future is not applied. A split that stands twice (same ex-date and ratio under two of
    the vendor's ids) counts once.

    Source: Polygon /v2/aggs `adjusted`: splits only, on prices and volume, with the splits known when asked.
    """
    applied = [split for split in distinct_splits(splits) if split.execution_date <= as_of]
    ex_dates = np.array([split.execution_date for split in applied], dtype="datetime64[D]")
    next_split = np.searchsorted(ex_dates, sessions, side="right")
    return SplitFactors(
        _product_from([split.split_from for split in applied])[next_split],
        _product_from([split.split_to for split in applied])[next_split],
    )


def adjust_prices(prices: Floats, factors: SplitFactors) -> Floats:
    """Return traded prices per share of the stated date. Units: USD/share; NaN stays NaN."""
    return prices * factors.numerator / factors.denominator


def adjust_volumes(volumes: Floats, factors: SplitFactors) -> Floats:
    """Return traded volumes in shares of the stated date. Units: shares; NaN stays NaN."""
    return volumes * factors.denominator / factors.numerator


def unadjust_prices(prices: Floats, factors: SplitFactors) -> Floats:
    """Return the traded prices behind adjusted ones, to within rounding. Units: USD/share."""
    return prices * factors.denominator / factors.numerator


def unadjust_volumes(volumes: Floats, factors: SplitFactors) -> Floats:
    """Return the traded volumes behind adjusted ones, to within rounding. Units: shares."""
    return volumes * factors.numerator / factors.denominator


def _product_from(ratios: list[float]) -> Floats:
    """Return at each place the product of the ratios from there to the end, and 1 after the end."""
    return np.append(np.cumprod(ratios[::-1], dtype=np.float64)[::-1], 1.0)
