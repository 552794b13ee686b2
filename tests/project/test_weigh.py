"""Weighing: what prices show is applied where they show it, what they deny is not, and what they cannot tell holds."""

import datetime as dt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.dividend import Dividend
from project.factors.around import WINDOW_DAYS
from project.factors.factor import Factor, Flag, applied
from project.factors.weigh import REACH_DAYS, weigh
from tests.project.actions import AT, EX_DATE, Action, bars_of, closes, dividend, halving, split, weighed
from tests.project.columns import SESSIONS, Said

DAY = dt.timedelta(days=1)


def _one(action: Action, said: list[Said], *others: Action) -> Factor:
    return weighed([action, *others], said)[0]


def _said(factor: Factor) -> tuple[dt.date | None, tuple[str, ...]]:
    return factor.applied_on, factor.flags


def test_a_split_that_the_prices_show_is_applied() -> None:
    found = _one(split(1, 2), halving())
    assert _said(found) == (EX_DATE, ())
    assert (found.price_factor, found.volume_factor, found.move) == (0.5, 2.0, 0.5)
    assert (found.split_from, found.split_to, found.cash) == (1.0, 2.0, None)


def test_a_reverse_split_is_shown_by_a_rise() -> None:
    found = _one(split(10, 1), halving(after=1020.0))
    assert _said(found) == (EX_DATE, ())
    assert (found.price_factor, found.volume_factor) == (10.0, 0.1)


@pytest.mark.parametrize(
    ("opened_at", "is_shown"),
    [(36.0, True), (35.0, False), (70.0, True), (71.0, False), (100.0, False), (200.0, False)],
)
def test_a_move_shows_a_split_if_it_goes_half_to_one_and_a_half_times_as_far(opened_at: float, is_shown: bool) -> None:
    """Half of ln 2 is a fall to 70.7 of 100, one and a half times is one to 35.4."""
    found = _one(split(1, 2), halving(after=opened_at))
    assert _said(found) == ((EX_DATE, ()) if is_shown else (None, (Flag.CONTRADICTED,)))


def test_the_move_is_from_the_close_before_to_the_open() -> None:
    """Trading on the ex-date itself, however wild, proves and disproves nothing."""
    said = halving()
    said[AT] = Said("AAPL", EX_DATE, (50.0, 120.0, 40.0, 110.0))
    assert _said(_one(split(1, 2), said)) == (EX_DATE, ())


def test_a_split_that_prices_deny_is_not_applied() -> None:
    assert _said(_one(split(1, 2), closes([100.0] * 40))) == (None, (Flag.CONTRADICTED,))


@pytest.mark.parametrize("sessions_off", [-3, -2, -1, 1, 2, 3])
def test_a_split_dated_off_is_applied_from_the_session_that_shows_it(sessions_off: int) -> None:
    found = _one(split(1, 2, SESSIONS[AT + sessions_off]), halving())
    assert _said(found) == (EX_DATE, (Flag.DATED_OFF,))
    assert (found.ex_date, found.move) == (SESSIONS[AT + sessions_off], 1.0)


@pytest.mark.parametrize("sessions_off", [-4, 4])
def test_a_move_farther_away_shows_nothing(sessions_off: int) -> None:
    assert _said(_one(split(1, 2, SESSIONS[AT + sessions_off]), halving())) == (None, (Flag.CONTRADICTED,))


def test_of_two_neighbours_the_one_that_shows_it_better_is_believed() -> None:
    said = closes([100.0] * AT + [69.0] * 2 + [34.5] * 20)
    assert _said(_one(split(1, 2, SESSIONS[AT + 1]), said)) == (SESSIONS[AT + 2], (Flag.DATED_OFF,))


def test_a_neighbour_beyond_the_window_shows_nothing() -> None:
    said = closes([100.0] * (AT + 1)) + closes([50.0] * 10, first=AT + 9)
    assert (said[AT + 1].session - EX_DATE).days > WINDOW_DAYS
    assert _said(_one(split(1, 2), said)) == (None, (Flag.CONTRADICTED,))


def test_a_split_too_small_to_show_is_applied_as_stated() -> None:
    assert _said(_one(split(100, 105), closes([100.0] * 40))) == (EX_DATE, (Flag.UNCHECKED,))


@pytest.mark.parametrize(
    "said",
    [
        [],
        closes([100.0] * AT),
        closes([50.0] * 20, first=AT),
        closes([100.0] * 40, ticker="MSFT"),
        closes([100.0] * 5) + closes([50.0] * 20, first=AT + 10),
    ],
    ids=["no bars", "still to come", "first bar", "another ticker", "no trade for weeks"],
)
def test_without_prices_around_a_split_is_applied_as_stated(said: list[Said]) -> None:
    found = _one(split(1, 2), said)
    assert (_said(found), found.move) == ((EX_DATE, (Flag.UNCHECKED,)), None)


