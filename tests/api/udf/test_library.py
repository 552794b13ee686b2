"""The charting library on this datafeed: it is ready, searches, resolves, goes back to the beginning, and marks."""

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.market import NOW, june
from tests.api.served import Client
from tests.api.udf.conftest import (
    DAYS,
    FLAGGED,
    HOLIDAY,
    LONG,
    ODDLY_FLAGGED,
    REAL,
    RESTATED,
    WEEKEND_DIVIDEND,
    real_rows,
)
from tests.api.udf.library import Datafeed, DatafeedError, Json

_NOW_S = int(NOW.timestamp())
_EVER: Any = {"begin": 0, "end": _NOW_S}


def at(date: dt.date) -> int:
    """Return midnight UTC of a date, in seconds since 1970."""
    return int(dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC).timestamp())


def day(time: int) -> dt.date:
    """Return the date whose midnight UTC a time is."""
    return dt.datetime.fromtimestamp(time, dt.UTC).date()


@pytest.fixture
async def datafeed(charts: Client) -> Datafeed:
    """Return a datafeed that is ready."""
    datafeed = Datafeed(charts)
    await datafeed.ready()
    return datafeed


async def _back_to_the_beginning(datafeed: Datafeed, ticker: str, resolution: str, countback: int) -> Json:
    info = await datafeed.resolve(ticker)
    whole: Json = {name: [] for name in "tohlcv"}
    async for page in datafeed.all_bars(info, resolution, now=_NOW_S, countback=countback):
        whole = {name: page[name] + whole[name] for name in whole}
    return whole


async def test_the_library_gets_ready_and_knows_the_time(datafeed: Datafeed) -> None:
    assert datafeed.configuration["supported_resolutions"] == ["1D", "1W", "1M", "3M", "12M"]
    assert [exchange["value"] for exchange in datafeed.configuration["exchanges"]] == ["", "XASE", "XNAS", "XNYS", "US"]
    assert await datafeed.server_time() == _NOW_S


async def test_a_search_finds_tickers_before_names_whatever_the_case(datafeed: Datafeed) -> None:
    assert [one["ticker"] for one in await datafeed.search("aapl")] == ["AAPL"]
    assert [one["ticker"] for one in await datafeed.search("bcp")] == ["BCPC", "BCpC"]
    assert [one["ticker"] for one in await datafeed.search("on")] == ["LONG", "SOON"]
    assert [one["ticker"] for one in await datafeed.search("apple")] == ["AAPL"]
    assert (await datafeed.search("lasting"))[0]["description"] == "Long <Lasting> & Co"
    # A name that the ticker had before, and one that has no bars.
    assert await datafeed.search("gone") == []
    assert await datafeed.search("nobars") == []


async def test_a_search_is_narrowed_by_exchange_and_type(datafeed: Datafeed) -> None:
    assert [one["ticker"] for one in await datafeed.search("", exchange="XNYS")] == ["LONG"]
    assert {one["exchange"] for one in await datafeed.search("", exchange="US")} == {"US"}
    everything = await datafeed.search("", kind="stock")
    assert [one["ticker"] for one in everything] == ["AAPL", "BCPC", "BCpC", "LONG", "PNNY", "SEVN", "SOON"]


