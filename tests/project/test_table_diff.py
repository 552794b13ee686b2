"""Where a table first departs from the archive: by session, then ticker, with both values, whatever the departure."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.compare.table_diff import Rows, first_departure, rows_of_bars, session_of, told
from project.rows import Tickers
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.project.columns import SESSIONS, Said, columns

RULESET = read_ruleset(DEFAULT_RULES)
DAY, NEXT_DAY = SESSIONS[0], SESSIONS[1]
BARS = [Said("B", DAY), Said("B", NEXT_DAY), Said("A", NEXT_DAY), Said("A", DAY, vwap=9.5)]


def _rows(said: list[Said], tickers: Tickers) -> Rows:
    bars = columns(said, tickers)
    return rows_of_bars(bars, tickers.ranks())


def _told(archive: list[Said], table: list[Said]) -> tuple[dt.date, str] | None:
    tickers = Tickers(["B", "A", "C"])
    departure = first_departure(_rows(archive, tickers), _rows(table, tickers))
    if departure is None:
        return None
    return session_of(departure), told(departure, "bar", tickers, tickers.ranks(), RULESET)


def test_the_same_rows_in_any_order_do_not_depart() -> None:
    assert _told(BARS, BARS[::-1]) is None
    assert _told([], []) is None


@pytest.mark.parametrize(
    ("table", "session", "begins"),
    [
        ([Said("B", DAY, 11.0), *BARS[1:]], DAY, "B: open is 11 in bar, by payload 1 it is 10;"),
        ([*BARS[:3], Said("A", DAY)], DAY, "A: vwap is nothing in bar, by payload 1 it is 9.5;"),
        ([Said("B", DAY, archive_seq=2), *BARS[1:]], DAY, "B: archive_seq is 2 in bar, by the archive it is 1;"),
        (BARS[1:], DAY, "B: nothing in bar, by the archive there is open 10, high 10, low 10, close 10, volume 1000,"),
        (BARS[:2] + BARS[3:], NEXT_DAY, "A: nothing in bar"),
        (BARS[:1] + BARS[2:], NEXT_DAY, "B: nothing in bar"),
        ([*BARS, Said("C", NEXT_DAY)], NEXT_DAY, "C: open 10, high 10,"),
        ([*BARS, Said("C", DAY)], DAY, "C: open 10, high 10,"),
        ([], DAY, "A: nothing in bar"),
        ([Said("C", DAY), *BARS[1:]], DAY, "B: nothing in bar"),
    ],
)
def test_the_first_departure_is_told(table: list[Said], session: dt.date, begins: str) -> None:
    found = _told(BARS, table)
    assert found is not None
    assert (found[0], found[1][: len(begins)]) == (session, begins)
    assert found[1].endswith("; `project --rebuild` makes it anew")


_some = st.dictionaries(st.integers(0, 6), st.sampled_from([1.0, 2.0, np.nan]), max_size=7)


@given(archive=_some, table=_some)
def test_the_lowest_key_that_differs_is_found_as_a_comparison_of_dicts_finds_it(
    archive: dict[int, float], table: dict[int, float]
) -> None:
    def rows(values: dict[int, float]) -> Rows:
        keys = np.array(sorted(values), np.int64)
        return Rows({"key": keys}, {"value": np.array([values[key] for key in sorted(values)], np.float64)})

    differing = [key for key in archive | table if repr(archive.get(key)) != repr(table.get(key))]
    departure = first_departure(rows(archive), rows(table))
    if not differing:
        assert departure is None
        return
    assert departure is not None
    first = min(differing)
    assert departure.key == {"key": first}
    missing = "archive" if first not in archive else "table" if first not in table else None
    assert departure.missing == missing