def test_the_bar_before_the_window_counts_however_long_ago_it_was() -> None:
    said = closes([100.0] * 2) + closes([50.0] * 3, first=AT)
    assert _said(_one(split(1, 2), said)) == (EX_DATE, ())


def test_an_ex_date_without_a_bar_is_shown_by_the_next_one() -> None:
    said = [each for each in halving() if each.session != EX_DATE]
    assert _said(_one(split(1, 2), said)) == (EX_DATE, ())


@pytest.mark.parametrize(("split_from", "split_to"), [(10_000.0, 1.0), (2e6, 1.0), (1.0, 10_000.0), (1e308, 1e-308)])
def test_an_absurd_ratio_is_not_taken_on_trust(split_from: float, split_to: float) -> None:
    assert _said(_one(split(split_from, split_to), [])) == (None, (Flag.ABSURD_RATIO, Flag.UNCHECKED))
    denied = _one(split(split_from, split_to), closes([100.0] * 40))
    assert denied.applied_on is None
    assert Flag.ABSURD_RATIO in denied.flags


def test_an_absurd_ratio_that_prices_show_is_applied() -> None:
    said = closes([0.01] * AT + [110.0] * 10)
    assert _said(_one(split(10_000, 1), said)) == (EX_DATE, (Flag.ABSURD_RATIO,))
    assert _said(_one(split(9_999, 1), said)) == (EX_DATE, ())


def test_a_split_under_two_ids_counts_once_and_the_first_to_be_stated_is_the_one() -> None:
    for second in (split(2, 4, name="a", seq=2), split(1, 2, name="t", seq=1)):
        kept, other = weighed([split(1, 2), second], halving())
        assert _said(kept) == (EX_DATE, ())
        assert _said(other) == (None, (Flag.DUPLICATE,))


def test_an_ended_version_is_a_duplicate_only_of_what_was_believed_with_it_to_its_end() -> None:
    first, later = split(seq=1, ended_by=5), split(name="t", seq=6)
    assert [_said(each) for each in weighed([first, later], halving())] == [(EX_DATE, ())] * 2
    ended, stays = split(name="t", seq=2, ended_by=5), split(seq=1)
    assert [_said(each) for each in weighed([stays, ended], halving())] == [(EX_DATE, ()), (None, (Flag.DUPLICATE,))]


def test_what_had_ended_before_is_no_company() -> None:
    ended, later = split(seq=1, ended_by=3), split(name="t", seq=2, ended_by=10)
    assert [_said(each) for each in weighed([ended, later], halving())] == [(EX_DATE, ())] * 2


def test_a_restated_split_is_weighed_without_what_it_replaces() -> None:
    old, new = weighed([split(1, 3, seq=1, ended_by=4), split(1, 2, seq=4)], halving())
    assert _said(new) == (EX_DATE, ())
    assert Flag.CONFLICTING not in old.flags


def test_of_two_splits_on_one_date_the_one_that_prices_show_is_applied() -> None:
    right, wrong = weighed([split(1, 2), split(1, 20, name="t")], halving())
    assert _said(right) == (EX_DATE, (Flag.CONFLICTING,))
    assert _said(wrong) == (None, (Flag.CONFLICTING,))


def test_of_two_splits_on_one_date_both_are_applied_where_prices_show_their_product() -> None:
    found = weighed([split(1, 2), split(1, 3, name="t")], halving(after=100 / 6))
    assert [_said(each) for each in found] == [(EX_DATE, (Flag.CONFLICTING,))] * 2


@pytest.mark.parametrize(
    ("said", "flag"),
    [(closes([100.0] * 40), Flag.CONTRADICTED), ([], Flag.UNCHECKED), (closes([100.0] * AT), Flag.UNCHECKED)],
    ids=["denied", "no bars", "still to come"],
)
def test_of_two_splits_on_one_date_none_is_applied_where_prices_show_neither(said: list[Said], flag: Flag) -> None:
    found = weighed([split(1, 2), split(1, 3, name="t")], said)
    assert [_said(each) for each in found] == [(None, (Flag.CONFLICTING, flag))] * 2


def test_two_conflicting_splits_may_be_dated_off_too() -> None:
    right, wrong = weighed([split(1, 2, EX_DATE + DAY), split(20, 1, EX_DATE + DAY, name="t")], halving())
    assert _said(right) == (EX_DATE, (Flag.CONFLICTING, Flag.DATED_OFF))
    assert wrong.applied_on is None