async def test_a_symbol_is_resolved_with_what_the_listing_says(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    assert (info["description"], info["exchange"], info["pricescale"]) == ("Long <Lasting> & Co", "XNYS", 100)
    assert (info["session"], info["timezone"], info["type"]) == ("0930-1600", "America/New_York", "stock")
    unlisted = await datafeed.resolve("SEVN")
    assert (unlisted["description"], unlisted["exchange"]) == ("SEVN", "US")


async def test_prices_below_a_dollar_have_four_decimals(datafeed: Datafeed) -> None:
    assert (await datafeed.resolve("PNNY"))["pricescale"] == 10_000


async def test_the_table_of_an_exchange_says_what_the_symbols_say(datafeed: Datafeed) -> None:
    rows = {row["symbol"]: row for row in await datafeed.all_symbols("")}
    assert sorted(rows) == sorted({one["ticker"] for one in await datafeed.search("")})
    for ticker, row in rows.items():
        info = await datafeed.resolve(ticker)
        for theirs, ours in (
            ("description", "description"),
            ("pricescale", "pricescale"),
            ("exchange-listed", "listed_exchange"),
            ("minmovement", "minmov"),
            ("session-regular", "session"),
            ("supported-resolutions", "supported_resolutions"),
        ):
            assert row[theirs] == info[ours]
    assert [row["symbol"] for row in await datafeed.all_symbols("XNYS")] == ["LONG"]
    assert await datafeed.all_symbols("XXXX") == []


@pytest.mark.parametrize("countback", [100, 329, 5000])
async def test_daily_bars_to_the_beginning_are_all_there_are(datafeed: Datafeed, countback: int) -> None:
    whole = await _back_to_the_beginning(datafeed, "LONG", "1D", countback)
    assert list(map(day, whole["t"])) == DAYS
    assert list(zip(whole["o"], whole["h"], whole["l"], whole["c"], whole["v"], strict=True)) == [
        (bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in LONG
    ]


@pytest.mark.parametrize(
    ("resolution", "window"),
    [
        ("1W", lambda date: date.isocalendar()[:2]),
        ("1M", lambda date: (date.year, date.month)),
        ("3M", lambda date: (date.year, (date.month - 1) // 3)),
        ("12M", lambda date: date.year),
    ],
)
@pytest.mark.parametrize("countback", [2, 7, 5000])
async def test_longer_bars_are_those_of_their_days_wherever_a_page_ends(
    datafeed: Datafeed, resolution: str, window: object, countback: int
) -> None:
    assert callable(window)
    days_of: dict[object, list[int]] = {}
    for number, date in enumerate(DAYS):
        days_of.setdefault(window(date), []).append(number)
    whole = await _back_to_the_beginning(datafeed, "LONG", resolution, countback)
    # Stamped with the first session that has a bar, as the protocol wants it of months.
    assert list(map(day, whole["t"])) == [DAYS[numbers[0]] for numbers in days_of.values()]
    assert whole["o"] == [LONG[numbers[0]].open for numbers in days_of.values()]
    assert whole["c"] == [LONG[numbers[-1]].close for numbers in days_of.values()]
    assert whole["h"] == [max(LONG[number].high for number in numbers) for numbers in days_of.values()]
    assert whole["l"] == [min(LONG[number].low for number in numbers) for numbers in days_of.values()]
    assert whole["v"] == [sum(LONG[number].volume for number in numbers) for numbers in days_of.values()]


async def test_a_week_that_begins_with_a_holiday_is_stamped_with_its_tuesday(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    page = await datafeed.bars(info, "W", begin=at(HOLIDAY), end=at(HOLIDAY) + 5 * 86_400)
    assert list(map(day, page["t"])) == [HOLIDAY + dt.timedelta(days=1)]


async def test_a_range_without_countback_has_its_beginning_and_not_its_end(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    page = await datafeed.bars(info, "D", begin=at(DAYS[10]), end=at(DAYS[20]))
    assert list(map(day, page["t"])) == DAYS[10:20]
    page = await datafeed.bars(info, "D", begin=at(DAYS[10]) + 1, end=at(DAYS[20]) + 1)
    assert list(map(day, page["t"])) == DAYS[11:21]


async def test_countback_goes_before_from(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    page = await datafeed.bars(info, "1D", begin=at(DAYS[19]), end=at(DAYS[20]), countback=12)
    assert list(map(day, page["t"])) == DAYS[8:20]


async def test_an_empty_range_names_the_closest_bar_before_it(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    page = await datafeed.bars(info, "1D", begin=at(HOLIDAY), end=at(HOLIDAY) + 86_400)
    assert (page["s"], day(page["nextTime"])) == ("no_data", HOLIDAY - dt.timedelta(days=3))
    page = await datafeed.bars(info, "1M", begin=at(DAYS[-1]) + 40 * 86_400, end=_NOW_S)
    assert (page["s"], day(page["nextTime"])) == ("no_data", dt.date(2025, 6, 2))
    assert await datafeed.bars(info, "1D", begin=0, end=at(DAYS[0])) == {"s": "no_data"}


async def test_prices_are_in_shares_of_today_unless_asked_for_as_traded(datafeed: Datafeed, charts: Client) -> None:
    info = await datafeed.resolve("SEVN")
    page = await datafeed.bars(info, "1D", begin=0, end=at(june(9)))
    assert page["c"] == pytest.approx([647.35 / 7, 645.57 / 7])
    assert page["v"] == pytest.approx([10850000.0 * 7, 12497800.5 * 7])
    as_traded = (await charts.ask(f"/udf/history?symbol=SEVN&to={at(june(9))}&adjusted=none")).json
    assert as_traded["c"] == [647.35, 645.57]


async def test_a_known_symbol_without_bars_is_an_empty_chart(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("HALT")
    assert await datafeed.bars(info, "1D", **_EVER, countback=300) == {"s": "no_data"}
    assert await datafeed.marks(info, "1D", **_EVER) == []
    assert await datafeed.timescale_marks(info, "1W", **_EVER) == []


async def test_splits_dividends_flagged_and_restated_bars_are_marked(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    marks = await datafeed.marks(info, "1D", **_EVER)
    told = {(mark["label"], day(mark["time"])): mark["text"] for mark in marks}
    assert told[("D", dt.date(2023, 8, 11))] == "2023-08-11 dividend 0.24 per share"
    # Stated for a Saturday, so shown on the next bar; the one after the newest bar has no bar to stand on.
    monday = WEEKEND_DIVIDEND + dt.timedelta(days=2)
    assert told[("D", monday)] == "2024-06-15 dividend 0.25 per share, not applied: contradicted"
    assert told[("R", RESTATED)] == "2024-03-01 restated 2 times, last on 2026-11-25"
    assert told[("!", FLAGGED[0])] == "2024-02-01 failed large_gap"
    assert told[("!", ODDLY_FLAGGED)] == "2024-04-01 failed a&lt;b&gt;"
    assert sorted(told) == sorted(
        [
            ("D", dt.date(2023, 8, 11)),
            ("D", monday),
            ("R", RESTATED),
            *(("!", date) for date in [*FLAGGED, ODDLY_FLAGGED]),
        ]
    )
    split = (await datafeed.marks(await datafeed.resolve("SEVN"), "1D", **_EVER))[0]
    assert (split["label"], split["text"], day(split["time"])) == ("S", "2014-06-09 split 7 for 1", june(9))


async def test_marks_of_long_bars_stand_on_them_and_are_one_of_a_kind(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    for resolution in datafeed.configuration["supported_resolutions"]:
        bars = set((await datafeed.bars(info, resolution, **_EVER))["t"])
        for marks in (
            await datafeed.marks(info, resolution, **_EVER),
            await datafeed.timescale_marks(info, resolution, **_EVER),
        ):
            assert marks
            assert {mark["time"] for mark in marks} <= bars
            kinds = [(mark["time"], mark["label"]) for mark in marks]
            assert len(kinds) == len(set(kinds))
    monthly = [mark for mark in await datafeed.marks(info, "1M", **_EVER) if mark["label"] == "!"]
    lines = monthly[0]["text"].split("<br>")
    assert (len(lines), lines[-1]) == (8, f"and {len(FLAGGED) - 7} more")


async def test_marks_are_those_of_the_range(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    marks = await datafeed.marks(info, "1D", begin=at(FLAGGED[1]), end=at(FLAGGED[3]))
    assert [day(mark["time"]) for mark in marks] == FLAGGED[1:4]


async def test_the_axis_has_splits_and_dividends_only(datafeed: Datafeed) -> None:
    marks = await datafeed.timescale_marks(await datafeed.resolve("LONG"), "1D", **_EVER)
    assert {mark["label"] for mark in marks} == {"D"}
    assert marks[0]["tooltip"] == ["2023-08-11 dividend 0.24 per share"]


async def test_an_unknown_symbol_is_an_error_the_library_understands(datafeed: Datafeed, charts: Client) -> None:
    with pytest.raises(DatafeedError, match="AAPLX is not known"):
        await datafeed.resolve("AAPLX")
    with pytest.raises(DatafeedError, match="AAPLX is not known"):
        await datafeed.bars({"ticker": "AAPLX"}, "1D", **_EVER)
    assert (await charts.ask("/udf/symbols?symbol=AAPLX")).status == 404
    assert (await charts.ask("/udf/history?symbol=AAPLX")).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/udf/history?symbol=LONG&resolution=5",
        "/udf/history?symbol=LONG&to=1e99",
        "/udf/history?symbol=LONG&from=-999999999999",
        "/udf/history?symbol=LONG&countback=-1",
        "/udf/history?symbol=A%00",
        "/udf/symbols",
        "/udf/search?limit=0",
        "/udf/search?query=%00",
        "/udf/symbol_info?group=../..",
        "/udf/marks?symbol=LONG&resolution=1",
    ],
)
async def test_what_cannot_be_read_is_refused_in_the_librarys_words_and_in_ours(charts: Client, target: str) -> None:
    answer = await charts.ask(target)
    body = json.loads(answer.body)
    assert answer.status == 422
    assert (body["s"], body["errmsg"]) == ("error", body["error"]["message"])
    assert body["error"]["code"] in ("invalid_parameter", "missing_parameter")


async def test_an_answer_that_still_stands_is_not_sent_again(charts: Client) -> None:
    for target in (
        "/udf/config",
        "/udf/symbols?symbol=LONG",
        "/udf/search?query=L",
        "/udf/symbol_info?group=XNYS",
        "/udf/history?symbol=LONG&resolution=1M",
        "/udf/marks?symbol=LONG",
        "/udf/timescale_marks?symbol=LONG",
    ):
        answer = await charts.ask(target)
        again = await charts.ask(target, headers={"If-None-Match": answer.headers["etag"]})
        assert (answer.status, again.status, again.body) == (200, 304, b"")


async def test_charts_that_load_at_once_get_the_same_as_one_after_the_other(datafeed: Datafeed) -> None:
    info = await datafeed.resolve("LONG")
    pages = await asyncio.gather(*(datafeed.bars(info, "1W", **_EVER, countback=10) for _ in range(20)))
    assert all(page == pages[0] for page in pages)


@pytest.mark.parametrize("ticker", REAL)
async def test_decades_of_the_real_market_are_charted_to_the_beginning(
    real_charts: Client, market_data: Path, ticker: str
) -> None:
    datafeed = Datafeed(real_charts)
    await datafeed.ready()
    rows = [row for row in real_rows(market_data) if row["ticker"] == ticker]
    info = await datafeed.resolve((await datafeed.search(ticker))[0]["ticker"])
    for resolution in datafeed.configuration["supported_resolutions"]:
        whole = await _back_to_the_beginning(datafeed, ticker, resolution, 3000)
        assert day(whole["t"][0]) == dt.date.fromisoformat(rows[0]["date"])
        assert sum(whole["v"]) > 0
        marks = await datafeed.marks(info, resolution, **_EVER)
        axis = await datafeed.timescale_marks(info, resolution, **_EVER)
        assert {mark["time"] for mark in (*marks, *axis)} <= set(whole["t"])
        assert "S" in {mark["label"] for mark in marks}
        if resolution == "1D":
            assert [str(day(time)) for time in whole["t"]] == [row["date"] for row in rows]
            # After the last split, prices are as they were traded.
            newest = [float(rows[-1][name]) for name in ("open", "high", "low", "close", "volume")]
            assert [whole[name][-1] for name in "ohlcv"] == newest
