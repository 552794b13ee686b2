"""Split adjustment: exact where it can be, undone where it is asked, and never from the future."""

import datetime as dt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.factors.adjust import (
    SplitFactors,
    adjust_for_dividends,
    adjust_prices,
    adjust_volumes,
    applied_dividend_factors,
    applied_split_factors,
    unadjust_for_dividends,
    unadjust_prices,
    unadjust_volumes,
)
from project.factors.factor import Factor
from tests.project.actions import AT, EX_DATE, Action, closes, dividend, halving, split, weighed
from tests.project.columns import SESSIONS

FIRST, LAST = dt.date(2010, 1, 1), dt.date(2030, 12, 31)
# Four roundings, each of half a unit in the last place.
FOUR_ROUNDINGS = 4 * 2.0**-53

dates = st.dates(FIRST, LAST)
ratios = st.integers(1, 50).map(float) | st.floats(0.01, 50.0)


def a_split(ex_date: dt.date, split_from: float, split_to: float) -> Factor:
    """Return the factor of a split that is applied as stated."""
    [factor] = weighed([split(split_from, split_to, ex_date)], [])
    assert factor.applied_on == ex_date
    return factor


def factors_on(session: dt.date, splits: list[Factor], as_of: dt.date = LAST) -> tuple[float, float]:
    """Return numerator and denominator of one session."""
    factors = applied_split_factors(np.array([session], "datetime64[D]"), splits, as_of)
    return float(factors.numerator[0]), float(factors.denominator[0])


splits = st.lists(st.builds(a_split, dates, ratios, ratios), max_size=8)
# Six decimals is what the vendor sends.
volumes = st.just(0.0) | st.floats(1e-6, 1e12)
series = st.lists(st.tuples(dates, st.floats(0.0001, 1e6), volumes), min_size=1, max_size=40)


@given(splits, dates, series)
def test_adjusting_and_undoing_it_gives_what_was_traded(
    splits: list[Factor], as_of: dt.date, series: list[tuple[dt.date, float, float]]
) -> None:
    sessions, prices, volumes = (np.array(column) for column in zip(*series, strict=True))
    factors = applied_split_factors(sessions.astype("datetime64[D]"), splits, as_of)
    again = unadjust_prices(adjust_prices(prices, factors), factors)
    np.testing.assert_allclose(again, prices, rtol=FOUR_ROUNDINGS, atol=0)
    again = unadjust_volumes(adjust_volumes(volumes, factors), factors)
    np.testing.assert_allclose(again, volumes, rtol=FOUR_ROUNDINGS, atol=0)


@given(splits, dates, dates)
def test_factors_are_the_products_over_the_splits_after_the_session_and_not_after_the_date(
    splits: list[Factor], session: dt.date, as_of: dt.date
) -> None:
    ratios = [split.price_factor or 0.0 for split in splits if session < split.ex_date <= as_of]
    numerator, denominator = factors_on(session, splits, as_of)
    assert numerator / denominator == pytest.approx(np.prod(ratios), rel=1e-12)


@given(splits, dates, st.randoms(use_true_random=False))
def test_the_order_in_which_splits_are_listed_does_not_matter(
    splits: list[Factor], session: dt.date, order: Random
) -> None:
    shuffled = order.sample(splits, len(splits))
    assert factors_on(session, splits) == pytest.approx(factors_on(session, shuffled))


@given(splits, dates, series)
def test_money_traded_is_the_same_in_shares_of_any_date(
    splits: list[Factor], as_of: dt.date, series: list[tuple[dt.date, float, float]]
) -> None:
    sessions, prices, volumes = (np.array(column) for column in zip(*series, strict=True))
    factors = applied_split_factors(sessions.astype("datetime64[D]"), splits, as_of)
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


def test_two_splits_of_one_date_count_both() -> None:
    day = dt.date(2014, 6, 9)
    assert factors_on(FIRST, [a_split(day, 1.0, 7.0), a_split(day, 1.0, 2.0)]) == (1.0, 14.0)


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
    factors = applied_split_factors(np.array([FIRST], "datetime64[D]"), [a_split(LAST, 10.0, 1.0)], LAST)
    assert adjust_prices(np.array([1.5]), factors)[0] == 15.0
    assert adjust_volumes(np.array([1000.0]), factors)[0] == 100.0


