"""The vendor's cumulative factors taken apart: what each date does on its own, and no guess where pages cut."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.decode_actions import decode_dividends, decode_splits
from project.factors.vendor_factor import Page, Stated, own_factors
from tests.payloads import Row, as_payload, dividend, dividends_response, split, splits_response

GIVEN_ON = dt.date(2024, 7, 1)
WHOLE = Page(is_first=True, is_last=True, given_on=GIVEN_ON)
FIRST = Page(is_first=True, is_last=False, given_on=GIVEN_ON)
MIDDLE = Page(is_first=False, is_last=False, given_on=GIVEN_ON)
# AAPL by hand: 2:1 in 2005, 7:1 in 2014 and 4:1 in 2020 make 56 of one share; six decimals as the vendor rounds.
AAPL = [
    Stated("AAPL", dt.date(2005, 2, 28), 0.017857),
    Stated("AAPL", dt.date(2014, 6, 9), 0.035714),
    Stated("AAPL", dt.date(2020, 8, 31), 0.25),
]
MSFT = [Stated("MSFT", dt.date(2003, 2, 18), 0.5)]


def _own(rows: list[Stated], page: Page = WHOLE) -> list[float | None]:
    return own_factors(rows, page)


def test_each_split_of_apple_comes_to_its_own_ratio() -> None:
    assert _own(AAPL) == pytest.approx([1 / 2, 1 / 7, 1 / 4], rel=1e-4)
    assert _own(AAPL[::-1]) == pytest.approx([1 / 4, 1 / 7, 1 / 2], rel=1e-4)


def test_tickers_have_nothing_to_do_with_each_other() -> None:
    assert _own([*MSFT, *AAPL]) == pytest.approx([1 / 2, 1 / 2, 1 / 7, 1 / 4], rel=1e-4)


def test_on_a_first_page_with_the_newest_first_the_newest_of_each_ticker_is_there() -> None:
    assert _own([*AAPL[::-1], *MSFT], FIRST) == pytest.approx([1 / 4, 1 / 7, 1 / 2, 1 / 2], rel=1e-4)


def test_on_a_later_page_the_newest_of_a_ticker_may_be_elsewhere() -> None:
    found = _own([*AAPL[::-1], *MSFT], MIDDLE)
    assert (found[0], found[3]) == (None, None)
    assert found[1:3] == pytest.approx([1 / 7, 1 / 2], rel=1e-4)


def test_in_a_list_by_ticker_only_those_at_the_ends_of_a_page_may_go_on_elsewhere() -> None:
    rows = [Stated("A", dt.date(2020, 1, 2), 0.5), *AAPL, *MSFT]
    found = _own(rows, FIRST)
    assert found[:4] == pytest.approx([1 / 2, 1 / 2, 1 / 7, 1 / 4], rel=1e-4)
    assert found[4] is None
    assert _own(rows, MIDDLE)[0] is None


def test_in_a_list_of_no_known_order_the_newest_may_be_elsewhere() -> None:
    assert _own([*AAPL[:2], *MSFT, AAPL[2]], FIRST)[3] is None


@pytest.mark.parametrize("cumulative", [None, 0.0, -0.5, 1e-5, float("inf"), float("nan")])
def test_without_a_usable_factor_neither_the_split_nor_the_one_before_it_has_one(cumulative: float | None) -> None:
    found = _own([AAPL[0], Stated("AAPL", dt.date(2014, 6, 9), cumulative), AAPL[2]])
    assert found == [None, None, 0.25]


def test_what_is_still_to_come_has_none_and_is_in_no_other() -> None:
    assert _own([*AAPL, Stated("AAPL", GIVEN_ON + dt.timedelta(days=1), 0.5)])[2:] == [0.25, None]


def test_two_on_one_date_have_the_factor_of_the_date() -> None:
    twice = [AAPL[0], Stated("AAPL", dt.date(2014, 6, 9), 0.035714), *AAPL[1:]]
    assert _own(twice) == pytest.approx([1 / 2, 1 / 7, 1 / 7, 1 / 4], rel=1e-4)
    torn = [AAPL[0], Stated("AAPL", dt.date(2014, 6, 9), 0.3), *AAPL[1:]]
    assert _own(torn) == [None, None, None, 0.25]


_rows = st.lists(
    st.builds(
        Stated,
        st.sampled_from(["A", "B", "C"]),
        st.dates(dt.date(2020, 1, 1), dt.date(2025, 1, 1)),
        st.none() | st.floats(0.0, 2.0),
    ),
    max_size=8,
)


@given(_rows, st.booleans(), st.booleans())
def test_every_row_gets_an_answer_whatever_the_page(rows: list[Stated], is_first: bool, is_last: bool) -> None:
    page = Page(is_first, is_last, GIVEN_ON)
    found = own_factors(rows, page)
    assert len(found) == len(rows)
    known = own_factors(rows, WHOLE)
    assert all(own is None or own == sure for own, sure in zip(found, known, strict=True))


def _with(row: Row, factor: str) -> Row:
    return {**row, "historical_adjustment_factor": factor}


def test_splits_of_an_answer_are_read_with_their_own_factors() -> None:
    rows = [
        _with(split("AAPL", dt.date(2014, 6, 9), 1, 7, "E1"), "0.035714"),
        _with(split("AAPL", dt.date(2020, 8, 31), 1, 4, "E2"), "2.5e-01"),
        split("MSFT", dt.date(2003, 2, 18), 1, 2, "E3"),
    ]
    statement, _ = decode_splits(as_payload(splits_response(rows)))
    assert [record.vendor_factor for record in statement.records] == [pytest.approx(1 / 7, rel=1e-4), 0.25, None]


@pytest.mark.parametrize("factor", ["null", '"0.9"', "true", "1e999", "[]"])
def test_a_factor_that_is_no_number_is_none(factor: str) -> None:
    rows = [_with(dividend("AAPL", dt.date(2014, 5, 8), 0.47, "D1"), factor)]
    statement, rejections = decode_dividends(as_payload(dividends_response(rows)))
    assert ([record.vendor_factor for record in statement.records], rejections) == ([None], [])


def test_the_factor_is_no_part_of_what_is_stated() -> None:
    """It changes with every later split, and is no news of this one."""
    row = split("AAPL", dt.date(2014, 6, 9), 1, 7, "E1")
    [[old], [new]] = [
        decode_splits(as_payload(splits_response([each])))[0].records for each in (row, _with(row, "0.5"))
    ]
    assert (old.vendor_factor, new.vendor_factor) == (None, 0.5)
    assert old.fact == new.fact