def test_one_move_shows_one_split_however_many_dates_it_is_stated_for() -> None:
    """As the vendor had DXCM 4:1 on 2022-06-10 and on 2022-06-13, where it was."""
    stated = [split(1, 2, SESSIONS[AT + off], name=f"s{off}") for off in (-1, 0, 2)]
    assert [_said(each) for each in weighed(stated, halving())] == [
        (None, (Flag.DUPLICATE,)),
        (EX_DATE, ()),
        (None, (Flag.DUPLICATE,)),
    ]


def test_of_two_wrong_dates_of_one_split_the_first_stated_is_applied() -> None:
    early, late = split(1, 2, SESSIONS[AT - 1], name="a", seq=2), split(1, 2, SESSIONS[AT + 1], name="b", seq=1)
    assert [_said(each) for each in weighed([early, late], halving())] == [
        (None, (Flag.DUPLICATE,)),
        (EX_DATE, (Flag.DATED_OFF,)),
    ]


def test_a_move_that_shows_a_split_of_its_own_date_shows_no_other_ratio_of_another_date() -> None:
    found = weighed([split(1, 2), split(2, 5, SESSIONS[AT + 1], name="t")], halving())
    assert [_said(each) for each in found] == [(EX_DATE, ()), (None, (Flag.CONTRADICTED,))]


def test_a_date_without_a_session_yields_to_the_session_itself() -> None:
    monday = next(session for session in SESSIONS[AT:] if session.weekday() == 0)
    said = halving(SESSIONS.index(monday))
    found = weighed([split(1, 2, monday - DAY, name="a"), split(1, 2, monday, name="b", seq=2)], said)
    assert [_said(each) for each in found] == [(None, (Flag.DUPLICATE,)), (monday, ())]


def test_what_was_believed_at_another_time_claims_no_move() -> None:
    """The vendor corrects a date: under the same id, one version ends where the other begins."""
    wrong, right = weighed([split(1, 2, EX_DATE + DAY, seq=1, ended_by=3), split(1, 2, seq=3)], halving())
    assert _said(wrong) == (EX_DATE, (Flag.DATED_OFF,))
    assert _said(right) == (EX_DATE, ())


def test_a_dividend_takes_its_part_of_the_close_before() -> None:
    found = _one(dividend(0.5), closes([100.0] * 40))
    assert _said(found) == (EX_DATE, ())
    assert (found.price_factor, found.volume_factor, found.cash, found.split_from) == (0.995, 1.0, 0.5, None)


def test_dividends_of_one_date_add_up() -> None:
    found = weighed([dividend(2.0), dividend(3.0, name="e", kind="special")], closes([100.0] * 40))
    assert [_said(each) for each in found] == [(EX_DATE, ())] * 2
    assert found[0].price_factor * found[1].price_factor == pytest.approx(0.95)  # type: ignore[operator]


def test_a_dividend_under_two_ids_counts_once() -> None:
    kept, other = weighed([dividend(0.5), dividend(0.5, name="e", seq=2)], closes([100.0] * 40))
    assert (kept.applied_on, _said(other)) == (EX_DATE, (None, (Flag.DUPLICATE,)))


def test_a_dividend_of_the_older_route_is_the_same_as_that_of_the_newer() -> None:
    kept, other = weighed([dividend(0.5, kind="CD"), dividend(0.5, name="e")], closes([100.0] * 40))
    assert (kept.applied_on, _said(other)) == (EX_DATE, (None, (Flag.DUPLICATE,)))


def test_as_much_cash_as_the_share_was_worth_is_absurd() -> None:
    said = closes([100.0] * 40)
    assert _said(_one(dividend(100.0), said)) == (None, (Flag.ABSURD_AMOUNT,))
    found = weighed([dividend(15.0), dividend(99.0, name="e", kind="special")], said)
    assert [_said(each) for each in found] == [(EX_DATE, ()), (None, (Flag.ABSURD_AMOUNT,))]
    assert [each.price_factor for each in found] == [0.85, None]


@pytest.mark.parametrize(("currency", "is_applied"), [("USD", True), (None, True), ("CAD", False), ("", False)])
def test_a_price_is_restated_by_cash_in_dollars_only(currency: str | None, is_applied: bool) -> None:
    found = _one(dividend(0.5, currency=currency), closes([100.0] * 40))
    assert _said(found) == ((EX_DATE, ()) if is_applied else (None, (Flag.FOREIGN_CURRENCY,)))


def test_a_dividend_without_a_close_before_is_applied_as_cash_alone() -> None:
    found = _one(dividend(0.5), [])
    assert (_said(found), found.price_factor) == ((EX_DATE, (Flag.UNCHECKED,)), None)


