"""Splits, dividends, tickers, events and the exchange's calendar over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import aiohttp
import numpy as np
import pytest

from tests.fake_polygon import FakePolygon, Plan, SyntheticMarket

END = datetime(2100, 1, 1, tzinfo=UTC)
LISTS = (
    "/v3/reference/splits",
    "/v3/reference/dividends",
    "/stocks/v1/splits",
    "/stocks/v1/dividends",
    "/v3/reference/tickers",
)


@pytest.fixture
async def vendor(market: SyntheticMarket, now: datetime) -> AsyncIterator[FakePolygon]:
    async with FakePolygon(market, clock=lambda: now) as server:
        yield server


async def answer(client: aiohttp.ClientSession, url: str, **query: str) -> Any:
    async with client.get(url, params=query) as response:
        assert response.status == 200
        return await response.json()


async def all_rows(client: aiohttp.ClientSession, url: str, **query: str) -> list[dict[str, Any]]:
    reply = await answer(client, url, **query)
    rows = list(reply.get("results", []))
    while "next_url" in reply:
        reply = await answer(client, reply["next_url"])
        rows += reply["results"]
    return rows


@pytest.mark.parametrize("path", LISTS)
async def test_the_pages_of_a_list_are_the_list(vendor: FakePolygon, client: aiohttp.ClientSession, path: str) -> None:
    whole = await all_rows(client, vendor.url + path, limit="1000")
    paged = await all_rows(client, vendor.url + path, limit="1")
    assert len(whole) > 2
    assert paged == whole


async def test_old_and_new_routes_list_the_same_actions(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    for old, new, expected in (
        (LISTS[0], LISTS[2], {(s.ticker, str(s.execution_date)) for s in market.answers.splits}),
        (LISTS[1], LISTS[3], {(d.ticker, str(d.ex_dividend_date)) for d in market.answers.dividends}),
    ):
        listed = [await all_rows(client, vendor.url + path, limit="1000") for path in (old, new)]
        for rows in listed:
            days = {(row["ticker"], row.get("execution_date") or row["ex_dividend_date"]) for row in rows}
            assert days == expected
        assert {row["id"] for row in listed[0]} == {row["id"] for row in listed[1]}


async def test_rows_have_the_recorded_keys_in_the_recorded_order(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    rows = {path: (await answer(client, vendor.url + path, limit="1"))["results"][0] for path in LISTS}
    assert list(rows[LISTS[0]]) == ["execution_date", "id", "split_from", "split_to", "ticker"]
    for path in LISTS[:4]:
        assert list(rows[path]) == sorted(rows[path])
    assert set(rows[LISTS[2]]) == {*rows[LISTS[0]], "adjustment_type", "historical_adjustment_factor"}
    assert {"historical_adjustment_factor", "split_adjusted_cash_amount", "distribution_type"} < set(rows[LISTS[3]])
    assert list(rows[LISTS[4]])[:4] == ["ticker", "name", "market", "locale"]


async def test_the_split_factor_restates_traded_prices_as_the_vendor_does(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    for ticker in {split.ticker for split in market.answers.splits}:
        splits = await all_rows(client, vendor.url + LISTS[2], ticker=ticker, sort="execution_date.asc")
        url = f"{vendor.url}/v2/aggs/ticker/{ticker}/range/1/day/{market.first}/{market.last}"
        adjusted, traded = await answer(client, url), await answer(client, url, adjusted="false")
        for now, then in zip(adjusted["results"], traded["results"], strict=True):
            session = datetime.fromtimestamp(then["t"] / 1000, UTC).date()
            later = [s for s in splits if s["execution_date"] > str(session)]
            factor = later[0]["historical_adjustment_factor"] if later else 1.0
            if "c" in then and then["c"] is not None:
                assert now["c"] == pytest.approx(then["c"] * factor, abs=1e-4)


async def test_the_dividend_factor_is_the_product_of_what_each_dividend_leaves(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    rows = await all_rows(client, vendor.url + LISTS[3], ticker="MSFT", sort="ex_dividend_date.desc")
    bars = market.bars("MSFT", END)
    bars = bars.take(np.isfinite(bars.close))
    factor = 1.0
    for row in rows:
        at = int(np.searchsorted(bars.sessions, np.datetime64(row["ex_dividend_date"], "D")))
        factor *= 1 - row["cash_amount"] / float(bars.close[at - 1])
        assert row["historical_adjustment_factor"] == pytest.approx(factor)
    assert {row["distribution_type"] for row in rows} == {"recurring", "special"}


async def test_a_dividend_before_a_split_is_also_stated_in_todays_shares(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    splits = [s for s in market.answers.splits if s.ticker == "AAPL"]
    rows = await all_rows(client, vendor.url + LISTS[3], ticker="AAPL")
    for row in rows:
        factor = float(
            np.prod([s.split_from / s.split_to for s in splits if str(s.execution_date) > row["ex_dividend_date"]])
        )
        assert row["split_adjusted_cash_amount"] == pytest.approx(row["cash_amount"] * factor)


async def test_lists_are_filtered_by_field_and_comparison(
    vendor: FakePolygon, client: aiohttp.ClientSession, market: SyntheticMarket
) -> None:
    async def days(**query: str) -> list[tuple[str, str]]:
        rows = await all_rows(client, vendor.url + LISTS[1], limit="1000", **query)
        return [(row["ticker"], row["ex_dividend_date"]) for row in rows]

    every = await days()
    assert await days(ticker="MSFT") == [d for d in every if d[0] == "MSFT"]
    assert await days(**{"ticker.any_of": "MSFT,SPY"}) == [d for d in every if d[0] in ("MSFT", "SPY")]
    middle = every[len(every) // 2][1]
    assert await days(**{"ex_dividend_date.gte": middle}) == [d for d in every if d[1] >= middle]
    assert await days(**{"ex_dividend_date.gt": middle}) == [d for d in every if d[1] > middle]
    assert await days(**{"ex_dividend_date.lt": middle}) == [d for d in every if d[1] < middle]
    assert await days(**{"ex_dividend_date.lte": middle}) == [d for d in every if d[1] <= middle]
    assert await days(frequency="0") == [
        (d.ticker, str(d.ex_dividend_date)) for d in market.answers.dividends if d.frequency == 0
    ]
    assert [day for _, day in every] == sorted((day for _, day in every), reverse=True)
    assert [day for _, day in await days(order="asc", sort="ex_dividend_date")] == sorted(day for _, day in every)


async def test_reverse_splits_can_be_asked_for_alone(client: aiohttp.ClientSession) -> None:
    market = SyntheticMarket(7, ["RVSX", "TENX"], date(2024, 1, 2), last=date(2024, 12, 31))
    async with FakePolygon(market) as vendor:
        rows = [await all_rows(client, vendor.url + LISTS[0], reverse_split=how) for how in ("true", "false")]
        assert [{row["ticker"] for row in each} for each in rows] == [{"RVSX"}, {"TENX"}]
        typed = await all_rows(client, vendor.url + LISTS[2], adjustment_type="reverse_split")
        assert {row["ticker"] for row in typed} == {"RVSX"}


async def test_the_ticker_list_has_the_active_ones_unless_asked_otherwise(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    url = vendor.url + LISTS[4]
    first_page = await answer(client, url, limit="2")
    assert list(first_page) == ["results", "status", "request_id", "count", "next_url"]
    assert first_page["count"] == 2
    active, gone = await all_rows(client, url), await all_rows(client, url, active="false")
    assert [row["ticker"] for row in active] == ["AAPL", "BCPC", "BCpC", "MSFT", "NEWN", "SPY", "TENX"]
    assert [(row["ticker"], row["active"]) for row in gone] == [("DLST", False)]
    assert gone[0]["delisted_utc"].endswith("Z")
    assert [row["ticker"] for row in await all_rows(client, url, type="ETF")] == ["SPY"]
    assert [row["ticker"] for row in await all_rows(client, url, search="microsoft")] == ["MSFT"]
    assert [row["ticker"] for row in await all_rows(client, url, exchange="ARCX")] == ["SPY"]


async def test_a_ticker_is_described_and_its_names_are_listed(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    about = (await answer(client, vendor.url + "/v3/reference/tickers/NEWN", ticker="NEWN"))["results"]
    assert (about["ticker"], about["active"], about["market"]) == ("NEWN", True, "stocks")
    for name in ("NEWN", about["composite_figi"]):
        events = (await answer(client, f"{vendor.url}/vX/reference/tickers/{name}/events", types="ticker_change"))[
            "results"
        ]
        assert [event["ticker_change"]["ticker"] for event in events["events"]] == ["NEWN", "OLDN"]
        assert {event["type"] for event in events["events"]} == {"ticker_change"}
    for path in ("/v3/reference/tickers/NOPE", "/vX/reference/tickers/NOPE/events"):
        async with client.get(vendor.url + path) as response:
            assert response.status == 404


async def test_the_holidays_to_come_are_a_bare_array_with_early_closes(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    rows = await answer(client, vendor.url + "/v1/marketstatus/upcoming")
    by_day = {(row["date"], row["exchange"]): row for row in rows}
    assert by_day["2025-01-09", "NYSE"]["status"] == "closed"  # the mourning for President Carter
    assert by_day["2025-07-04", "NASDAQ"]["status"] == "closed"
    early = by_day["2025-11-28", "NYSE"]
    assert (early["status"], early["open"], early["close"]) == (
        "early-close",
        "2025-11-28T14:30:00.000Z",
        "2025-11-28T18:00:00.000Z",
    )
    assert min(row["date"] for row in rows) > "2025-01-06"


@pytest.mark.parametrize(
    ("instant", "state"),
    [
        (datetime(2025, 1, 6, 12, tzinfo=UTC), "extended-hours"),
        (datetime(2025, 1, 6, 15, tzinfo=UTC), "open"),
        (datetime(2025, 1, 6, 22, tzinfo=UTC), "extended-hours"),
        (datetime(2025, 1, 7, 3, tzinfo=UTC), "closed"),
        (datetime(2025, 1, 9, 15, tzinfo=UTC), "closed"),
    ],
)
async def test_the_market_is_open_when_the_exchange_is(
    market: SyntheticMarket, client: aiohttp.ClientSession, instant: datetime, state: str
) -> None:
    async with FakePolygon(market, clock=lambda: instant) as vendor:
        reply = await answer(client, vendor.url + "/v1/marketstatus/now")
    assert reply["market"] == state
    assert set(reply["exchanges"].values()) == {state}


async def test_an_empty_list_is_empty_in_every_way_that_has_been_seen(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    for plan, expected in (
        (Plan(), ...),
        (Plan(empty_results="list"), []),
        (Plan(empty_results="null"), None),
    ):
        vendor.plan = plan
        reply = await answer(client, vendor.url + LISTS[0], ticker="NOPE")
        assert reply.get("results", ...) == expected
        assert reply["status"] == "OK"
