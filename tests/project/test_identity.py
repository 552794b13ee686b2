"""Which security traded under a symbol: followed through renames and re-use, with what nobody knows left open."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.names.identity import Security, Span, followed, securities_of, settled
from project.names.listing import Listing
from project.names.ticker_change import TickerChange
from tests.payloads import FETCHED_AT

META_FIGI, FUND_FIGI = "BBG000MM2P62", "BBG00ZP5MLH3"
DAY = dt.timedelta(days=1)
IPO, RENAMED = dt.date(2012, 5, 18), dt.date(2022, 6, 11)
FUND_BEGAN, FUND_RENAMED = dt.date(2021, 6, 30), dt.date(2022, 1, 31)


def change(ticker: str, security_id: str, day: dt.date, name: str | None = None, seq: int = 1) -> TickerChange:
    return TickerChange(ticker, security_id, name, day, archive_seq=seq, known_from=FETCHED_AT)


def listing(
    ticker: str,
    figi: str | None = None,
    delisted_on: dt.date | None = None,
    *,
    cik: str | None = None,
    active: bool | None = None,
    seq: int = 1,
) -> Listing:
    security_id = figi or cik or f"ticker:{ticker}"
    is_active = delisted_on is None if active is None else active
    facts = ("stocks", "CS", "XNAS", cik, figi, None, is_active, delisted_on)
    return Listing(ticker, security_id, f"{ticker} Inc.", *facts, archive_seq=seq, known_from=FETCHED_AT)


META = [change("META", META_FIGI, RENAMED, "Meta"), change("FB", META_FIGI, IPO, "Meta")]
FUND = [change("METV", FUND_FIGI, FUND_RENAMED, "Fund"), change("META", FUND_FIGI, FUND_BEGAN, "Fund")]
META_SPANS = (Span("FB", IPO, RENAMED - DAY), Span("META", RENAMED))
FUND_SPANS = (Span("META", FUND_BEGAN, FUND_RENAMED - DAY), Span("METV", FUND_RENAMED))


def test_a_symbol_is_followed_through_a_rename() -> None:
    assert followed("META", securities_of("META", META, [])) == META_SPANS
    assert followed("FB", securities_of("FB", META, [])) == META_SPANS


def test_two_securities_that_had_one_symbol_are_two() -> None:
    known = securities_of("META", [*META, *FUND], [])
    assert known == [Security(FUND_FIGI, "Fund", FUND_SPANS), Security(META_FIGI, "Meta", META_SPANS)]
    assert followed("META", known) == META_SPANS
    assert followed("META", known, dt.date(2021, 12, 31)) == FUND_SPANS
    assert followed("META", known, RENAMED) == META_SPANS


def test_a_date_on_which_no_known_security_has_the_symbol_belongs_to_an_unknown_one() -> None:
    known = securities_of("META", META, [])
    assert followed("META", known, dt.date(2021, 12, 31)) == (Span("META", None, RENAMED - DAY),)
    both = securities_of("META", [*META, *FUND], [])
    assert followed("META", both, dt.date(2022, 3, 1)) == (Span("META", FUND_RENAMED, RENAMED - DAY),)


def test_a_symbol_of_which_nothing_is_known_is_one_span_of_an_unknown_security() -> None:
    known = securities_of("XYZ", [], [])
    assert known == [Security(None, None, (Span("XYZ"),))]
    assert followed("XYZ", known) == followed("XYZ", known, IPO) == (Span("XYZ"),)


def test_a_delisting_ends_the_last_name_of_a_security() -> None:
    gone = dt.date(2023, 5, 1)
    [security] = securities_of("META", META, [listing("META", META_FIGI, gone)])
    assert security.spans == (META_SPANS[0], Span("META", RENAMED, gone))


def test_a_delisted_name_that_the_changes_miss_is_kept() -> None:
    [security] = securities_of("TWTR", [], [listing("TWTR", "BBG00H6HNW63", dt.date(2022, 10, 28))])
    assert security == Security("BBG00H6HNW63", "TWTR Inc.", (Span("TWTR", None, dt.date(2022, 10, 28)),))


def test_of_two_companies_in_the_lists_the_second_has_the_symbol_after_the_first() -> None:
    gone = dt.date(2008, 12, 31)
    listings = [listing("AAC", "BBG1"), listing("AAC", "BBG0", gone)]
    known = securities_of("AAC", [], listings)
    assert [security.spans for security in known] == [(Span("AAC", None, gone),), (Span("AAC", gone + DAY),)]
    assert followed("AAC", known, gone) == (Span("AAC", None, gone),)
    assert followed("AAC", known) == (Span("AAC", gone + DAY),)


def test_who_was_listed_without_dates_had_the_symbol_until_a_change_gave_it_away() -> None:
    known = securities_of("META", META, [listing("META", FUND_FIGI)])
    assert [security.spans for security in known] == [(Span("META", None, RENAMED - DAY),), META_SPANS]


def test_a_security_that_got_a_better_id_is_still_one() -> None:
    known = securities_of("A", [], [listing("A", cik="0001"), listing("A", "BBG1", cik="0001", seq=2)])
    assert known == [Security("BBG1", "A Inc.", (Span("A"),))]


def test_two_share_classes_of_one_company_are_two_securities() -> None:
    listings = [listing("GOOG", "BBG1", cik="0001"), listing("GOOGL", "BBG2", cik="0001")]
    changes = [change("GOOG", "0001", IPO)]
    assert [security.security_id for security in securities_of("GOOGL", changes, listings)] == ["BBG2"]


def test_lists_that_give_two_tickers_one_figi_tell_of_one_security() -> None:
    gone = dt.date(2022, 6, 8)
    known = securities_of("META", [], [listing("META", META_FIGI), listing("FB", META_FIGI, gone)])
    assert [security.spans for security in known] == [(Span("FB", None, gone), Span("META"))]


@pytest.mark.parametrize(
    ("listed", "spans"),
    [
        (listing("FACE", META_FIGI, seq=9), (*META_SPANS, Span("FACE"))),
        (listing("FACE", META_FIGI, active=False), (Span("FACE", None, IPO - DAY), *META_SPANS)),
    ],
    ids=["newer than the changes", "older"],
)
def test_a_name_that_only_a_list_has_is_the_newest_or_the_oldest(listed: Listing, spans: tuple[Span, ...]) -> None:
    [security] = securities_of("FACE", META, [listed])
    assert security.spans == spans


def test_of_two_changes_on_one_date_the_later_word_stands() -> None:
    changes = [change("A", "X", IPO, seq=1), change("B", "X", IPO, seq=2)]
    [security] = securities_of("B", changes, [])
    assert security.spans == (Span("B", IPO),)


def _days(first: str, count: int) -> list[dt.date]:
    return [dt.date.fromisoformat(first) + n * DAY for n in range(count)]


@pytest.mark.parametrize(
    ("bars", "renamed"),
    [
        ({"FB": _days("2022-06-06", 3), "META": _days("2022-06-09", 2)}, dt.date(2022, 6, 9)),
        ({"META": _days("2022-06-09", 2)}, dt.date(2022, 6, 9)),
        ({"FB": _days("2022-06-06", 3)}, RENAMED),
        ({"FB": _days("2022-06-10", 4)}, dt.date(2022, 6, 14)),
        ({"FB": _days("2022-06-06", 9), "META": _days("2022-06-09", 2)}, RENAMED),
        ({"META": _days("2022-05-09", 2)}, RENAMED),
        ({}, RENAMED),
    ],
    ids=["both", "only the new", "the old ends before", "the old goes on", "they overlap", "too far off", "no bars"],
)
def test_a_change_is_dated_by_the_bars_where_they_show_it(bars: dict[str, list[dt.date]], renamed: dt.date) -> None:
    """The vendor dates META a Saturday; its first bar is that of the Thursday before."""
    assert settled(META_SPANS, bars) == (Span("FB", IPO, renamed - DAY), Span("META", renamed))


_dates = st.dates(dt.date(2000, 1, 1), dt.date(2000, 3, 1))
_tickers = st.sampled_from("AB")
_ids = st.sampled_from(["BBG1", "BBG2", "BBG3"])


@given(
    st.lists(st.builds(change, _tickers, _ids, _dates), max_size=6),
    st.lists(st.builds(listing, _tickers, _ids, st.none() | _dates), max_size=4),
)
def test_no_span_ends_before_it_begins_whatever_the_vendor_says(
    changes: list[TickerChange], listings: list[Listing]
) -> None:
    for security in securities_of("A", changes, listings):
        assert any(span.ticker == "A" for span in security.spans)
        assert all(span.first <= span.last for span in security.spans if span.first and span.last)


@given(st.lists(st.builds(change, _tickers, _ids, _dates), max_size=8))
def test_the_names_of_a_security_follow_each_other(changes: list[TickerChange]) -> None:
    for security in securities_of("A", changes, []):
        for before, after in pairwise(security.spans):
            assert before.last is not None
            assert after.first is not None
            assert before.last < after.first
