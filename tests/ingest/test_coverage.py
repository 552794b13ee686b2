"""What the archive is taken to have, from answers as the database gives them."""

import datetime as dt
import uuid
from typing import Any

from archive.payload import Endpoint, Request
from ingest.assess import Outcome
from ingest.coverage import Answered, Coverage, coverage_of
from ingest.endpoints import grouped, range_bars, splits, ticker_events, tickers
from ingest.period import Period, Span, settled_at

MON, TUE, WED, THU, FRI = (dt.date(2024, 1, day) for day in range(8, 13))
LATER = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
RUN = uuid.UUID(int=1)


def answered(request: Request, **changes: Any) -> Answered:
    """Return an answer with a bar on every session asked for, unless it is changed."""
    facts: dict[str, Any] = {"fetched_at": LATER, "run_id": RUN, "outcome": Outcome.ANSWER, "row_count": 1}
    facts |= {"first_session": request.from_date, "last_session": request.to_date} | changes
    if facts["outcome"] is not Outcome.ANSWER:
        facts |= {"row_count": 0, "first_session": None, "last_session": None}
    return Answered(request.endpoint, request.target, request.ticker, request.from_date, request.to_date, **facts)


def covered(*answers: Answered, now: dt.datetime = LATER) -> Coverage:
    return coverage_of(answers, now)


def test_an_answer_covers_the_dates_it_was_asked_for() -> None:
    coverage = covered(answered(range_bars("AAPL", MON, FRI)))
    assert coverage.of("AAPL").spans == (Span(MON, FRI),)
    assert coverage.of("aapl").spans == ()


def test_an_answer_covers_no_more_than_its_first_to_its_last_row() -> None:
    cut = covered(answered(range_bars("AAPL", MON, FRI), first_session=TUE, last_session=THU))
    assert cut.of("AAPL").spans == (Span(TUE, THU),)
    assert cut.of("AAPL").first_bar == TUE


def test_an_empty_answer_covers_too_and_is_told_apart() -> None:
    coverage = covered(
        answered(range_bars("AAPL", MON, TUE), outcome=Outcome.EMPTY), answered(range_bars("AAPL", WED, FRI))
    )
    assert coverage.of("AAPL").spans == (Span(MON, FRI),)
    assert coverage.of("AAPL").silent == (Span(MON, TUE),)
    assert (coverage.of("AAPL").row_count, coverage.of("AAPL").first_bar) == (1, WED)


def test_what_the_vendor_will_never_give_is_beyond_the_plan_of_every_ticker() -> None:
    coverage = covered(
        answered(range_bars("AAPL", MON, TUE), outcome=Outcome.NEVER), answered(range_bars("AAPL", THU, FRI))
    )
    assert coverage.of("AAPL").spans == (Span(THU, FRI),)
    assert coverage.of("AAPL").beyond_plan == (Span(MON, TUE),)
    assert coverage.horizon == TUE


def test_a_bar_that_comes_later_shows_that_the_plan_has_grown() -> None:
    refused = answered(range_bars("AAPL", MON, THU), outcome=Outcome.NEVER)
    grown = covered(refused, answered(range_bars("MSFT", WED, FRI)))
    assert grown.of("AAPL").beyond_plan == (Span(MON, TUE),)
    assert grown.horizon == TUE
    # One that came before says nothing: the window of a plan moves on.
    moved = covered(answered(range_bars("MSFT", WED, FRI)), refused)
    assert moved.horizon == THU


def test_what_a_plan_does_not_entitle_to_is_no_statement_about_dates() -> None:
    coverage = covered(answered(range_bars("I:SPX", MON, FRI), outcome=Outcome.NOT_ENTITLED))
    assert coverage.of("I:SPX").beyond_plan == (Span(MON, FRI),)
    assert coverage.horizon < MON


def test_a_session_that_had_not_settled_when_it_was_fetched_is_not_covered() -> None:
    # Friday closes at 21:00 UTC and settles 4½ hours later.
    before = dt.datetime(2024, 1, 13, 1, 29, 59, tzinfo=dt.UTC)
    request = range_bars("AAPL", MON, FRI)
    assert covered(answered(request, fetched_at=before), now=before).of("AAPL").spans == (Span(MON, THU),)
    settled = before + dt.timedelta(seconds=1)
    assert covered(answered(request, fetched_at=settled), now=settled).of("AAPL").spans == (Span(MON, FRI),)


def test_settled_sessions_are_looked_at_again_one_five_and_thirty_sessions_later() -> None:
    sessions = Period(dt.date(2024, 1, 2), dt.date(2024, 3, 28)).sessions()
    request = range_bars("AAPL", sessions[0], sessions[39])
    fetched_at = settled_at(sessions[39])

    def due(sessions_later: int) -> list[dt.date]:
        spans = (
            covered(answered(request, fetched_at=fetched_at), now=settled_at(sessions[39 + sessions_later]))
            .of("AAPL")
            .spans
        )
        return [day for day in sessions[:40] if not any(span.first <= day <= span.last for span in spans)]

    assert due(0) == []
    assert due(1) == [sessions[10], sessions[35], sessions[39]]
    # Of the looks that were missed in two sessions off, each session needs the last one only.
    assert due(2) == [sessions[10], sessions[11], sessions[35], sessions[36], sessions[39]]
    assert due(20) == sessions[10:30] + sessions[35:40]


def test_that_the_newest_session_has_no_bar_is_believed_a_day_later() -> None:
    settled = dt.datetime(2024, 1, 13, 1, 30, tzinfo=dt.UTC)
    request = range_bars("AAPL", MON, FRI)
    at_once = answered(request, fetched_at=settled, outcome=Outcome.EMPTY)
    assert covered(at_once, now=settled).of("AAPL").spans == (Span(MON, THU),)
    next_day = settled + dt.timedelta(days=1)
    later = answered(request, fetched_at=next_day, outcome=Outcome.EMPTY)
    assert covered(later, now=next_day).of("AAPL").spans == (Span(MON, FRI),)
    empty = answered(grouped(FRI), fetched_at=settled, outcome=Outcome.EMPTY)
    assert covered(empty, now=settled).market.spans == ()


