"""GET /api/v1/historical/{symbol}: every parameter, and what it leaves out or restates."""

import datetime as dt
from typing import Any

import asyncpg
import msgspec
import pytest

from api.bars.bar import Bar
from api.bars.historical import Bars
from tests.api.market import BARS, GENERATION_ID, RULESET_HASH, KnownBar, KnownSplit, june, project
from tests.api.served import Client, served

SEVN = [bar for bar in BARS if bar.ticker == "SEVN"]


async def bars_of(client: Client, target: str) -> Bars:
    """Return the answer of the route, which must be of its documented type."""
    answer = await client.ask(f"/api/v1/historical/{target}")
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    bars = msgspec.json.decode(answer.body, type=Bars)
    assert bars.count == len(bars.bars)
    assert (bars.reason is None) == bool(bars.bars)
    return bars


async def test_bars_as_traded_are_exactly_those_of_the_projection(client: Client) -> None:
    bars = await bars_of(client, "SEVN?adjusted=none")
    fields = [
        field for field in KnownBar.__struct_fields__ if field in Bar.__struct_fields__ and field != "failed_rules"
    ]
    assert len(fields) == 12
    assert [[getattr(bar, field) for field in fields] for bar in bars.bars] == [
        [getattr(bar, field) for field in fields] for bar in SEVN
    ]
    assert (bars.adjusted, bars.as_of) == ("none", None)


async def test_prices_before_a_seven_for_one_split_are_divided_by_exactly_seven(client: Client) -> None:
    bars = await bars_of(client, "SEVN")
    for served_bar, known in zip(bars.bars, SEVN, strict=True):
        ratio = 7.0 if known.session < june(9) else 1.0
        assert served_bar.open == known.open / ratio
        assert served_bar.high == known.high / ratio
        assert served_bar.low == known.low / ratio
        assert served_bar.close == known.close / ratio
        assert served_bar.vwap == (None if known.vwap is None else known.vwap / ratio)
        assert served_bar.volume == known.volume * ratio
        assert served_bar.trades == known.trades
        assert served_bar.gap == known.gap


async def test_adjusted_bars_say_so_and_as_of_which_date_in_new_york(client: Client) -> None:
    bars = await bars_of(client, "SEVN")
    assert (bars.adjusted, bars.as_of) == ("splits", dt.date(2026, 11, 21))


async def test_later_splits_reach_back_over_earlier_ones(client: Client) -> None:
    bars = await bars_of(client, "AAPL")
    assert bars.bars[0].open == 646.2 / 28
    assert bars.bars[2].open == 92.7 / 4


async def test_a_split_of_tomorrow_in_new_york_is_not_applied_yet(client: Client) -> None:
    assert (await bars_of(client, "SOON")).bars[0].open == 10.0


async def test_a_bar_carries_its_verdict_by_the_names_of_the_rules(client: Client) -> None:
    bars = (await bars_of(client, "SEVN")).bars
    assert [bar.failed_rules for bar in bars] == [
        [],
        [],
        ["corporate_action"],
        ["large_gap"],
        ["high_brackets", "volume_anomaly"],
    ]
    assert [bar.gap_detected for bar in bars] == [False, False, False, True, False]
    assert [bar.volume_anomaly for bar in bars] == [False, False, False, False, True]


async def test_the_gap_note_says_how_large_a_gap_is(client: Client) -> None:
    notes = [bar.gap_note for bar in (await bars_of(client, "SEVN")).bars]
    assert notes == [None, None, "moderate", "extreme", "large"]


async def test_what_the_vendor_did_not_send_is_null(client: Client) -> None:
    answer = await client.ask("/api/v1/historical/SEVN")
    first = answer.json["bars"][0]
    assert [first[name] for name in ("vwap", "trades", "gap", "volume_ratio", "gap_note")] == [None] * 5


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", [5, 6, 9, 10, 11]),
        ("start=2014-06-06", [6, 9, 10, 11]),
        ("end=2014-06-06", [5, 6]),
        ("start=2014-06-06&end=2014-06-09", [6, 9]),
        ("start=2014-06-09&end=2014-06-09", [9]),
        ("start=0001-01-01&end=9999-12-31", [5, 6, 9, 10, 11]),
        ("validated_only=true", [5, 6, 9]),
        ("validated_only=True", [5, 6, 9]),
        ("validated_only=1", [5, 6, 9]),
        ("validated_only=false", [5, 6, 9, 10, 11]),
        ("validated_only=0", [5, 6, 9, 10, 11]),
        ("min_quality=0", [5, 6, 9, 10, 11]),
        ("min_quality=0.8", [5, 6, 9, 10]),
        ("min_quality=0.81", [5, 6, 9]),
        ("min_quality=1", [5, 6]),
        ("min_quality=0.5&validated_only=true&start=2014-06-09&adjusted=none", [9]),
    ],
)
async def test_parameters_choose_the_bars(client: Client, query: str, days: list[int]) -> None:
    bars = await bars_of(client, f"SEVN?{query}")
    assert [bar.session for bar in bars.bars] == [june(day) for day in days]


