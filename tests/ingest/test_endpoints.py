"""What is sent to the vendor, and where a next page may lead."""

import datetime as dt

import pytest

from archive.payload import Endpoint, Request
from ingest.endpoints import dividends, grouped, next_page, older_routes, page_target, range_bars, splits, tickers_asked
from ingest.errors import ForeignHost

FIRST, LAST = dt.date(2024, 1, 2), dt.date(2024, 6, 28)
BASE = "https://api.massive.com"


def test_bars_are_asked_for_unadjusted_and_with_the_highest_limit() -> None:
    request = range_bars("AAPL", FIRST, LAST)
    target = "/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-06-28?adjusted=false&limit=50000&sort=asc"
    assert request == Request(Endpoint.RANGE, target, "AAPL", FIRST, LAST)


@pytest.mark.parametrize(("ticker", "segment"), [("BCpC", "BCpC"), ("BRK.B", "BRK.B"), ("X:BTCUSD", "X%3ABTCUSD")])
def test_a_ticker_keeps_its_case_and_is_one_path_segment(ticker: str, segment: str) -> None:
    assert f"/ticker/{segment}/range/" in range_bars(ticker, FIRST, LAST).target


def test_the_market_of_a_session_is_one_unadjusted_request() -> None:
    target = "/v2/aggs/grouped/locale/us/market/stocks/2024-01-02?adjusted=false"
    assert grouped(FIRST) == Request(Endpoint.GROUPED, target, None, FIRST, FIRST)


def test_corporate_actions_of_many_tickers_are_one_request() -> None:
    request = splits(["AAPL", "BCpC"])
    assert request == Request(Endpoint.SPLITS, "/stocks/v1/splits?limit=5000&ticker.any_of=AAPL,BCpC")
    assert tickers_asked(request.target) == ("AAPL", "BCpC")


def test_corporate_actions_of_one_ticker_are_archived_under_it() -> None:
    request = dividends(["BRK.B"])
    assert request == Request(Endpoint.DIVIDENDS, "/stocks/v1/dividends?limit=5000&ticker=BRK.B", "BRK.B")
    assert tickers_asked(request.target) == ("BRK.B",)


def test_corporate_actions_of_the_whole_market_name_no_ticker() -> None:
    assert splits(None).target == "/stocks/v1/splits?limit=5000"
    assert tickers_asked(splits(None).target) == (None,)


def test_a_later_page_names_no_ticker() -> None:
    assert tickers_asked("/stocks/v1/splits?cursor=1") == ()


def test_the_older_route_takes_one_ticker_at_a_time() -> None:
    older = older_routes(splits(["AAPL", "BCpC"]))
    assert [request.target for request in older] == [
        "/v3/reference/splits?limit=1000&ticker=AAPL",
        "/v3/reference/splits?limit=1000&ticker=BCpC",
    ]
    assert [request.target for request in older_routes(dividends(None))] == ["/v3/reference/dividends?limit=1000"]


def test_what_has_no_older_route_has_none() -> None:
    assert older_routes(grouped(FIRST)) == []
    assert older_routes(older_routes(splits(["AAPL"]))[0]) == []


def test_a_next_page_keeps_what_was_asked_for_and_sorts_its_query() -> None:
    page = next_page(range_bars("AAPL", FIRST, LAST), f"{BASE}/v2/aggs/x?cursor=b%3Dc&adjusted=false", BASE)
    assert page == Request(Endpoint.RANGE, "/v2/aggs/x?adjusted=false&cursor=b%3Dc", "AAPL", FIRST, LAST)


def test_a_key_in_a_next_url_is_not_kept() -> None:
    assert page_target(f"{BASE}/v3/x?cursor=1&apiKey=secret&APIKEY=other") == "/v3/x?cursor=1"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v2?cursor=1",
        "http://api.massive.com/v2",
        "https://api.massive.com:444/v2",
        "https://api.massive.com.evil.example/v2",
        "https://api.massive.com@evil.example/v2",
        "https://key@api.massive.com/v2",
        "//evil.example/v2",
    ],
)
def test_a_next_page_on_another_host_is_refused(url: str) -> None:
    with pytest.raises(ForeignHost, match=r"api\.massive\.com"):
        next_page(grouped(FIRST), url, BASE)


@pytest.mark.parametrize(
    "url",
    [
        "/v2/x?cursor=1",
        "https://api.polygon.io/v2/x?cursor=1",
        "https://api.massive.com:443/v2/x?cursor=1",
        "https://API.massive.com/v2/x?cursor=1",
    ],
)
def test_a_next_page_without_a_host_or_under_another_name_of_the_vendor_is_asked_of_the_configured_host(
    url: str,
) -> None:
    assert next_page(grouped(FIRST), url, BASE).target == "/v2/x?cursor=1"


@pytest.mark.parametrize("place", ["?cursor=1?apiKey=secret", "&apiKey=secret", "?apiKey=1?apiKey=secret&a=b?APIKEY=x"])
def test_a_key_that_cannot_be_taken_out_of_a_next_url_makes_it_none(place: str) -> None:
    with pytest.raises(ValueError, match="cannot be taken out") as caught:
        page_target(f"{BASE}/v3/x{place}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://a b/", "https://host/\x00", "https://host/ü", "http://[/", "http://host:x/"])
def test_what_is_no_url_has_no_target(url: str) -> None:
    with pytest.raises(ValueError):
        page_target(url)
