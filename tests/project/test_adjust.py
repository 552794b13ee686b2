"""Split adjustment: exact where it can be, undone where it is asked, and never from the future."""

import datetime as dt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.adjust import (
    SplitFactors,
    adjust_prices,
    adjust_volumes,
    split_factors,
    unadjust_prices,
    unadjust_volumes,
)
from project.split import Split

FIRST, LAST = dt.date(2010, 1, 1), dt.date(2030, 12, 31)
KNOWN_FROM = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
# Four roundings, each of half a unit in the last place.
FOUR_ROUNDINGS = 4 * 2.0**-53

dates = st.dates(FIRST, LAST)
ratios = st.integers(1, 50).map(float) | st.floats(0.01, 50.0)


def a_split(execution_date: dt.date, split_from: float, split_to: float, vendor_id: str = "P1") -> Split:
    return Split("SEVN", vendor_id, execution_date, split_from, split_to, None, archive_seq=1, known_from=KNOWN_FROM)


def factors_on(session: dt.date, splits: list[Split], as_of: dt.date = LAST) -> tuple[float, float]:
    """Return numerator and denominator of one session."""
    factors = split_factors(np.array([session], "datetime64[D]"), splits, as_of)
    return float(factors.numerator[0]), float(factors.denominator[0])


splits = st.lists(st.builds(a_split, dates, ratios, ratios, st.uuids().map(str)), max_size=8)
# Six decimals is what the vendor sends.
volumes = st.just(0.0) | st.floats(1e-6, 1e12)
series = st.lists(st.tuples(dates, st.floats(0.0001, 1e6), volumes), min_size=1, max_size=40)


@given(splits, dates, series)
def test_adjusting_and_undoing_it_gives_what_was_traded(
    splits: list[Split], as_of: dt.date, series: list[tuple[dt.date, float, float]]
) -> None:
    sessions, prices, volumes = (np.array(column) for column in zip(*series, strict=True))
    factors = split_factors(sessions.astype("datetime64[D]"), splits, as_of)
    again = unadjust_prices(adjust_prices(prices, factors), factors)
    np.testing.assert_allclose(again, prices, rtol=FOUR_ROUNDINGS, atol=0)
    again = unadjust_volumes(adjust_volumes(volumes, factors), factors)
    np.testing.assert_allclose(again, volumes, rtol=FOUR_ROUNDINGS, atol=0)


@given(splits, dates, dates)
def test_factors_are_the_products_over_the_splits_after_the_session_and_not_after_the_date(
    splits: list[Split], session: dt.date, as_of: dt.date
) -> None:
    applied = {
        (split.execution_date, split.split_from / split.split_to)
        for split in splits
        if session < split.execution_date <= as_of
    }
    numerator, denominator = factors_on(session, splits, as_of)
    assert numerator / denominator == pytest.approx(np.prod([ratio for _, ratio in applied]), rel=1e-12)


@given(splits, dates, st.randoms(use_true_random=False))
def test_the_order_in_which_splits_are_listed_does_not_matter(
    splits: list[Split], session: dt.date, order: Random
) -> None:
    shuffled = order.sample(splits, len(splits))
    assert factors_on(session, splits) == pytest.approx(factors_on(session, shuffled))


@given(splits, dates, series)
def test_money_traded_is_the_same_in_shares_of_any_date(
    splits: list[Split], as_of: dt.date, series: list[tuple[dt.date, float, float]]
) -> None:
    sessions, prices, volumes = (np.array(column) for column in zip(*series, strict=True))
    factors = split_factors(sessions.astype("datetime64[D]"), splits, as_of)
    adjusted = adjust_prices(prices, factors) * adjust_volumes(volumes, factors)
    np.testing.assert_allclose(adjusted, prices * volumes, rtol=1e-14)


@given(st.floats(0.0001, 1e6))
def test_a_price_before_a_seven_for_one_split_is_exactly_a_seventh(price: float) -> None:
    factors = SplitFactors(*(np.array([each]) for each in factors_on(FIRST, [a_split(dt.date(2014, 6, 9), 1.0, 7.0)])))
    assert adjust_prices(np.array([price]), factors)[0] == price / 7
    assert adjust_volumes(np.array([price]), factors)[0] == price * 7


def test_the_ex_date_itself_trades_in_new_shares() -> None:
    splits = [a_split(dt.date(2014, 6, 9), 1.0, 7.0)]
    assert factors_on(dt.date(2014, 6, 8), splits) == (1.0, 7.0)
    assert factors_on(dt.date(2014, 6, 9), splits) == (1.0, 1.0)


def test_a_split_counts_from_its_own_date_and_not_when_it_is_announced() -> None:
    splits = [a_split(dt.date(2020, 8, 31), 1.0, 4.0)]
    assert factors_on(FIRST, splits, as_of=dt.date(2020, 8, 30)) == (1.0, 1.0)
    assert factors_on(FIRST, splits, as_of=dt.date(2020, 8, 31)) == (1.0, 4.0)


def test_a_split_listed_twice_counts_once_and_two_splits_of_one_date_count_both() -> None:
    day = dt.date(2014, 6, 9)
    assert factors_on(FIRST, [a_split(day, 1.0, 7.0, "P1"), a_split(day, 1.0, 7.0, "P2")]) == (1.0, 7.0)
    assert factors_on(FIRST, [a_split(day, 1.0, 7.0, "P1"), a_split(day, 1.0, 2.0, "P2")]) == (1.0, 14.0)


def test_real_splits_of_apple_multiply() -> None:
    """Hand-checked: 2:1 on 2005-02-28, 7:1 on 2014-06-09 and 4:1 on 2020-08-31 make 56 of one share."""
    splits = [
        a_split(dt.date(2020, 8, 31), 1.0, 4.0),
        a_split(dt.date(2005, 2, 28), 1.0, 2.0),
        a_split(dt.date(2014, 6, 9), 1.0, 7.0),
    ]
    assert factors_on(dt.date(2005, 2, 25), splits) == (1.0, 56.0)
    assert factors_on(dt.date(2014, 6, 6), splits) == (1.0, 28.0)
    assert factors_on(dt.date(2014, 6, 9), splits) == (1.0, 4.0)
    assert factors_on(dt.date(2020, 8, 31), splits) == (1.0, 1.0)


def test_a_reverse_split_raises_prices_and_lowers_volumes() -> None:
    factors = split_factors(np.array([FIRST], "datetime64[D]"), [a_split(LAST, 10.0, 1.0)], LAST)
    assert adjust_prices(np.array([1.5]), factors)[0] == 15.0
    assert adjust_volumes(np.array([1000.0]), factors)[0] == 100.0


def test_no_splits_and_no_sessions_are_no_trouble() -> None:
    assert factors_on(FIRST, []) == (1.0, 1.0)
    assert len(split_factors(np.array([], "datetime64[D]"), [a_split(LAST, 1.0, 7.0)], LAST).numerator) == 0


def test_what_is_not_known_stays_unknown() -> None:
    factors = split_factors(np.array([FIRST], "datetime64[D]"), [a_split(LAST, 1.0, 7.0)], LAST)
    assert np.isnan(adjust_prices(np.array([np.nan]), factors)[0])
