"""The official clients ask for bars: values, instants, pages, windows and what there is none of."""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import pytest

from tests.api.market import TODAY, KnownBar, june
from tests.api.polygon.conftest import BAD_RESPONSE, NOT_FOUND, Vendor
from tests.api.polygon.known import ALL_BARS, LONG, LONG_SPLIT, new_york
from tests.api.served import Client

SEVN = [bar for bar in ALL_BARS if bar.ticker == "SEVN"]

Window = Callable[[dt.date], dt.date]


def as_agg(bar: KnownBar, ratio: float = 1.0) -> dict[str, Any]:
    """Return a known bar as a client has it, restated by a split of 1 to `ratio`."""
    return {
        "open": bar.open / ratio,
        "high": bar.high / ratio,
        "low": bar.low / ratio,
        "close": bar.close / ratio,
        "volume": bar.volume * ratio,
        "vwap": None if bar.vwap is None else bar.vwap / ratio,
        "timestamp": new_york(bar.session),
        "transactions": bar.trades,
        "otc": None,
    }


def sevens(bars: Sequence[KnownBar]) -> list[dict[str, Any]]:
    """Return bars in shares after the split of 2014-06-09."""
    return [as_agg(bar, 7.0 if bar.session < june(9) else 1.0) for bar in bars]


@pytest.mark.parametrize("method", ["get_aggs", "list_aggs"])
async def test_bars_of_a_range_are_those_of_the_projection(vendor: Vendor, method: str) -> None:
    def ask(client: Any, **how: Any) -> list[dict[str, Any]]:
        return [vars(agg) for agg in getattr(client, method)("SEVN", 1, "day", june(1), june(30), **how)]

    assert await vendor.call(lambda client: ask(client, adjusted=False)) == [as_agg(bar) for bar in SEVN]
    adjusted = sevens(SEVN)
    assert await vendor.call(lambda client: ask(client, adjusted=True)) == adjusted
    assert await vendor.call(ask) == adjusted
    assert await vendor.call(lambda client: ask(client, sort="desc")) == adjusted[::-1]


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2014-06-06", "2014-06-09", [6, 9]),
        (june(6), june(6), [6]),
        (new_york(june(6)), new_york(june(9)), [6, 9]),
        # Any instant of a day stands for the day.
        (new_york(june(6), 15), new_york(june(9), 3), [6, 9]),
        (dt.datetime(2014, 6, 6, 23, 30, tzinfo=dt.UTC), dt.datetime(2014, 6, 10, 3, 0, tzinfo=dt.UTC), [6, 9]),
        ("2014-06-07", "2014-06-08", []),
        ("1990-01-01", "2090-01-01", [5, 6, 9, 10, 11]),
    ],
)
async def test_both_ends_of_a_range_are_in_it(vendor: Vendor, first: Any, last: Any, days: list[int]) -> None:
    aggs = await vendor.call(lambda client: client.get_aggs("SEVN", 1, "day", first, last))
    assert [agg.timestamp for agg in aggs] == [new_york(june(day)) for day in days]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 4, 5])
async def test_pages_give_each_bar_once_and_in_order(vendor: Vendor, sort: str, limit: int) -> None:
    aggs = await vendor.call(
        lambda client: list(client.list_aggs("SEVN", 1, "day", june(1), june(30), sort=sort, limit=limit))
    )
    whole = sevens(SEVN)
    assert [vars(agg) for agg in aggs] == (whole if sort == "asc" else whole[::-1])


async def test_get_aggs_reads_the_first_page_only(vendor: Vendor) -> None:
    aggs = await vendor.call(lambda client: client.get_aggs("SEVN", 1, "day", june(1), june(30), limit=2))
    assert [agg.timestamp for agg in aggs] == [new_york(june(5)), new_york(june(6))]


def sunday(day: dt.date) -> dt.date:
    """Return the Sunday with which a week begins."""
    return day - dt.timedelta(days=day.isoweekday() % 7)


