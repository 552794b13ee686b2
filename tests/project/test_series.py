"""The series: what went before each bar, restated for splits and dividends, and never what comes after it."""

import datetime as dt
import math
from collections.abc import Sequence
from statistics import median

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.factors.factor import DIVIDEND, SPLIT, Factor
from project.rows import Tickers
from project.series import Series, actions_of, series_of
from tests.payloads import FETCHED_AT
from tests.project.columns import SESSIONS, Said, columns, in_order, one_a_session

DAY_BEFORE_ALL = SESSIONS[0] - dt.timedelta(days=1)


def _split(session: dt.date, split_from: float, split_to: float, ticker: str = "AAPL", name: str = "s") -> Factor:
    ratio = split_from / split_to
    return Factor(
        ticker,
        SPLIT,
        name,
        1,
        session,
        session,
        split_from,
        split_to,
        None,
        ratio,
        1.0,
        None,
        None,
        (),
        FETCHED_AT,
        None,
    )


def _dividend(session: dt.date, cash: float, ticker: str = "AAPL") -> Factor:
    return Factor(
        ticker, DIVIDEND, "d", 1, session, session, None, None, cash, None, 1.0, None, None, (), FETCHED_AT, None
    )


def _series(
    said: Sequence[Said], splits: Sequence[Factor] = (), dividends: Sequence[Factor] = (), window: int = 3
) -> Series:
    tickers = Tickers()
    rows = in_order(columns(said, tickers), tickers)
    return series_of(rows, tickers.ranks(), actions_of([*splits, *dividends], tickers), window)


def _gaps(series: Series) -> list[float | None]:
    return [None if math.isnan(gap) else round(gap, 9) for gap in series.gap.tolist()]


def _ratios(series: Series) -> list[float | None]:
    return [None if math.isnan(ratio) else round(ratio, 9) for ratio in series.volume_ratio.tolist()]


def test_a_gap_is_the_open_against_the_previous_close() -> None:
    said = one_a_session("AAPL", [(10.0, 10.0, 10.0, 10.0), (11.0, 11.0, 8.0, 8.0), (8.0, 9.0, 8.0, 9.0)])
    assert _gaps(_series(said)) == [None, 0.1, 0.0]


def test_the_first_bar_of_each_ticker_has_no_gap() -> None:
    said = one_a_session("A", [10.0, 20.0]) + one_a_session("B", [5.0, 5.0])
    assert _gaps(_series(said)) == [None, 1.0, None, 0.0]


def test_missing_sessions_do_not_excuse_a_gap() -> None:
    said = [Said("AAPL", SESSIONS[0], 10.0), Said("AAPL", SESSIONS[40], 15.0)]
    assert _gaps(_series(said)) == [None, 0.5]


@pytest.mark.parametrize("close", [0.0, -1.0])
def test_there_is_no_gap_after_a_close_that_is_not_positive(close: float) -> None:
    assert _gaps(_series(one_a_session("AAPL", [close, 10.0, 10.0]))) == [None, None, 0.0]


def test_a_split_restates_the_previous_close() -> None:
    said = one_a_session("AAPL", [70.0, 10.0, 10.0])
    series = _series(said, [_split(SESSIONS[1], 1, 7)])
    assert _gaps(series) == [None, 0.0, 0.0]
    assert series.acted.tolist() == [False, True, False]


def test_a_reverse_split_restates_the_previous_close() -> None:
    assert _gaps(_series(one_a_session("AAPL", [1.0, 10.0]), [_split(SESSIONS[1], 10, 1)])) == [None, 0.0]


def test_a_dividend_lowers_the_expected_open_by_its_cash() -> None:
    series = _series(one_a_session("AAPL", [10.0, 9.0, 9.0]), (), [_dividend(SESSIONS[1], 1.0)])
    assert _gaps(series) == [None, 0.0, 0.0]
    assert series.acted.tolist() == [False, True, False]


def test_split_and_dividend_of_one_session_count_both_the_cash_in_new_shares() -> None:
    series = _series(one_a_session("AAPL", [20.0, 9.0]), [_split(SESSIONS[1], 1, 2)], [_dividend(SESSIONS[1], 1.0)])
    assert _gaps(series) == [None, 0.0]