async def test_the_range_answered_is_the_one_asked_for_or_else_all_there_is(client: Client) -> None:
    asked = await bars_of(client, "SEVN?start=2014-06-01&end=2014-06-30")
    assert (asked.start, asked.end) == (june(1), june(30))
    open_ended = await bars_of(client, "SEVN")
    assert (open_ended.start, open_ended.end) == (june(5), june(11))


async def test_symbols_that_differ_in_case_are_different_securities(client: Client) -> None:
    assert (await bars_of(client, "BCPC")).bars[0].close == 55.5
    assert (await bars_of(client, "BCpC")).bars[0].close == 25.5
    assert (await client.ask("/api/v1/historical/bcpc")).refusal().code == "unknown_symbol"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            "SEVN?start=2014-07-01&end=2014-07-31",
            "SEVN has bars from 2014-06-05 to 2014-06-11, none from 2014-07-01 to 2014-07-31",
        ),
        ("SEVN?end=2014-06-01", "SEVN has bars from 2014-06-05 to 2014-06-11, none from the beginning to 2014-06-01"),
        ("SEVN?start=2014-06-10&validated_only=true", "validated_only leaves none of 2 bars"),
        ("SEVN?start=2014-06-10&min_quality=0.9", "min_quality=0.9 leaves none of 2 bars"),
        (
            "SEVN?start=2014-06-10&min_quality=0.9&validated_only=1",
            "validated_only and min_quality=0.9 leave none of 2 bars",
        ),
        ("HALT", "HALT is known and has no bars"),
        ("JUNK", "JUNK is known and has no bars; 3 rows about it were rejected"),
    ],
)
async def test_a_known_symbol_without_bars_says_why(client: Client, target: str, reason: str) -> None:
    bars = await bars_of(client, target)
    assert (bars.bars, bars.reason) == ([], reason)


async def test_the_answer_names_its_generation(client: Client) -> None:
    generation = (await bars_of(client, "SEVN")).generation
    assert (generation.generation_id, generation.checkpoint) == (GENERATION_ID, 2)
    assert generation.ruleset_hash == RULESET_HASH


async def test_an_answer_that_is_held_is_not_sent_again(client: Client) -> None:
    target = "/api/v1/historical/SEVN"
    first = await client.ask(target)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for held in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await client.ask(target, headers={"If-None-Match": held})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert (await client.ask(target, headers={"If-None-Match": '"other"'})).status == 200
    for other in (f"{target}?adjusted=none", f"{target}?start=2014-06-06", "/api/v1/historical/AAPL"):
        assert (await client.ask(other, headers={"If-None-Match": tag})).status == 200
    assert (await client.ask("/api/v1/historical/NONE", headers={"If-None-Match": tag})).status == 404


async def test_a_catch_up_makes_a_held_answer_stale(database_url: str, projector: asyncpg.Connection) -> None:
    await project(projector)
    async with served(database_url) as client:
        target = "/api/v1/historical/SEVN?adjusted=none"
        tag = (await client.ask(target)).headers["etag"]
        async with projector.transaction():
            await projector.execute("UPDATE projection.generation SET checkpoint = 3")
            await projector.execute("UPDATE projection.bar SET close = 1 WHERE ticker = 'SEVN'")
        again = await client.ask(target, headers={"If-None-Match": tag})
        assert again.status == 200
        assert {bar["close"] for bar in again.json["bars"]} == {1.0}


async def test_a_range_across_years_is_whole_and_in_order(database_url: str, projector: asyncpg.Connection) -> None:
    days = [dt.date(year, month, 15) for year in range(1990, 2003) for month in range(1, 13)]
    known = [KnownBar("LONG", day, 1.0, 2.0, 0.5, 1.5, float(place)) for place, day in enumerate(days)]
    split = KnownSplit("LONG", "reverse", dt.date(1996, 1, 15), 10.0, 1.0)
    await project(projector, bars=known, splits=[split])
    async with served(database_url) as client:
        bars = (await bars_of(client, "LONG")).bars
    assert [bar.session for bar in bars] == days
    assert [bar.close for bar in bars] == [15.0 if day < split.ex_date else 1.5 for day in days]


async def test_head_has_the_headers_of_get_and_no_body(client: Client) -> None:
    got: Any = await client.ask("/api/v1/historical/SEVN")
    head = await client.ask("/api/v1/historical/SEVN", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert head.headers[name] == got.headers[name]
