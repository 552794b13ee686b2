"""The split: its arithmetic, and the vendor's habit of sending one event twice."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.split import Split, distinct_splits, price_factor
from tests.payloads import FETCHED_AT

DAY = dt.date(2014, 6, 9)


def _split(split_from: float, split_to: float, name: str = "a", ticker: str = "AAPL", day: dt.date = DAY) -> Split:
    return Split(ticker, name, day, split_from, split_to, None, archive_seq=1, known_from=FETCHED_AT)


@pytest.mark.parametrize(
    ("split_from", "split_to", "factor"), [(1, 4, 0.25), (1, 7, 1 / 7), (10, 1, 10.0), (2, 3, 2 / 3), (1, 1, 1.0)]
)
def test_a_price_before_the_ex_date_is_multiplied_by_old_over_new_shares(
    split_from: float, split_to: float, factor: float
) -> None:
    assert price_factor(_split(split_from, split_to)) == factor


def test_one_event_under_two_ids_is_one_split() -> None:
    assert len(distinct_splits([_split(1, 2, "a"), _split(1, 2, "b"), _split(2, 4, "c")])) == 1


def test_other_dates_tickers_and_ratios_are_other_splits() -> None:
    splits = [
        _split(1, 2),
        _split(1, 3),
        _split(1, 2, ticker="aapl"),
        _split(1, 2, day=DAY + dt.timedelta(days=1)),
    ]
    assert sorted(distinct_splits(splits), key=repr) == sorted(splits, key=repr)


@given(
    st.lists(
        st.builds(
            _split,
            st.sampled_from([1.0, 2.0]),
            st.sampled_from([2.0, 4.0]),
            st.sampled_from("abc"),
            st.sampled_from(["A", "a"]),
            st.sampled_from([DAY, DAY + dt.timedelta(days=1)]),
        )
    ),
    st.randoms(use_true_random=False),
)
def test_they_come_in_one_order_however_they_were_listed(splits: list[Split], random: object) -> None:
    def facts(found: list[Split]) -> list[tuple[str, dt.date, float]]:
        return [(split.ticker, split.execution_date, price_factor(split)) for split in found]

    before = facts(distinct_splits(splits))
    assert hasattr(random, "shuffle")
    random.shuffle(splits)
    assert facts(distinct_splits(splits)) == before
    assert before == sorted(set(before))