def test_no_splits_and_no_sessions_are_no_trouble() -> None:
    assert factors_on(FIRST, []) == (1.0, 1.0)
    assert len(applied_split_factors(np.array([], "datetime64[D]"), [a_split(LAST, 1.0, 7.0)], LAST).numerator) == 0


def test_what_is_not_known_stays_unknown() -> None:
    factors = applied_split_factors(np.array([FIRST], "datetime64[D]"), [a_split(LAST, 1.0, 7.0)], LAST)
    assert np.isnan(adjust_prices(np.array([np.nan]), factors)[0])


# What is weighed against prices: a split and dividends of random dates, some of which the prices deny.
_sessions = st.integers(1, 2 * AT - 1).map(lambda place: SESSIONS[place])
actions = st.lists(
    st.builds(split, st.just(1.0), st.sampled_from([2.0, 1.05, 3.0]), _sessions, name=st.uuids().map(str))
    | st.builds(dividend, st.sampled_from([0.5, 2.0, 30.0]), _sessions, name=st.uuids().map(str)),
    max_size=6,
)


def _factors(stated: list[Action]) -> list[Factor]:
    return weighed(stated, halving())


@given(actions, st.sampled_from(SESSIONS[: 2 * AT]))
def test_adjusting_for_all_that_is_applied_and_undoing_it_gives_what_was_traded(
    stated: list[Action], as_of: dt.date
) -> None:
    sessions = np.array(SESSIONS[: 2 * AT], "datetime64[D]")
    prices = np.linspace(1.0, 200.0, len(sessions))
    factors = _factors(stated)
    for_splits = applied_split_factors(sessions, factors, as_of)
    for_dividends = applied_dividend_factors(sessions, factors, as_of)
    adjusted = adjust_for_dividends(adjust_prices(prices, for_splits), for_dividends)
    again = unadjust_prices(unadjust_for_dividends(adjusted, for_dividends), for_splits)
    np.testing.assert_allclose(again, prices, rtol=1e-14)
    assert adjusted[-1] == prices[-1]


@given(actions, st.sampled_from(SESSIONS[: 2 * AT]))
def test_what_is_not_applied_adjusts_nothing(stated: list[Action], as_of: dt.date) -> None:
    sessions = np.array(SESSIONS[: 2 * AT], "datetime64[D]")
    factors = _factors(stated)
    left = [factor for factor in factors if factor.applied_on is not None]
    for adjust in (applied_dividend_factors, lambda *about: applied_split_factors(*about).denominator):
        assert adjust(sessions, factors, as_of).tolist() == adjust(sessions, left, as_of).tolist()


def test_a_split_is_applied_from_the_session_that_shows_it() -> None:
    factors = _factors([split(1, 2, SESSIONS[AT + 1])])
    sessions = np.array(SESSIONS[AT - 1 : AT + 2], "datetime64[D]")
    assert applied_split_factors(sessions, factors, LAST).denominator.tolist() == [2.0, 1.0, 1.0]
    before = EX_DATE - dt.timedelta(days=1)
    assert applied_split_factors(sessions, factors, before).denominator.tolist() == [1.0, 1.0, 1.0]


def test_dividends_take_their_part_of_every_price_before_them() -> None:
    """By hand: 2 of 100, then 4 of 80; before both, 0.98 × 0.95 of the price is left."""
    said = closes([100.0] * 5 + [80.0] * 5)
    factors = weighed([dividend(2.0, SESSIONS[3], name="a"), dividend(4.0, SESSIONS[8], name="b")], said)
    sessions = np.array([SESSIONS[place] for place in (0, 3, 8)], "datetime64[D]")
    assert applied_dividend_factors(sessions, factors, LAST) == pytest.approx([0.98 * 0.95, 0.95, 1.0])
    assert applied_dividend_factors(sessions, factors, SESSIONS[7]) == pytest.approx([0.98, 1.0, 1.0])


def test_two_dividends_of_one_date_take_what_their_sum_takes() -> None:
    stated = [dividend(2.0, name="a"), dividend(8.0, name="b", kind="special")]
    factors = weighed(stated, closes([100.0] * 40))
    assert applied_dividend_factors(np.array([FIRST], "datetime64[D]"), factors, LAST) == pytest.approx([0.9])


def test_cash_before_which_no_close_is_known_adjusts_nothing() -> None:
    factors = weighed([dividend(2.0)], [])
    assert factors[0].applied_on == EX_DATE
    assert applied_dividend_factors(np.array([FIRST], "datetime64[D]"), factors, LAST).tolist() == [1.0]
