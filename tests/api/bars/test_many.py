"""GET /api/v1/bars: many symbols in one answer, the same bars as one by one, whole, by pages and streamed."""

import datetime as dt
import io
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.api.market import BARS, KNOWN_FROM, june
from tests.api.served import Client

SYMBOLS = sorted({bar.ticker for bar in BARS}, key=str.encode)


async def rows_of(client: Client, query: str) -> list[dict[str, Any]]:
    """Return the bars of an answer of one page."""
    answer = await client.ask(f"/api/v1/bars{query}")
    assert answer.status == 200, answer.body
    assert answer.json["count"] == len(answer.json["bars"])
    assert answer.json["next_cursor"] is None
    rows: list[dict[str, Any]] = answer.json["bars"]
    return rows


async def one_by_one(client: Client, query: str) -> list[dict[str, Any]]:
    """Return the bars of /historical of every symbol, one after the other."""
    rows = []
    for symbol in SYMBOLS:
        answer = await client.ask(f"/api/v1/historical/{symbol}{query}")
        rows += [{"symbol": symbol, **bar} for bar in answer.json["bars"]]
    return rows


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?adjusted=none",
        "?adjusted=all",
        "?as_of=2014-06-10",
        "?start=2014-06-06&end=2014-06-10",
        "?timeframe=1w",
        "?timeframe=1mo&order=desc",
        "?order=desc&adjusted=none",
        "?validated_only=true",
        "?min_quality=0.5",
    ],
)
async def test_many_symbols_have_the_bars_that_each_has_alone(client: Client, query: str) -> None:
    assert await rows_of(client, query) == await one_by_one(client, query)


async def test_symbols_come_in_byte_order_whatever_the_order_asked_for(client: Client) -> None:
    rows = await rows_of(client, "?symbols=SEVN,BCpC,BCPC")
    assert list(dict.fromkeys(row["symbol"] for row in rows)) == ["BCPC", "BCpC", "SEVN"]


async def test_an_unknown_symbol_among_many_is_named(client: Client) -> None:
    error = (await client.ask("/api/v1/bars?symbols=SEVN,sevn")).refusal()
    assert (error.code, error.parameter) == ("unknown_symbol", "symbols")
    assert "symbol sevn " in error.message


async def test_a_known_symbol_without_bars_has_none_and_its_coverage(client: Client) -> None:
    answer = await client.ask("/api/v1/bars?symbols=HALT,SEVN")
    assert {row["symbol"] for row in answer.json["bars"]} == {"SEVN"}
    assert [each["symbol"] for each in answer.json["coverage"]] == ["HALT", "SEVN"]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 5, 7])
async def test_pages_hold_every_bar_once(client: Client, order: str, limit: int) -> None:
    rows: list[dict[str, Any]] = []
    query = f"?order={order}&limit={limit}"
    cursor = ""
    while True:
        answer = (await client.ask(f"/api/v1/bars{query}{cursor}")).json
        assert len(answer["bars"]) <= limit
        rows += answer["bars"]
        if answer["next_cursor"] is None:
            break
        assert len(answer["bars"]) == limit
        cursor = f"&cursor={answer['next_cursor']}"
    assert rows == await one_by_one(client, f"?order={order}")


async def test_a_cursor_of_the_other_order_is_refused(client: Client) -> None:
    cursor = (await client.ask("/api/v1/bars?limit=3")).json["next_cursor"]
    assert (await client.ask(f"/api/v1/bars?order=desc&cursor={cursor}")).refusal().parameter == "cursor"


async def test_parquet_and_csv_have_all_bars_without_a_limit(client: Client) -> None:
    parquet = pyarrow.parquet.read_table(io.BytesIO((await client.ask("/api/v1/bars.parquet")).body))
    csv = pyarrow.csv.read_csv(io.BytesIO((await client.ask("/api/v1/bars.csv")).body))
    expected = [(row["symbol"], row["close"]) for row in await one_by_one(client, "")]
    for table in (parquet, csv):
        assert list(zip(table["symbol"].to_pylist(), table["close"].to_pylist(), strict=True)) == expected


async def test_what_was_known_at_an_instant_is_told_of_few_symbols(client: Client) -> None:
    later = (KNOWN_FROM + dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = await rows_of(client, f"?symbols=BCPC,BCpC&known_at={later}&adjusted=none")
    assert [(row["symbol"], row["close"]) for row in rows] == [("BCPC", 55.5), ("BCpC", 25.5)]
    before = (KNOWN_FROM - dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await rows_of(client, f"?symbols=BCPC&known_at={before}") == []


async def test_what_was_known_at_an_instant_is_not_told_of_all_symbols(client: Client) -> None:
    error = (await client.ask("/api/v1/bars?known_at=2026-11-20T21:00:00Z")).refusal()
    assert (error.code, error.parameter) == ("invalid_parameter", "known_at")
    assert error.message.endswith("needs symbols, and 50 of them at most")


async def test_a_range_without_bars_is_empty(client: Client) -> None:
    assert await rows_of(client, f"?start={june(12)}") == []


@pytest.mark.parametrize("route", ["historical/BCPC?", "bars?symbols=BCPC&"])
async def test_coverage_is_of_the_range_asked_for_whatever_the_windows(client: Client, route: str) -> None:
    """The bar of Thursday, which the week of Friday reaches back to, makes up for none that is missing on Friday."""
    friday = f"start={june(6)}&end={june(6)}"
    daily = (await client.ask(f"/api/v1/{route}{friday}")).json
    weekly = (await client.ask(f"/api/v1/{route}{friday}&timeframe=1w")).json
    assert (len(daily["bars"]), len(weekly["bars"])) == (0, 1)
    assert weekly["coverage"] == daily["coverage"]
