"""The routes over HTTP: envelopes, paging, adjustment, authorization, and the request log."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import numpy as np
import pytest

from tests.fake_polygon import FakePolygon, Plan, SyntheticMarket
from tests.fake_polygon.sessions import NEW_YORK

END = datetime(2100, 1, 1, tzinfo=UTC)
RANGE = "/v2/aggs/ticker/{}/range/1/day/{}/{}"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/{}"


@pytest.fixture
async def vendor(market: SyntheticMarket, now: datetime) -> AsyncIterator[FakePolygon]:
    async with FakePolygon(market, clock=lambda: now) as server:
        yield server


async def answer(client: aiohttp.ClientSession, url: str, **query: str) -> Any:
    async with client.get(url, params=query) as response:
        return await response.json(content_type=None)


async def all_pages(client: aiohttp.ClientSession, url: str, **query: str) -> list[list[dict[str, Any]]]:
    pages = []
    reply = await answer(client, url, **query)
    while True:
        pages.append(reply.get("results", []))
        if "next_url" not in reply:
            return pages
        reply = await answer(client, reply["next_url"])


def new_york(t: int) -> datetime:
    return datetime.fromtimestamp(t / 1000, NEW_YORK)


async def test_a_range_has_the_markets_bars_dated_at_midnight_new_york(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    url = vendor.url + RANGE.format("BCPC", "2024-03-01", "2024-03-28")
    reply = await answer(client, url, adjusted="false")
    assert list(reply) == [
        "ticker",
        "queryCount",
        "resultsCount",
        "adjusted",
        "results",
        "status",
        "request_id",
        "count",
    ]
    assert (reply["ticker"], reply["adjusted"], reply["status"]) == ("BCPC", False, "OK")
    assert reply["queryCount"] == reply["resultsCount"] == reply["count"] == len(reply["results"])
    bars = [b for b in market.bars("BCPC", END).records() if date(2024, 3, 1) <= b.session <= date(2024, 3, 28)]
    sent = [(row["o"], row["h"], row["l"], row["c"], row["v"], row.get("vw"), row.get("n")) for row in reply["results"]]
    assert sent == [(b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades) for b in bars]
    times = [new_york(row["t"]) for row in reply["results"]]
    assert [t.date() for t in times] == [b.session for b in bars]
    assert all((t.hour, t.minute) == (0, 0) for t in times)


async def test_milliseconds_and_dates_name_the_same_range(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    by_date = await answer(client, vendor.url + RANGE.format("BCPC", "2024-03-08", "2024-03-11"))
    millis = [round(datetime(2024, 3, d, 12, tzinfo=NEW_YORK).timestamp() * 1000) for d in (8, 11)]
    assert (await answer(client, vendor.url + RANGE.format("BCPC", *millis)))["results"] == by_date["results"]


async def test_tickers_are_told_apart_by_case(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    one, other = [
        (await answer(client, vendor.url + RANGE.format(ticker, "2024-03-01", "2024-03-28")))["results"]
        for ticker in ("BCPC", "BCpC")
    ]
    assert one != other


async def test_by_default_prices_and_volumes_are_adjusted_for_splits(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    split = next(s for s in market.answers.splits if s.ticker == "TENX")
    url = vendor.url + RANGE.format("TENX", "2024-01-02", "2024-12-31")
    adjusted, traded = await answer(client, url), await answer(client, url, adjusted="false")
    assert (adjusted["adjusted"], traded["adjusted"]) == (True, False)
    for now, then in zip(adjusted["results"], traded["results"], strict=True):
        before = new_york(then["t"]).date() < split.execution_date
        factor = 0.1 if before else 1.0
        assert [now[k] for k in "ohlc"] == pytest.approx([then[k] * factor for k in "ohlc"], abs=1e-4)
        assert now["v"] == pytest.approx(then["v"] / factor)
        assert before or now == then
    day = str(market.first)
    by_ticker = [
        {
            row["T"]: row["c"]
            for row in (await answer(client, vendor.url + GROUPED.format(day), adjusted=how))["results"]
        }
        for how in ("true", "false")
    ]
    assert by_ticker[0]["TENX"] == pytest.approx(by_ticker[1]["TENX"] / 10)
    assert by_ticker[0]["BCPC"] == by_ticker[1]["BCPC"]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 250])
async def test_the_pages_of_a_range_are_the_range(
    vendor: FakePolygon, client: aiohttp.ClientSession, sort: str, limit: int
) -> None:
    url = vendor.url + RANGE.format("BCPC", "2024-02-01", "2024-03-28")
    whole = await answer(client, url, sort=sort, adjusted="false")
    pages = await all_pages(client, url, sort=sort, adjusted="false", limit=str(limit))
    assert [row for page in pages for row in page] == whole["results"]
    assert all(len(page) == limit for page in pages[:-1])
    times = [row["t"] for row in whole["results"]]
    assert times == sorted(times, reverse=sort == "desc")


async def test_a_next_url_is_on_the_configured_host_and_carries_no_key(
    market: SyntheticMarket, client: aiohttp.ClientSession
) -> None:
    async with FakePolygon(market, public_url="https://api.massive.com") as vendor:
        reply = await answer(
            client, vendor.url + RANGE.format("BCPC", "2024-02-01", "2024-03-28"), limit="5", apiKey="test-key"
        )
    parts = urlsplit(reply["next_url"])
    assert (parts.scheme, parts.netloc) == ("https", "api.massive.com")
    assert list(parse_qs(parts.query)) == ["cursor"]
    assert "test-key" not in reply["next_url"]


async def test_a_page_can_be_kept_smaller_than_asked(market: SyntheticMarket, client: aiohttp.ClientSession) -> None:
    async with FakePolygon(market, page_rows={"range": 10, "tickers": 2}) as vendor:
        pages = await all_pages(client, vendor.url + RANGE.format("BCPC", "2024-02-01", "2024-03-28"), limit="50000")
        assert {len(page) for page in pages[:-1]} == {10}
        listed = await all_pages(client, vendor.url + "/v3/reference/tickers", limit="1000")
        assert {len(page) for page in listed[:-1]} == {2}


async def test_two_rows_of_one_date_are_never_on_two_pages(client: aiohttp.ClientSession) -> None:
    market = SyntheticMarket(7, ["QQQ"], date(2024, 1, 2), last=date(2024, 6, 28))
    [(_, twice)] = market.answers.of("duplicate_row")
    async with FakePolygon(market) as vendor:
        for sort in ("asc", "desc"):
            pages = await all_pages(
                client, vendor.url + RANGE.format("QQQ", "2024-01-01", "2024-06-28"), limit="1", sort=sort
            )
            assert [len(page) for page in pages].count(2) == 1
            days = [new_york(row["t"]).date() for page in pages for row in page]
            assert days.count(twice) == 2
            assert len(days) == len(market.bars("QQQ", END))


async def test_the_whole_market_of_a_date_is_dated_at_four_in_new_york(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    reply = await answer(
        client, vendor.url + GROUPED.format("2024-03-11"), adjusted="false", locale="us", market_type="stocks"
    )
    assert list(reply) == ["queryCount", "resultsCount", "adjusted", "results", "status", "request_id", "count"]
    day = market.grouped(date(2024, 3, 11), END)
    assert [row["T"] for row in reply["results"]] == list(day.tickers)
    assert [row["c"] for row in reply["results"]] == day.bars.close.tolist()
    assert {new_york(row["t"]) for row in reply["results"]} == {datetime(2024, 3, 11, 16, tzinfo=NEW_YORK)}


async def test_a_weekend_is_empty_in_every_way_that_has_been_seen(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    for how, expected in (("absent", ...), ("list", []), ("null", None)):
        vendor.plan = Plan(empty_results=how)  # type: ignore[arg-type]  # a literal by the loop's tuple
        for path in (GROUPED.format("2024-03-10"), RANGE.format("BCPC", "2024-03-09", "2024-03-10")):
            reply = await answer(client, vendor.url + path)
            assert (reply["status"], reply["resultsCount"], reply["queryCount"]) == ("OK", 0, 0)
            assert reply.get("results", ...) == expected


async def test_an_unknown_ticker_is_empty_or_not_found(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    url = vendor.url + RANGE.format("NOPE", "2024-03-01", "2024-03-28")
    assert (await answer(client, url))["resultsCount"] == 0
    vendor.plan = Plan(unknown_ticker="not_found")
    async with client.get(url) as response:
        assert response.status == 404
        assert (await response.json())["message"] == "Data not found."


async def test_previous_close_and_open_close_are_single_bars(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    bar = market.bars("BCPC", END).records()[-1]
    prev = await answer(client, vendor.url + "/v2/aggs/ticker/BCPC/prev")
    assert [(row["T"], row["c"], row["v"]) for row in prev["results"]] == [("BCPC", bar.close, bar.volume)]
    assert new_york(prev["results"][0]["t"]) == datetime(2024, 12, 31, 16, tzinfo=NEW_YORK)
    flat = await answer(client, vendor.url + "/v1/open-close/BCPC/2024-12-31")
    assert (flat["from"], flat["symbol"], flat["open"], flat["volume"]) == ("2024-12-31", "BCPC", bar.open, bar.volume)
    async with client.get(vendor.url + "/v1/open-close/BCPC/2024-12-25") as response:
        assert (response.status, (await response.json())["status"]) == (404, "NOT_FOUND")


async def test_a_key_is_wanted_and_must_be_right(vendor: FakePolygon) -> None:
    url = vendor.url + GROUPED.format("2024-03-11")
    async with aiohttp.ClientSession() as stranger:
        for headers, query, text in (
            ({}, {}, "API Key was not provided"),
            ({"Authorization": "Bearer wrong"}, {}, "Unknown API Key"),
            ({}, {"apiKey": "wrong"}, "Unknown API Key"),
        ):
            async with stranger.get(url, headers=headers, params=query) as response:
                reply = await response.json()
                assert response.status == 401
                assert list(reply) == ["status", "request_id", "error"]
                assert (reply["status"], reply["error"]) == ("ERROR", text)
        async with stranger.get(url, params={"apiKey": "test-key"}) as response:
            assert response.status == 200
    assert [request.key_in_query for request in vendor.requests] == [False, False, True, True]


async def test_the_log_keeps_every_request_and_how_it_was_answered(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    await answer(client, vendor.url + GROUPED.format("2024-03-11"), adjusted="false")
    await answer(client, vendor.url + RANGE.format("BRK%2FA", "2024-03-11", "2024-03-12"))
    async with client.get(vendor.url + "/v1/aggs/ticker/AAPL") as response:
        assert response.status == 404
    async with client.post(vendor.url + GROUPED.format("2024-03-11")) as response:
        assert response.status == 405
    assert [(r.method, r.kind, r.status) for r in vendor.requests] == [
        ("GET", "grouped", 200),
        ("GET", "range", 200),
        ("GET", "unknown", 404),
        ("POST", "grouped", 405),
    ]
    assert vendor.requests[0].query == {"adjusted": "false"}
    assert vendor.requests[0].headers["Authorization"] == "Bearer test-key"
    assert vendor.counts == {"grouped": 2, "range": 1, "unknown": 1}


async def test_replies_say_whose_they_are_and_each_has_its_own_id(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    ids = set()
    for _ in range(3):
        async with client.get(vendor.url + GROUPED.format("2024-03-11")) as response:
            assert response.headers["Server"] == "fake-polygon (synthetic seed=7)"
            assert response.headers["Content-Type"] == "application/json"
            ids.add((await response.json())["request_id"])
    assert len(ids) == 3


async def test_a_body_is_compressed_only_for_who_accepts_it(vendor: FakePolygon) -> None:
    url = vendor.url + RANGE.format("BCPC", "2024-01-01", "2024-12-31")
    headers = {"Authorization": "Bearer test-key"}
    async with aiohttp.ClientSession(headers=headers, auto_decompress=False) as raw:
        async with raw.get(url, headers={"Accept-Encoding": "gzip"}) as response:
            packed = await response.read()
            assert response.headers["Content-Encoding"] == "gzip"
            assert int(response.headers["Content-Length"]) == len(packed)
        async with raw.get(url, headers={"Accept-Encoding": "identity"}) as response:
            plain = await response.read()
            assert "Content-Encoding" not in response.headers
    assert len(packed) < len(plain) / 2
    results = [json.loads(body)["results"] for body in (plain, gzip.decompress(packed))]
    assert results[0] == results[1]
    assert len(results[0]) > 200


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (RANGE.format("BCPC", "2024-02-30", "2024-03-28"), {}),
        (RANGE.format("BCPC", "yesterday", "2024-03-28"), {}),
        (RANGE.format("BCPC", "2024-03-28", "2024-03-27"), {}),
        (RANGE.format("BCPC", "2024-03-01", "2024-03-27"), {"limit": "50001"}),
        (RANGE.format("BCPC", "2024-03-01", "2024-03-27"), {"limit": "many"}),
        (RANGE.format("BCPC", "2024-03-01", "2024-03-27"), {"adjusted": "perhaps"}),
        (RANGE.format("BCPC", "2024-03-01", "2024-03-27"), {"cursor": "ÿ"}),
        ("/v2/aggs/ticker/BCPC/range/5/minute/2024-03-01/2024-03-27", {}),
        ("/v3/reference/splits", {"limit": "1001"}),
        ("/v3/reference/splits", {"sort": "colour"}),
        ("/v3/reference/dividends", {"cash_amount.gt": "much"}),
    ],
)
async def test_a_bad_parameter_is_refused_with_the_vendors_error_shape(
    vendor: FakePolygon, client: aiohttp.ClientSession, path: str, query: dict[str, str]
) -> None:
    async with client.get(vendor.url + path, params=query) as response:
        assert response.status == 400
        assert list(await response.json()) == ["status", "request_id", "error"]


async def test_bad_rows_go_onto_the_wire_as_bad_as_they_are(client: aiohttp.ClientSession) -> None:
    market = SyntheticMarket(7, ["NFLX", "AMD", "VTI", "IWM"], date(2024, 1, 2), last=date(2024, 4, 26))
    async with FakePolygon(market) as vendor:
        rows = {
            ticker: (
                await answer(client, vendor.url + RANGE.format(ticker, "2024-01-02", "2024-04-30"), adjusted="false")
            )["results"]
            for ticker in market.symbols()
        }
    assert sum(not {"o", "h", "l", "c", "v"} <= set(row) for row in rows["NFLX"]) == 1
    assert sum(None in row.values() for row in rows["AMD"]) == 1
    assert sum(row["v"] < 0 for row in rows["VTI"]) == 1
    assert sum(new_york(row["t"]).weekday() == 5 for row in rows["IWM"]) == 1
    assert np.diff([row["t"] for row in rows["IWM"]]).min() > 0