def test_an_answer_fetched_before_its_first_session_settled_covers_nothing() -> None:
    early = dt.datetime(2024, 1, 8, 20, 0, tzinfo=dt.UTC)
    assert covered(answered(range_bars("AAPL", MON, FRI), fetched_at=early), now=early).of("AAPL").spans == ()
    assert covered(answered(grouped(MON), fetched_at=early), now=early).market.spans == ()


def test_each_page_covers_what_is_on_it() -> None:
    first_page = answered(range_bars("AAPL", MON, FRI), last_session=TUE, next_request="/v2/x?cursor=1")
    assert covered(first_page).of("AAPL").spans == (Span(MON, TUE),)
    last_page = answered(Request(Endpoint.RANGE, "/v2/x?cursor=1", "AAPL", MON, FRI), first_session=WED)
    assert covered(first_page, last_page).of("AAPL").spans == (Span(MON, FRI),)


def test_an_empty_page_covers_nothing_unless_it_is_the_whole_answer() -> None:
    leading = answered(range_bars("AAPL", MON, FRI), outcome=Outcome.EMPTY, next_request="/v2/x?cursor=1")
    assert covered(leading).of("AAPL").spans == ()
    trailing = answered(Request(Endpoint.RANGE, "/v2/x?cursor=1", "AAPL", MON, FRI), outcome=Outcome.EMPTY)
    assert covered(leading, trailing).of("AAPL").spans == ()


def test_answers_that_touch_or_overlap_are_one_span() -> None:
    requests = [range_bars("AAPL", *dates) for dates in ((THU, FRI), (MON, TUE), (TUE, WED))]
    assert covered(*map(answered, requests)).of("AAPL").spans == (Span(MON, FRI),)


def test_grouped_answers_cover_their_session_for_the_market() -> None:
    empty = answered(grouped(WED), outcome=Outcome.EMPTY)
    assert covered(answered(grouped(MON)), empty).market.spans == (Span(MON, MON),)
    # A second run was told the same.
    again = answered(grouped(WED), outcome=Outcome.EMPTY, run_id=uuid.UUID(int=2))
    coverage = covered(answered(grouped(MON)), empty, again)
    assert coverage.market.spans == (Span(MON, MON), Span(WED, WED))
    assert coverage.market.silent == (Span(WED, WED),)


def test_a_list_of_splits_counts_for_each_ticker_it_names() -> None:
    newer = LATER + dt.timedelta(days=1)
    coverage = covered(answered(splits(["AAPL", "BCpC"])), answered(splits(["AAPL"]), fetched_at=newer))
    assert coverage.listed_at(Endpoint.SPLITS, "AAPL") == newer
    assert coverage.listed_at(Endpoint.SPLITS, "BCpC") == LATER
    assert coverage.listed_at(Endpoint.SPLITS, "BCPC") is None
    assert coverage.listed_at(Endpoint.DIVIDENDS, "AAPL") is None


def test_a_list_of_the_whole_market_counts_for_every_ticker() -> None:
    coverage = covered(answered(splits(None)))
    assert coverage.listed_at(Endpoint.SPLITS, "AAPL") == LATER
    assert coverage.listed_at(Endpoint.SPLITS, None) == LATER


def test_a_list_counts_only_with_all_its_pages_from_one_run() -> None:
    head = answered(splits(["AAPL", "MSFT"]), next_request="/stocks/v1/splits?cursor=1")
    middle = answered(Request(Endpoint.SPLITS, "/stocks/v1/splits?cursor=1"), next_request="/stocks/v1/splits?cursor=2")
    tail = answered(Request(Endpoint.SPLITS, "/stocks/v1/splits?cursor=2"))
    elsewhere = answered(Request(Endpoint.SPLITS, "/stocks/v1/splits?cursor=2"), run_id=uuid.UUID(int=2))
    whole = covered(head, middle, tail)
    assert whole.listed_at(Endpoint.SPLITS, "MSFT") == LATER
    # The later pages name no ticker, and are no list of the whole market.
    assert whole.listed_at(Endpoint.SPLITS, None) is None
    assert covered(head, middle).listed_at(Endpoint.SPLITS, "MSFT") is None
    assert covered(head, middle, elsewhere).listed_at(Endpoint.SPLITS, "MSFT") is None


def test_pages_that_lead_in_a_circle_are_no_list() -> None:
    head = answered(splits(["AAPL"]), next_request="/a")
    circle = answered(Request(Endpoint.SPLITS, "/a"), next_request="/a")
    assert covered(head, circle).listed_at(Endpoint.SPLITS, "AAPL") is None


def test_a_list_for_reference_counts_under_the_request_it_began_with() -> None:
    head = answered(tickers(None, active=True), next_request="/v3/reference/tickers?cursor=1")
    tail = answered(Request(Endpoint.TICKERS, "/v3/reference/tickers?cursor=1"))
    key = (Endpoint.TICKERS, tickers(None, active=True).target)
    assert key not in covered(head).lists_at
    assert covered(head, tail).lists_at[key] == LATER
    refused = answered(ticker_events("AAPL"), outcome=Outcome.NOT_ENTITLED)
    assert covered(refused).lists_at[Endpoint.TICKER_EVENTS, ticker_events("AAPL").target] == LATER
    assert covered(answered(splits(["AAPL"]), outcome=Outcome.NOT_ENTITLED)).lists_at == {}