def test_a_close_of_weeks_ago_is_not_the_close_before_a_dividend_that_no_bar_follows() -> None:
    found = _one(dividend(0.5), closes([100.0] * 5))
    assert (_said(found), found.price_factor) == ((EX_DATE, (Flag.UNCHECKED,)), None)


def test_a_dividend_dated_off_takes_its_part_of_the_close_before_the_session_that_shows_it() -> None:
    found = _one(dividend(40.0), closes([100.0] * (AT + 1) + [95.0, 80.0, 40.0]))
    assert _said(found) == (SESSIONS[AT + 3], (Flag.DATED_OFF,))
    assert found.price_factor == pytest.approx(0.5)


def test_a_dividend_still_to_come_is_weighed_by_the_last_close() -> None:
    found = _one(dividend(0.5), closes([100.0] * AT))
    assert (_said(found), found.price_factor) == ((EX_DATE, (Flag.UNCHECKED,)), 0.995)


@pytest.mark.parametrize(
    ("shown_on", "expected"),
    [
        (AT, (EX_DATE, ())),
        (AT + 2, (SESSIONS[AT + 2], (Flag.DATED_OFF,))),
        (AT + 9, (None, (Flag.CONTRADICTED,))),
    ],
    ids=["on its date", "later", "not at all"],
)
def test_a_dividend_large_enough_to_show_is_checked_like_a_split(
    shown_on: int, expected: tuple[dt.date | None, tuple[str, ...]]
) -> None:
    assert _said(_one(dividend(40.0), halving(shown_on, after=61.0))) == expected


def test_only_the_large_dividend_of_a_date_has_to_show() -> None:
    small, large = weighed([dividend(0.5), dividend(40.0, name="e", kind="special")], closes([100.0] * 40))
    assert _said(small) == (EX_DATE, ())
    assert _said(large) == (None, (Flag.CONTRADICTED,))


def test_a_dividend_on_the_date_of_a_split_is_not_checked_by_their_common_move() -> None:
    found = weighed([split(1, 2), dividend(30.0)], halving(after=40.0))
    assert [each.applied_on for each in found] == [EX_DATE, EX_DATE]


@pytest.mark.parametrize(
    ("vendor_factor", "differs"), [(0.5, False), (0.5049, False), (0.506, True), (0.4, True), (None, False)]
)
def test_a_factor_of_the_vendors_that_differs_is_reported_and_changes_nothing(
    vendor_factor: float | None, differs: bool
) -> None:
    found = _one(split(1, 2, vendor_factor=vendor_factor), halving())
    assert _said(found) == (EX_DATE, (Flag.VENDOR_FACTOR_DIFFERS,) * differs)
    assert found.vendor_factor == vendor_factor
    paid = _one(dividend(50.0, vendor_factor=vendor_factor), halving())
    assert _said(paid) == (EX_DATE, (Flag.VENDOR_FACTOR_DIFFERS,) * differs)


def test_the_vendors_factor_of_a_date_is_that_of_all_its_actions() -> None:
    found = weighed([split(1, 2, vendor_factor=1 / 6), split(1, 3, name="t")], halving(after=100 / 6))
    assert [each.flags for each in found] == [(Flag.CONFLICTING,)] * 2
    paid = weighed([dividend(2.0, vendor_factor=0.95), dividend(3.0, name="e")], closes([100.0] * 40))
    assert [each.flags for each in paid] == [(), ()]


def test_nothing_stated_weighs_nothing() -> None:
    assert weigh([], [], *bars_of(closes([1.0] * 3))) == []


# Splits of few ratios and dates, with versions that end, so that all kinds of company come up.
_dates = st.integers(AT - 6, AT + 6).map(lambda place: SESSIONS[place]) | st.just(EX_DATE + 2 * DAY)
_lives = st.sampled_from([(1, None), (2, None), (1, 3), (3, None), (2, 5)])


@st.composite
def _stated(draw: st.DrawFn) -> list[Action]:
    """Draw versions of actions of two tickers, each under an id of its own."""
    found: list[Action] = []
    for number in range(draw(st.integers(1, 6))):
        seq, ended_by = draw(_lives)
        ticker, on = draw(st.sampled_from(["AAPL", "aapl"])), draw(_dates)
        if draw(st.booleans()):
            ratio = draw(st.sampled_from([(1, 2), (2, 4), (1, 3), (10, 1), (100, 105), (20_000, 1)]))
            found.append(split(*ratio, on, ticker=ticker, name=f"s{number}", seq=seq, ended_by=ended_by))
        else:
            cash = draw(st.sampled_from([0.5, 40.0, 200.0]))
            currency = draw(st.sampled_from(["USD", "USD", "CAD"]))
            found.append(
                dividend(cash, on, ticker=ticker, name=f"d{number}", seq=seq, ended_by=ended_by, currency=currency)
            )
    return found


