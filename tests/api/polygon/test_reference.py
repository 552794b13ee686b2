"""The official clients ask for tickers, their names over time, the calendar and the exchanges."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.market import NOW
from tests.api.polygon.conftest import BAD_RESPONSE, NOT_FOUND, Vendor
from tests.api.served import served

LISTED = ["AAPL", "BCPC", "BRK.B", "META", "OTCX", "apple"]
WITH_BARS_ONLY = ["A/B", "BCpC", "LONG", "SEVN", "SOON"]
ACTIVE = sorted([*LISTED, *WITH_BARS_ONLY], key=str.encode)


async def test_what_trades_is_listed_and_so_is_what_only_has_bars(vendor: Vendor) -> None:
    tickers = await vendor.call(lambda client: list(client.list_tickers()))
    assert [ticker.ticker for ticker in tickers] == ACTIVE
    by_ticker = {ticker.ticker: vars(ticker) for ticker in tickers}
    assert by_ticker["AAPL"] == {
        "ticker": "AAPL",
        "name": "Apple Inc.",
        "market": "stocks",
        "locale": "us",
        "active": True,
        "currency_name": "usd",
        "type": "CS",
        "primary_exchange": "XNAS",
        "cik": "0000320193",
        "composite_figi": "BBG000B9XRY4",
        "share_class_figi": "BBG001S5N8V8",
        "last_updated_utc": "2026-11-20T07:00:00Z",
    }
    assert by_ticker["SEVN"] == {
        "ticker": "SEVN",
        "name": "SEVN",
        "market": "stocks",
        "locale": "us",
        "active": True,
        "currency_name": "usd",
    }


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 10, 1000])
async def test_tickers_come_in_pages(vendor: Vendor, order: str, limit: int) -> None:
    tickers = await vendor.call(lambda client: list(client.list_tickers(limit=limit, order=order)))
    assert [ticker.ticker for ticker in tickers] == (ACTIVE if order == "asc" else ACTIVE[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 4, 1000])
async def test_tickers_are_sorted_by_name_as_well(vendor: Vendor, order: str, limit: int) -> None:
    tickers = await vendor.call(lambda client: list(client.list_tickers(sort="name", limit=limit, order=order)))
    names = [ticker.name for ticker in tickers]
    assert names == sorted(names, key=str.encode, reverse=order == "desc")
    assert sorted(ticker.ticker for ticker in tickers) == sorted(ACTIVE)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"ticker": "BRK.B"}, ["BRK.B"]),
        ({"ticker": "SEVN"}, ["SEVN"]),
        ({"ticker": "NONE"}, []),
        ({"ticker_gte": "BCPC", "ticker_lt": "LONG"}, ["BCPC", "BCpC", "BRK.B"]),
        ({"ticker_gt": "SEVN", "ticker_lte": "SOON"}, ["SOON"]),
        ({"search": "apple"}, ["AAPL", "apple"]),
        ({"search": "berkshire"}, ["BRK.B"]),
        ({"search": "eV"}, ["SEVN"]),
        ({"search": "100%_"}, []),
        ({"type": "CS", "exchange": "XNAS"}, ["AAPL", "BCPC", "META"]),
        ({"market": "otc"}, ["OTCX"]),
        ({"market": "stocks"}, [ticker for ticker in ACTIVE if ticker != "OTCX"]),
        ({"market": "crypto"}, []),
        ({"cik": 320193}, ["AAPL"]),
        ({"cik": "0000320193"}, ["AAPL"]),
        ({"active": True, "type": "ETF"}, []),
        ({"active": False}, ["FB", "META"]),
        ({"active": False, "type": "ETF"}, ["META"]),
        ({"date": "2022-03-01", "search": "META"}, ["META"]),
        # Both companies were there then, the one as FB.
        ({"date": "2022-01-15", "type": "ETF"}, ["META"]),
        ({"date": "2022-01-15", "ticker_gte": "FB", "ticker_lt": "FC"}, ["FB"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 100])
async def test_tickers_are_chosen(vendor: Vendor, how: Mapping[str, Any], found: list[str], limit: int) -> None:
    tickers = await vendor.call(lambda client: list(client.list_tickers(limit=limit, **how)))
    assert [ticker.ticker for ticker in tickers] == found


async def test_what_is_known_of_one_ticker(vendor: Vendor) -> None:
    def name(ticker: str, date: str | None = None) -> Any:
        return vendor.call(lambda client: client.get_ticker_details(ticker, date=date))

    meta = await name("META")
    assert (meta.name, meta.active, meta.cik, meta.delisted_utc) == ("Meta Platforms, Inc.", True, "0001326801", None)
    assert (meta.list_date, meta.market_cap, meta.address) == (None, None, None)
    fund = await name("META", "2022-01-15")
    assert (fund.name, fund.type, fund.active) == ("Roundhill Ball Metaverse ETF", "ETF", True)
    gone = await name("FB")
    assert (gone.active, gone.delisted_utc) == (False, "2022-06-09T04:00:00Z")
    assert (await name("BRK.B")).primary_exchange == "XNYS"
    assert (await name("apple")).market == "stocks"
    only_bars = await name("A/B")
    assert (only_bars.name, only_bars.primary_exchange, only_bars.locale) == ("A/B", None, "us")


@pytest.mark.parametrize("ticker", ["NONE", "HALT", "aapl"])
async def test_an_unknown_ticker_is_not_found(vendor: Vendor, ticker: str) -> None:
    with pytest.raises(BAD_RESPONSE, match=NOT_FOUND):
        await vendor.call(lambda client: client.get_ticker_details(ticker))
    with pytest.raises(BAD_RESPONSE, match=NOT_FOUND):
        await vendor.call(lambda client: client.get_ticker_events(ticker))


@pytest.mark.parametrize(
    ("asked", "cik", "events"),
    [
        ("META", "0001326801", [("META", "2022-06-09"), ("FB", "2012-05-18")]),
        ("FB", "0001326801", [("META", "2022-06-09"), ("FB", "2012-05-18")]),
        ("BBG000MM2P62", "0001326801", [("META", "2022-06-09"), ("FB", "2012-05-18")]),
        ("METV", "0001683471", [("METV", "2022-02-01"), ("META", "2021-06-30")]),
        ("BBG00OLDMETA", "0001683471", [("METV", "2022-02-01"), ("META", "2021-06-30")]),
    ],
)
async def test_the_tickers_that_a_security_has_had(
    vendor: Vendor, asked: str, cik: str, events: list[tuple[str, str]]
) -> None:
    found = await vendor.call(lambda client: client.get_ticker_events(asked, types="ticker_change"))
    assert [(event["ticker_change"]["ticker"], event["date"]) for event in found.events] == events
    assert {event["type"] for event in found.events} == {"ticker_change"}
    assert found.name


async def test_holidays_to_come(vendor: Vendor) -> None:
    holidays = await vendor.call(lambda client: client.get_market_holidays())
    assert {holiday.exchange for holiday in holidays} == {"NYSE", "NASDAQ"}
    nyse = [(holiday.date, holiday.name, holiday.status) for holiday in holidays if holiday.exchange == "NYSE"]
    assert nyse == [
        ("2026-11-26", "Thanksgiving", "closed"),
        ("2026-11-27", "Thanksgiving", "early-close"),
        ("2026-12-24", "Christmas", "early-close"),
        ("2026-12-25", "Christmas", "closed"),
        ("2027-01-01", "New Years Day", "closed"),
        ("2027-01-18", "Martin Luther King, Jr. Day", "closed"),
        ("2027-02-15", "Washington's Birthday", "closed"),
        ("2027-03-26", "Good Friday", "closed"),
        ("2027-05-31", "Memorial Day", "closed"),
        ("2027-06-18", "Juneteenth", "closed"),
        ("2027-07-05", "Independence Day", "closed"),
        ("2027-09-06", "Labor Day", "closed"),
    ]
    early = next(holiday for holiday in holidays if holiday.status == "early-close")
    assert (early.open, early.close) == ("2026-11-27T14:30:00.000Z", "2026-11-27T18:00:00.000Z")


async def test_the_market_now(vendor: Vendor) -> None:
    status = await vendor.call(lambda client: client.get_market_status())
    assert dt.datetime.fromisoformat(status.server_time) == NOW
    assert (status.market, status.exchanges.nyse, status.exchanges.nasdaq) == ("closed", "closed", "closed")
    assert (status.early_hours, status.after_hours, status.currencies) == (False, False, None)


async def test_the_exchanges_that_are_named(vendor: Vendor) -> None:
    found = await vendor.call(lambda client: client.get_exchanges())
    assert [exchange.mic for exchange in found] == ["ARCX", "BATS", "XNAS", "XNYS"]
    assert [exchange.id for exchange in found] == [11, None, 12, 10]
    assert [exchange.name for exchange in found][:2] == ["NYSE Arca, Inc.", "BATS"]
    assert await vendor.call(lambda client: client.get_exchanges(asset_class="crypto")) == []


@pytest.mark.parametrize(
    ("instant", "market", "early", "after"),
    [
        ("2026-11-25T08:59:59+00:00", "closed", False, False),
        ("2026-11-25T09:00:00+00:00", "extended-hours", True, False),
        ("2026-11-25T14:30:00+00:00", "open", False, False),
        ("2026-11-25T20:59:59+00:00", "open", False, False),
        ("2026-11-25T21:00:00+00:00", "extended-hours", False, True),
        ("2026-11-26T01:00:00+00:00", "closed", False, False),
        ("2026-11-26T16:00:00+00:00", "closed", False, False),
        # The day after Thanksgiving closes at 13:00.
        ("2026-11-27T17:59:59+00:00", "open", False, False),
        ("2026-11-27T18:00:00+00:00", "extended-hours", False, True),
    ],
)
async def test_the_market_by_calendar_and_clock(
    vendor_like_url: str, instant: str, market: str, early: bool, after: bool
) -> None:
    async with served(vendor_like_url, lambda: dt.datetime.fromisoformat(instant)) as client:
        status = (await client.ask("/v1/marketstatus/now")).json
    assert (status["market"], status["earlyHours"], status["afterHours"]) == (market, early, after)
