"""What the archive is taken to have, from answers as the database gives them."""

import datetime as dt
import uuid
from typing import Any

from archive.payload import Endpoint, Request
from ingest.assess import Outcome
from ingest.coverage import Answered, Span, coverage_of
from ingest.endpoints import grouped, range_bars, splits

MON, TUE, WED, THU, FRI = (dt.date(2024, 1, day) for day in range(8, 13))
LATER = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
RUN = uuid.UUID(int=1)


def answered(request: Request, **changes: Any) -> Answered:
    facts: dict[str, Any] = {"fetched_at": LATER, "run_id": RUN, "outcome": Outcome.ANSWER, "row_count": 1}
    return Answered(
        request.endpoint, request.target, request.ticker, request.from_date, request.to_date, **(facts | changes)
    )


def test_an_answer_covers_the_dates_it_was_asked_for() -> None:
    coverage = coverage_of([answered(range_bars("AAPL", MON, FRI))])
    assert coverage.of("AAPL").spans == (Span(MON, FRI),)
    assert coverage.of("aapl").spans == ()


def test_an_empty_answer_covers_too() -> None:
    coverage = coverage_of([answered(range_bars("AAPL", MON, FRI), outcome=Outcome.EMPTY, row_count=0)])
    assert coverage.of("AAPL").spans == (Span(MON, FRI),)
    assert coverage.of("AAPL").row_count == 0


def test_what_the_vendor_will_never_give_is_covered_and_told_apart() -> None:
    coverage = coverage_of(
        [answered(range_bars("AAPL", MON, TUE), outcome=Outcome.NEVER), answered(range_bars("AAPL", THU, FRI))]
    )
    assert coverage.of("AAPL").spans == (Span(MON, TUE), Span(THU, FRI))
    assert coverage.of("AAPL").beyond_plan == (Span(MON, TUE),)


def test_a_session_that_had_not_settled_when_it_was_fetched_is_not_covered() -> None:
    # Friday closes at 21:00 UTC and settles 4½ hours later.
    before = dt.datetime(2024, 1, 13, 1, 29, 59, tzinfo=dt.UTC)
    request = range_bars("AAPL", MON, FRI)
    answer = answered(request, fetched_at=before, last_session=FRI)
    assert coverage_of([answer]).of("AAPL").spans == (Span(MON, THU),)
    settled = answered(request, fetched_at=before + dt.timedelta(seconds=1), last_session=FRI)
    assert coverage_of([settled]).of("AAPL").spans == (Span(MON, FRI),)


def test_that_the_newest_session_has_no_bar_is_believed_a_day_later() -> None:
    settled = dt.datetime(2024, 1, 13, 1, 30, tzinfo=dt.UTC)
    request = range_bars("AAPL", MON, FRI)
    at_once = answered(request, fetched_at=settled, last_session=THU)
    assert coverage_of([at_once]).of("AAPL").spans == (Span(MON, THU),)
    next_day = answered(request, fetched_at=settled + dt.timedelta(days=1), last_session=THU)
    assert coverage_of([next_day]).of("AAPL").spans == (Span(MON, FRI),)
    empty = answered(grouped(FRI), fetched_at=settled, outcome=Outcome.EMPTY)
    assert coverage_of([empty]).market.spans == ()
    refused = answered(request, fetched_at=settled, outcome=Outcome.NEVER)
    assert coverage_of([refused]).of("AAPL").spans == (Span(MON, FRI),)


def test_an_answer_fetched_before_its_first_session_settled_covers_nothing() -> None:
    early = dt.datetime(2024, 1, 8, 20, 0, tzinfo=dt.UTC)
    assert coverage_of([answered(range_bars("AAPL", MON, FRI), fetched_at=early)]).of("AAPL").spans == ()
    assert coverage_of([answered(grouped(MON), fetched_at=early)]).market.spans == ()


def test_a_page_with_a_next_one_covers_only_what_is_on_it() -> None:
    first_page = answered(range_bars("AAPL", MON, FRI), last_session=TUE, next_request="/v2/x?cursor=1")
    assert coverage_of([first_page]).of("AAPL").spans == (Span(MON, TUE),)
    last_page = answered(Request(Endpoint.RANGE, "/v2/x?cursor=1", "AAPL", MON, FRI), last_session=FRI)
    assert coverage_of([first_page, last_page]).of("AAPL").spans == (Span(MON, FRI),)


def test_a_page_with_a_next_one_and_no_dated_row_covers_nothing() -> None:
    assert coverage_of([answered(range_bars("AAPL", MON, FRI), next_request="/v2/x")]).of("AAPL").spans == ()


def test_answers_that_touch_or_overlap_are_one_span() -> None:
    requests = [range_bars("AAPL", *dates) for dates in ((THU, FRI), (MON, TUE), (TUE, WED))]
    assert coverage_of([answered(request) for request in requests]).of("AAPL").spans == (Span(MON, FRI),)


def test_grouped_answers_cover_their_session_for_the_market() -> None:
    coverage = coverage_of([answered(grouped(MON)), answered(grouped(WED), outcome=Outcome.EMPTY)])
    assert coverage.market.spans == (Span(MON, MON), Span(WED, WED))


def test_a_list_of_splits_counts_for_each_ticker_it_names() -> None:
    newer = LATER + dt.timedelta(days=1)
    coverage = coverage_of([answered(splits(["AAPL", "BCpC"])), answered(splits(["AAPL"]), fetched_at=newer)])
    assert coverage.listed_at(Endpoint.SPLITS, "AAPL") == newer
    assert coverage.listed_at(Endpoint.SPLITS, "BCpC") == LATER
    assert coverage.listed_at(Endpoint.SPLITS, "BCPC") is None
    assert coverage.listed_at(Endpoint.DIVIDENDS, "AAPL") is None


def test_a_list_of_the_whole_market_counts_for_every_ticker() -> None:
    coverage = coverage_of([answered(splits(None))])
    assert coverage.listed_at(Endpoint.SPLITS, "AAPL") == LATER
    assert coverage.listed_at(Endpoint.SPLITS, None) == LATER


def test_a_list_counts_only_with_all_its_pages_from_one_run() -> None:
    head = answered(splits(["AAPL", "MSFT"]), next_request="/stocks/v1/splits?cursor=1")
    middle = answered(Request(Endpoint.SPLITS, "/stocks/v1/splits?cursor=1"), next_request="/stocks/v1/splits?cursor=2")
    tail = answered(Request(Endpoint.SPLITS, "/stocks/v1/splits?cursor=2"))
    elsewhere = answered(Request(Endpoint.SPLITS, "/stocks/v1/splits?cursor=2"), run_id=uuid.UUID(int=2))
    whole = coverage_of([head, middle, tail])
    assert whole.listed_at(Endpoint.SPLITS, "MSFT") == LATER
    # The later pages name no ticker, and are no list of the whole market.
    assert whole.listed_at(Endpoint.SPLITS, None) is None
    assert coverage_of([head, middle]).listed_at(Endpoint.SPLITS, "MSFT") is None
    assert coverage_of([head, middle, elsewhere]).listed_at(Endpoint.SPLITS, "MSFT") is None


def test_pages_that_lead_in_a_circle_are_no_list() -> None:
    head = answered(splits(["AAPL"]), next_request="/a")
    circle = answered(Request(Endpoint.SPLITS, "/a"), next_request="/a")
    assert coverage_of([head, circle]).listed_at(Endpoint.SPLITS, "AAPL") is None