@st.composite
def _bars(draw: st.DrawFn) -> list[Said]:
    """Draw bars of two tickers with a few large moves and holes."""
    said = []
    for ticker in ("AAPL", "aapl"):
        price = 100.0
        for place in range(2 * AT):
            if draw(st.integers(0, 9)) == 0:
                price *= draw(st.sampled_from([0.5, 1 / 3, 10.0, 0.6]))
            if draw(st.integers(0, 9)) > 0:
                said.append(Said(ticker, SESSIONS[place], price))
    return said


@given(_stated(), _bars(), st.randoms(use_true_random=False))
def test_the_order_in_which_actions_and_tickers_come_does_not_matter(
    stated: list[Action], said: list[Said], order: Random
) -> None:
    assert weighed(stated, said) == weighed(stated, order.sample(said, len(said)))
    shuffled = order.sample(stated, len(stated))
    again = dict(zip(map(id, shuffled), weighed(shuffled, said), strict=True))
    assert [again[id(action)] for action in stated] == weighed(stated, said)


@given(_stated(), _bars())
def test_each_ticker_is_weighed_as_if_it_were_alone(stated: list[Action], said: list[Said]) -> None:
    together = weighed(stated, said)
    for ticker in ("AAPL", "aapl"):
        alone = weighed([one for one in stated if one.ticker == ticker], [bar for bar in said if bar.ticker == ticker])
        assert alone == [factor for factor in together if factor.ticker == ticker]


@given(_stated(), _bars(), st.sampled_from([0.01, 3.0, 1000.0]))
def test_bars_out_of_reach_change_no_weight(stated: list[Action], said: list[Said], price: float) -> None:
    """In reach are the bars within the window of an ex-date, and the one before the first of them."""
    first = min(action.judged_from for action in stated) - WINDOW_DAYS * DAY
    last = max(action.judged_from for action in stated) + WINDOW_DAYS * DAY
    others = []
    for ticker in ("AAPL", "aapl"):
        mine = [bar for bar in said if bar.ticker == ticker]
        before = [bar for bar in mine if bar.session < first][-1:]
        others += before + [bar for bar in mine if first <= bar.session <= last]
        others.append(Said(ticker, last + DAY, price))
        others += [Said(ticker, dt.date(2019, 1, 2), price)] * len(before)
    assert weighed(stated, others) == weighed(stated, said)


@given(_stated(), _bars())
def test_actions_out_of_reach_change_no_weight(stated: list[Action], said: list[Said]) -> None:
    on = SESSIONS[AT + 30]
    assert (on - EX_DATE).days > REACH_DAYS + 10
    said = said + halving(after=1.0, ticker="MSFT")
    for ticker in ("AAPL", "aapl"):
        said += closes([100.0] * 10 + [50.0], ticker, first=2 * AT)
    far: list[Action] = [split(1, 2, on, name="far"), split(1, 2, on, ticker="aapl", name="far")]
    found = weighed([*stated, *far, dividend(40.0, on, name="far")], said)
    assert found[: len(stated)] == weighed(stated, said)
    assert found[len(stated)].applied_on == on


@given(_stated(), _bars(), st.integers(1, 6))
def test_stating_a_thing_again_under_another_id_never_applies_it_twice(
    stated: list[Action], said: list[Said], seq: int
) -> None:
    again: list[Action] = []
    for action in stated:
        later = max(seq, action.archive_seq)
        if action.ended_by is None or later < action.ended_by:
            again.append(_restated(action, f"again {action.vendor_id}", later))
    before = [(one.ticker, one.applied_on, one.price_factor) for one in applied(weighed(stated, said))]
    after = [(one.ticker, one.applied_on, one.price_factor) for one in applied(weighed([*stated, *again], said))]
    assert sorted(after, key=str) == sorted(before, key=str)


def _restated(action: Action, name: str, seq: int) -> Action:
    if isinstance(action, Dividend):
        return dividend(
            action.cash_amount,
            action.ex_dividend_date,
            ticker=action.ticker,
            name=name,
            seq=seq,
            ended_by=action.ended_by,
            currency=action.currency,
        )
    return split(
        action.split_from,
        action.split_to,
        action.execution_date,
        ticker=action.ticker,
        name=name,
        seq=seq,
        ended_by=action.ended_by,
    )