def test_two_dividends_of_one_session_add_up() -> None:
    dividends = [_dividend(SESSIONS[1], 1.0), _dividend(SESSIONS[1], 2.0)]
    assert _gaps(_series(one_a_session("AAPL", [10.0, 7.0]), (), dividends)) == [None, 0.0]


@pytest.mark.parametrize(
    "change", [{"applied_on": None}, {"known_to": FETCHED_AT}], ids=["not applied", "no longer believed"]
)
def test_what_is_not_applied_or_no_longer_believed_counts_nowhere(change: dict[str, object]) -> None:
    split = msgspec.structs.replace(_split(SESSIONS[1], 1, 2), **change)
    series = _series(one_a_session("AAPL", [20.0, 20.0]), [split])
    assert (_gaps(series), series.acted.tolist()) == ([None, 0.0], [False, False])


def test_an_action_counts_in_the_session_from_which_it_is_applied() -> None:
    split = msgspec.structs.replace(_split(SESSIONS[2], 1, 2), applied_on=SESSIONS[1])
    series = _series(one_a_session("AAPL", [20.0, 10.0, 10.0]), [split])
    assert (_gaps(series), series.acted.tolist()) == ([None, 0.0, 0.0], [False, True, False])


def test_there_is_no_gap_where_a_dividend_takes_the_whole_price() -> None:
    assert _gaps(_series(one_a_session("AAPL", [10.0, 9.0]), (), [_dividend(SESSIONS[1], 10.0)])) == [None, None]


def test_actions_on_dates_without_a_bar_count_at_the_next_bar() -> None:
    said = [Said("AAPL", SESSIONS[0], 40.0), Said("AAPL", SESSIONS[5], 9.0), Said("AAPL", SESSIONS[6], 9.0)]
    splits = [_split(SESSIONS[2], 1, 2), _split(SESSIONS[3], 1, 2, name="t")]
    series = _series(said, splits, [_dividend(SESSIONS[4], 1.0)])
    assert _gaps(series) == [None, 0.0, 0.0]
    assert series.acted.tolist() == [False, True, False]


def test_actions_before_the_first_bar_and_after_the_last_count_nowhere() -> None:
    splits = [_split(DAY_BEFORE_ALL, 1, 2), _split(SESSIONS[9], 1, 2, name="t")]
    series = _series(one_a_session("AAPL", [10.0, 10.0]), splits)
    assert _gaps(series) == [None, 0.0]
    assert series.acted.tolist() == [False, False]


def test_a_split_on_the_first_bar_itself_is_an_action_of_it() -> None:
    assert _series(one_a_session("AAPL", [10.0]), [_split(SESSIONS[0], 1, 2)]).acted.tolist() == [True]


def test_actions_of_another_ticker_do_not_count() -> None:
    said = one_a_session("BCPC", [10.0, 10.0]) + one_a_session("BCpC", [20.0, 10.0])
    series = _series(said, [_split(SESSIONS[1], 1, 2, "BCpC")], [_dividend(SESSIONS[1], 1.0, "NOBODY")])
    assert _gaps(series) == [None, 0.0, None, 0.0]


def test_a_volume_is_measured_against_the_median_of_the_window_before_it() -> None:
    series = _series(one_a_session("AAPL", [10.0] * 6, [100, 300, 200, 400, 1000, 100]), window=3)
    assert _ratios(series) == [None, None, None, 2.0, round(1000 / 300, 9), 0.25]


@pytest.mark.parametrize("window", [1, 2, 5, 20])
def test_a_volume_needs_a_whole_window_of_its_own_ticker_before_it(window: int) -> None:
    said = one_a_session("A", [10.0] * (window + 2)) + one_a_session("B", [10.0] * (window + 1))
    expected = [None] * window + [1.0] * 2 + [None] * window + [1.0]
    assert _ratios(_series(said, window=window)) == expected


def test_there_is_no_volume_ratio_over_a_median_that_is_not_positive() -> None:
    assert _ratios(_series(one_a_session("AAPL", [10.0] * 4, [0, 0, 500, 100]))) == [None] * 4


def test_volumes_before_a_split_are_counted_in_shares_after_it() -> None:
    series = _series(one_a_session("AAPL", [10.0] * 5, [100, 100, 100, 700, 700]), [_split(SESSIONS[3], 1, 7)])
    assert _ratios(series) == [None, None, None, 1.0, 1.0]