WINDOWS: dict[str, Window] = {
    "week": sunday,
    "month": lambda day: day.replace(day=1),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "year": lambda day: day.replace(month=1, day=1),
}


def windowed(window: Window, bars: Sequence[KnownBar]) -> list[dict[str, Any]]:
    """Return the bars of windows, made one by one from bars in shares of after the split."""
    made = []
    for start, group in groupby(bars, lambda bar: window(bar.session)):
        daily = [as_agg(bar, 2.0 if bar.session < LONG_SPLIT else 1.0) for bar in group]
        weighed = [day for day in daily if day["vwap"] is not None]
        made.append(
            {
                "open": daily[0]["open"],
                "high": max(day["high"] for day in daily),
                "low": min(day["low"] for day in daily),
                "close": daily[-1]["close"],
                "volume": sum(day["volume"] for day in daily),
                "vwap": pytest.approx(
                    sum(day["vwap"] * day["volume"] for day in weighed) / sum(day["volume"] for day in weighed)
                ),
                "timestamp": new_york(start),
                "transactions": sum(day["transactions"] for day in daily),
                "otc": None,
            }
        )
    return made


@pytest.mark.parametrize("timespan", WINDOWS)
@pytest.mark.parametrize("limit", [None, 1, 10, 66])
@pytest.mark.parametrize("sort", ["asc", "desc"])
async def test_longer_windows_are_whole_on_every_page(
    vendor: Vendor, timespan: str, limit: int | None, sort: str
) -> None:
    aggs = await vendor.call(
        lambda client: list(client.list_aggs("LONG", 1, timespan, "2013-01-01", "2016-01-01", sort=sort, limit=limit))
    )
    whole = windowed(WINDOWS[timespan], LONG)
    assert [vars(agg) for agg in aggs] == (whole if sort == "asc" else whole[::-1])


async def test_a_range_is_widened_to_whole_windows(vendor: Vendor) -> None:
    # A Wednesday to the Monday after next week: three weeks from Sundays.
    weeks = await vendor.call(lambda client: client.get_aggs("LONG", 1, "week", "2014-03-05", "2014-03-17"))
    assert [vars(week) for week in weeks] == windowed(
        sunday, [bar for bar in LONG if dt.date(2014, 3, 2) <= bar.session <= dt.date(2014, 3, 22)]
    )
    # A Sunday is the first day of its week.
    (week,) = await vendor.call(lambda client: client.get_aggs("LONG", 1, "week", "2014-03-09", "2014-03-09"))
    assert week.timestamp == new_york(dt.date(2014, 3, 9))


@pytest.mark.parametrize("ticker", ["NONE", "sevn", "HALT", "X'; DROP TABLE bar"])
async def test_a_ticker_without_bars_has_none_and_is_no_error(vendor: Vendor, ticker: str) -> None:
    if ticker.isalpha():
        assert await vendor.call(lambda client: client.get_aggs(ticker, 1, "day", june(1), june(30))) == []
        assert await vendor.call(lambda client: list(client.list_aggs(ticker, 1, "week", june(1), june(30)))) == []
        assert await vendor.call(lambda client: client.get_previous_close_agg(ticker)) == []
    with pytest.raises(BAD_RESPONSE):
        await vendor.call(lambda client: client.get_daily_open_close_agg(ticker, june(5)))


@pytest.mark.parametrize(("ticker", "close"), [("BCPC", 55.5), ("BCpC", 25.5), ("BRK.B", 126.5), ("A/B", 3.5)])
async def test_a_ticker_is_taken_as_it_is_written(vendor: Vendor, ticker: str, close: float) -> None:
    (agg,) = await vendor.call(lambda client: client.get_aggs(ticker, 1, "day", june(5), june(5)))
    assert agg.close == close
    (previous,) = await vendor.call(lambda client: client.get_previous_close_agg(ticker))
    assert (previous.ticker, previous.close) == (ticker, close)
    assert (await vendor.call(lambda client: client.get_daily_open_close_agg(ticker, june(5)))).close == close


