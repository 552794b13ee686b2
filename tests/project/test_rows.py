"""Columns of bars: cut, joined and ordered without losing a row, and tickers told apart by every byte."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.rows import Tickers, join, key_ranks, no_rows, sort_keys, starts_of_runs
from tests.project.columns import SESSIONS, Said, columns

NAMES = st.lists(st.sampled_from(["BCPC", "BCpC", "TPC", "TpC", "A", "AA", "BRK.A", "Z", "a"]), max_size=20)


def test_a_ticker_keeps_the_number_it_was_first_given() -> None:
    tickers = Tickers()
    assert [tickers.code(name) for name in ("BCPC", "BCpC", "BCPC", "A")] == [0, 1, 0, 2]
    assert tickers.names == ["BCPC", "BCpC", "A"]
    assert len(tickers) == 3


@given(NAMES)
def test_ranks_are_the_byte_order_of_names(names: list[str]) -> None:
    tickers = Tickers()
    tickers.codes(names)
    by_rank = [tickers.names[code] for code in np.argsort(tickers.ranks())]
    assert by_rank == sorted(set(names), key=str.encode)


@given(NAMES, st.lists(st.integers(-9000, 30000), min_size=20, max_size=20))
def test_sort_keys_order_by_ticker_and_then_by_day(names: list[str], days: list[int]) -> None:
    tickers = Tickers()
    codes, ranks = tickers.codes(names), tickers.ranks()
    day = np.array(days[: len(names)], np.int64)
    order = np.argsort(sort_keys(codes, day, ranks), kind="stable").tolist()
    expected = sorted(range(len(names)), key=lambda place: (names[place].encode(), days[place]))
    assert order == expected
    assert key_ranks(sort_keys(codes, day, ranks)).tolist() == ranks[codes].tolist()


@pytest.mark.parametrize("part_count", [0, 1, 3])
def test_joined_parts_are_their_rows_one_after_the_other(part_count: int) -> None:
    tickers = Tickers()
    said = [Said("AAPL", session, float(place)) for place, session in enumerate(SESSIONS[:9])]
    parts = [columns(said[part * 3 : part * 3 + 3], tickers) for part in range(part_count)]
    joined = join([no_rows(), *parts, no_rows()])
    assert joined.values[0].tolist() == [float(place) for place in range(3 * part_count)]
    assert len(joined) == 3 * part_count


def test_a_run_starts_where_a_value_differs_from_the_one_before() -> None:
    assert starts_of_runs(np.array([7, 7, 8, 7])).tolist() == [True, False, True, True]
    assert starts_of_runs(np.array([], np.int64)).tolist() == []