def test_growth_over_several_splits_multiplies() -> None:
    volumes = [10, 10, 10, 70, 280, 280, 28]
    splits = [_split(SESSIONS[3], 1, 7, name="a"), _split(SESSIONS[4], 1, 4, name="b"), _split(SESSIONS[6], 10, 1)]
    series = _series(one_a_session("AAPL", [10.0] * 7, volumes), splits)
    assert _ratios(series) == [None, None, None, 1.0, 1.0, 1.0, 1.0]


def test_growth_starts_anew_with_each_ticker() -> None:
    said = one_a_session("A", [10.0] * 4, [1, 1, 1, 2]) + one_a_session("B", [10.0] * 4)
    assert _ratios(_series(said, [_split(SESSIONS[3], 1, 2, "A")])) == [None, None, None, 1.0] * 2


def test_prices_and_ratios_at_the_edge_of_numbers_give_no_warning() -> None:
    said = one_a_session("AAPL", [1e-300, 1e300, 1e308, 5e-324, 1e308], [1e308, 5e-324, 1e308, 0.0, 1e308])
    splits = [_split(SESSIONS[1], 1e300, 1e-300), _split(SESSIONS[3], 5e-324, 1e308, name="t")]
    series = _series(said, splits, [_dividend(SESSIONS[2], 1e308)], window=1)
    assert len(series.gap) == 5


def test_no_bars_have_no_series() -> None:
    assert len(_series([], [_split(SESSIONS[0], 1, 2)]).gap) == 0


_prices = st.sampled_from([10.0, 10.5, 20.0, 1.0, 0.0, -1.0])
_volumes = st.sampled_from([1000.0, 100.0, 0.0, 5e6, 61436228.189065])
_splits = st.lists(
    st.builds(_split, st.sampled_from(SESSIONS[:25]), st.sampled_from([1.0, 3.0]), st.sampled_from([1.0, 2.0, 7.0])),
    max_size=3,
)
_dividends = st.lists(st.builds(_dividend, st.sampled_from(SESSIONS[:25]), st.sampled_from([0.5, 2.0])), max_size=3)
_bars = st.lists(
    st.builds(Said, st.just("AAPL"), st.sampled_from(SESSIONS[:25]), st.tuples(*[_prices] * 4), _volumes),
    max_size=20,
    unique_by=lambda said: said.session,
).map(lambda said: sorted(said, key=lambda row: row.session))


@given(_bars, _splits, _dividends, st.integers(0, 20), st.integers(1, 5))
def test_what_is_said_of_a_bar_never_changes_when_later_bars_come(
    said: list[Said], splits: list[Factor], dividends: list[Factor], length: int, window: int
) -> None:
    whole = _series(said, splits, dividends, window)
    prefix = _series(said[:length], splits, dividends, window)
    for name in ("gap", "volume_ratio", "acted"):
        np.testing.assert_array_equal(getattr(prefix, name), getattr(whole, name)[:length])


@given(_bars, _splits, _dividends, st.integers(1, 5))
def test_it_agrees_with_the_definition_taken_bar_by_bar(
    said: list[Said], splits: list[Factor], dividends: list[Factor], window: int
) -> None:
    series = _series(said, splits, dividends, window)
    stated = [(split.ex_date, split.price_factor or math.nan) for split in splits]
    for place, bar in enumerate(said):
        since = said[place - 1].session if place else bar.session - dt.timedelta(days=1)
        ratios = [ratio for date, ratio in stated if since < date <= bar.session]
        cash = [dividend.cash or math.nan for dividend in dividends if since < dividend.ex_date <= bar.session]
        assert series.acted[place] == bool(ratios or cash)
        before = said[place - 1].values[3] if place else -1.0
        expected = before * math.prod(ratios) - sum(cash)
        gap = bar.values[0] / expected - 1 if before > 0 and expected > 0 else math.nan
        np.testing.assert_allclose(series.gap[place], gap, rtol=1e-9, atol=1e-12)

        def shares(row: Said) -> float:
            grown = math.prod(1 / ratio for date, ratio in stated if date <= row.session)
            return row.values[4] / grown

        middle = median([shares(row) for row in said[place - window : place]]) if place >= window else 0.0
        volume_ratio = shares(bar) / middle if middle > 0 else math.nan
        np.testing.assert_allclose(series.volume_ratio[place], volume_ratio, rtol=1e-9)