async def test_a_slash_may_be_encoded(vendor_like: Client) -> None:
    answer = await vendor_like.ask("/v2/aggs/ticker/A%2FB/range/1/day/2014-06-05/2014-06-05")
    assert [bar["c"] for bar in answer.json["results"]] == [3.5]


async def test_the_whole_market_of_a_date(vendor: Vendor) -> None:
    def ask(client: Any, day: Any, **how: Any) -> list[dict[str, Any]]:
        return [vars(agg) for agg in client.get_grouped_daily_aggs(day, **how)]

    known = [bar for bar in ALL_BARS if bar.session == june(5)]
    ratios = {"AAPL": 28.0, "SEVN": 7.0, "LONG": 2.0}

    def expected(*, adjusted: bool) -> list[dict[str, Any]]:
        ratio = ratios if adjusted else {}
        stamp = {"timestamp": new_york(june(5), 16)}
        return [{"ticker": bar.ticker, **as_agg(bar, ratio.get(bar.ticker, 1.0)), **stamp} for bar in known]

    assert len(known) == 8
    assert await vendor.call(lambda client: ask(client, june(5))) == expected(adjusted=True)
    assert await vendor.call(lambda client: ask(client, "2014-06-05", adjusted=False)) == expected(adjusted=False)
    assert await vendor.call(lambda client: ask(client, june(5), include_otc=True)) == expected(adjusted=True)
    assert await vendor.call(lambda client: ask(client, june(7))) == []


async def test_one_bar_as_a_flat_object(vendor: Vendor) -> None:
    def ask(client: Any, **how: Any) -> dict[str, Any]:
        return dict(vars(client.get_daily_open_close_agg("SEVN", june(6), **how)))

    bar = SEVN[1]
    flat = {
        "from_": "2014-06-06",
        "symbol": "SEVN",
        "status": "OK",
        "after_hours": None,
        "pre_market": None,
        "otc": None,
    }
    for adjusted, ratio in ((False, 1.0), (True, 7.0)):
        prices = {name: getattr(bar, name) / ratio for name in ("open", "high", "low", "close")}
        expected = {**flat, **prices, "volume": bar.volume * ratio}
        assert await vendor.call(partial(ask, adjusted=adjusted)) == expected


async def test_a_date_without_a_bar_is_not_found(vendor: Vendor) -> None:
    with pytest.raises(BAD_RESPONSE, match=NOT_FOUND):
        await vendor.call(lambda client: client.get_daily_open_close_agg("SEVN", "2014-06-07"))


async def test_the_bar_before_today(vendor: Vendor) -> None:
    (previous,) = await vendor.call(lambda client: client.get_previous_close_agg("SEVN"))
    last = SEVN[-1]
    assert vars(previous) == {
        "ticker": "SEVN",
        "open": last.open,
        "high": last.high,
        "low": last.low,
        "close": last.close,
        "volume": last.volume,
        "vwap": last.vwap,
        "timestamp": new_york(last.session, 16),
    }
    assert last.session < TODAY


@pytest.mark.parametrize(
    ("multiplier", "timespan", "first", "last", "why"),
    [
        (5, "day", "2014-06-01", "2014-06-30", "multiplier is 5: must be a whole number from 1 to 1"),
        (1, "minute", "2014-06-01", "2014-06-30", "timespan is minute: must be one of day, "),
        (1, "day", "2014-06-30", "2014-06-01", "to is 2014-06-01: must not be before from"),
        (1, "day", "2014-06-31", "2014-07-01", "from is 2014-06-31: must be a date that exists"),
        (1, "day", "june", "2014-07-01", "from is june"),
        (1, "day", "-99999999999999", "2014-06-01", "from is -99999999999999"),
    ],
)
async def test_what_cannot_be_served_is_refused_as_the_vendor_does(
    vendor: Vendor, multiplier: int, timespan: str, first: str, last: str, why: str
) -> None:
    with pytest.raises(BAD_RESPONSE, match=f'"status":"ERROR".*"error":"{why}'):
        await vendor.call(lambda client: client.get_aggs("SEVN", multiplier, timespan, first, last))
