"""Adjustment: the arithmetic between what was traded and what it amounts to in shares of a stated date.

A split factor is kept as a numerator and a denominator, so that a price before a 7-for-1 split is the traded price
divided by 7 and nothing else. Dividends, where they are wanted too, are one factor more. This file knows no database,
no bar and no vendor: dates, splits and dividends in, factors out. Which of them can be believed is decided before they
come here (weigh.py).
"""

import datetime as dt
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from archive.calendar import Days
from project.factors.factor import DIVIDEND, SPLIT, Factor

Floats = npt.NDArray[np.float64]


class SplitFactors(msgspec.Struct, frozen=True):
    """What the splits after each session amount to: ∏split_from and ∏split_to.

    Shape: two arrays as long as the sessions they were made for; 1 and 1 where no split applies.
    """

    numerator: Floats
    denominator: Floats


def applied_split_factors(sessions: Days, factors: Iterable[Factor], as_of: dt.date) -> SplitFactors:
    """Return `split_factors` of those factors that are splits and applied.

    What the prices deny is not applied at all (weigh.py); whether the factors are those of now or of an instant is the
    caller's choice.
    """
    return split_factors(
        sessions,
        [
            (factor.applied_on, factor.split_from, factor.split_to)
            for factor in factors
            if factor.kind == SPLIT
            and factor.applied_on is not None
            and factor.split_from is not None
            and factor.split_to is not None
        ],
        as_of,
    )


def applied_dividend_factors(sessions: Days, factors: Iterable[Factor], as_of: dt.date) -> Floats:
    """Return `dividend_factors` of those factors that are dividends and applied; one that no close is known for has no
    part in it."""
    return dividend_factors(
        sessions,
        [
            (factor.applied_on, factor.price_factor)
            for factor in factors
            if factor.kind == DIVIDEND and factor.applied_on is not None and factor.price_factor is not None
        ],
        as_of,
    )


def split_factors(sessions: Days, splits: Iterable[tuple[dt.date, float, float]], as_of: dt.date) -> SplitFactors:
    """Return for each session (datetime64[D]) the factors of one ticker's splits (applied on, from, to) with
    session < applied on ≤ as_of. An announced split of the future is not applied yet.

    Source: Polygon /v2/aggs `adjusted`: splits only, on prices and volume, with the splits known when asked.
    """
    applied = sorted(split for split in splits if split[0] <= as_of)
    dates = np.array([date for date, _, _ in applied], dtype="datetime64[D]")
    next_split = np.searchsorted(dates, sessions, side="right")
    return SplitFactors(
        _product_from([split_from for _, split_from, _ in applied])[next_split],
        _product_from([split_to for _, _, split_to in applied])[next_split],
    )


def dividend_factors(sessions: Days, dividends: Iterable[tuple[dt.date, float]], as_of: dt.date) -> Floats:
    """Return for each session what its prices are multiplied by for one ticker's dividends (applied on, factor) with
    session < applied on ≤ as_of, beside the splits; 1 where there are none.

    A dividend takes from the price before it the part that the cash was of the last close, so it is the same in
    shares of any date.
    """
    applied = sorted(dividend for dividend in dividends if dividend[0] <= as_of)
    dates = np.array([date for date, _ in applied], dtype="datetime64[D]")
    return _product_from([factor for _, factor in applied])[np.searchsorted(dates, sessions, side="right")]


def adjust_prices(prices: Floats, factors: SplitFactors) -> Floats:
    """Return traded prices per share of the stated date. Units: USD/share; NaN stays NaN."""
    return prices * factors.numerator / factors.denominator


def adjust_for_dividends(prices: Floats, factors: Floats) -> Floats:
    """Return prices less the dividends that came after them; splits are another matter. Units: USD/share."""
    return prices * factors


def unadjust_for_dividends(prices: Floats, factors: Floats) -> Floats:
    """Return the prices behind those less dividends, to within rounding. Units: USD/share."""
    return prices / factors


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
