"""Resolving: of the rows that speak of one bar, the latest that says something new is believed."""

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from project.resolve import resolve
from project.rows import Tickers
from tests.project.columns import SESSIONS, Said, columns

DAY = SESSIONS[0]

Believed = dict[tuple[str, object], Said]
Revised = list[tuple[Said, Said]]


def _fold_naively(said: list[Said]) -> tuple[Believed, Revised]:
    """Return what is believed and what was, one row after the other, in archive order."""
    believed: Believed = {}
    revised = []
    for row in sorted(said, key=lambda row: row.archive_seq):
        key = (row.ticker, row.session)
        old = believed.get(key)
        if old is None:
            believed[key] = row
        elif not _repeats(old, row):
            revised.append((old, row))
            believed[key] = row
    return believed, revised


def _repeats(old: Said, new: Said) -> bool:
    pairs = list(zip(old.values, new.values, strict=True))
    return all(a == b for a, b in pairs[:5]) and all(a == b or math.isnan(b) for a, b in pairs[5:])


def _resolve(said: list[Said]) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the numbers of the payloads believed, and of those restated with those that restated them."""
    tickers = Tickers()
    rows = columns(said, tickers)
    found = resolve(rows, tickers.ranks())
    seqs = found.rows.archive_seq
    return seqs[found.current].tolist(), list(
        zip(seqs[found.revised].tolist(), seqs[found.revised_by].tolist(), strict=True)
    )


def test_a_row_that_repeats_what_is_believed_says_nothing_new() -> None:
    said = [Said("AAPL", DAY, archive_seq=seq, vwap=10.0) for seq in (1, 2, 3)]
    assert _resolve(said) == ([1], [])


def test_a_row_that_leaves_out_an_optional_field_says_nothing_new() -> None:
    said = [Said("AAPL", DAY, vwap=10.0, trades=7.0, archive_seq=1), Said("AAPL", DAY, archive_seq=2)]
    assert _resolve(said) == ([1], [])


def test_a_row_that_adds_an_optional_field_restates() -> None:
    said = [Said("AAPL", DAY, archive_seq=1), Said("AAPL", DAY, vwap=10.0, archive_seq=2)]
    assert _resolve(said) == ([2], [(1, 2)])


def test_a_row_with_other_values_restates_and_going_back_restates_again() -> None:
    said = [Said("AAPL", DAY, price, archive_seq=seq) for seq, price in enumerate((10.0, 11.0, 10.0), start=1)]
    assert _resolve(said) == ([3], [(1, 2), (2, 3)])


def test_the_latest_is_the_one_archived_last_wherever_it_stands() -> None:
    said = [Said("AAPL", DAY, float(seq), archive_seq=seq) for seq in (3, 1, 2)]
    assert _resolve(said) == ([3], [(1, 2), (2, 3)])


def test_tickers_and_sessions_do_not_meet() -> None:
    said = [Said("BCPC", DAY, 1.0, archive_seq=1), Said("BCpC", DAY, 2.0, archive_seq=2)]
    said += [Said("BCPC", SESSIONS[1], 3.0, archive_seq=3)]
    assert _resolve(said) == ([1, 3, 2], [])


def test_nothing_said_is_nothing_believed() -> None:
    assert _resolve([]) == ([], [])


_said = st.builds(
    Said,
    st.sampled_from(["BCPC", "BCpC", "A"]),
    st.sampled_from(SESSIONS[:3]),
    st.sampled_from([10.0, 11.0, -0.0, 0.0]),
    st.sampled_from([1000.0, 0.0]),
    st.sampled_from([None, 10.0, 11.0]),
    st.sampled_from([None, 7.0]),
)


@given(st.lists(_said, max_size=25), st.randoms(use_true_random=False))
def test_it_agrees_with_taking_one_row_after_the_other(rows: list[Said], random: object) -> None:
    said = [msgspec.structs.replace(row, archive_seq=seq) for seq, row in enumerate(rows, start=1)]
    believed, revised = _fold_naively(said)
    assert hasattr(random, "shuffle")
    random.shuffle(said)  # columns may come in any order
    current, restated = _resolve(said)
    by_key = sorted(believed.values(), key=lambda row: (row.ticker.encode(), row.session))
    assert current == [row.archive_seq for row in by_key]
    assert sorted(restated) == sorted((old.archive_seq, new.archive_seq) for old, new in revised)
