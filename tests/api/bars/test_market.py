"""GET /api/v1/market/{date}: every symbol of a session, the same bars as those of each symbol alone."""

from typing import Any

import pytest

from tests.api.market import BARS, june
from tests.api.served import Client


async def alone(client: Client, day: int, query: str) -> list[dict[str, Any]]:
    """Return the bars that /historical has of a session."""
    rows = []
    for symbol in sorted({bar.ticker for bar in BARS}, key=str.encode):
        answer = await client.ask(f"/api/v1/historical/{symbol}?start={june(day)}&end={june(day)}{query}")
        rows += [{"symbol": symbol, **bar} for bar in answer.json["bars"]]
    return rows


@pytest.mark.parametrize("day", [5, 6, 9, 11])
@pytest.mark.parametrize(
    "query",
    ["", "adjusted=none", "adjusted=all", "as_of=2014-06-08", "as_of=2019-01-01&adjusted=all", "validated_only=true"],
)
async def test_a_session_has_the_bars_that_each_symbol_has(client: Client, day: int, query: str) -> None:
    answer = await client.ask(f"/api/v1/market/{june(day)}?{query}")
    assert answer.status == 200, answer.body
    assert answer.json["bars"] == await alone(client, day, f"&{query}" if query else "")
    assert answer.json["count"] == len(answer.json["bars"])


async def test_the_order_of_symbols_can_be_turned_round_and_cut_into_pages(client: Client) -> None:
    whole = (await client.ask(f"/api/v1/market/{june(5)}")).json["bars"]
    for order, expected in (("asc", whole), ("desc", whole[::-1])):
        rows: list[dict[str, Any]] = []
        cursor = ""
        while len(rows) < len(expected):
            page = (await client.ask(f"/api/v1/market/{june(5)}?order={order}&limit=2{cursor}")).json
            assert page["symbols_with_bars"] == len(expected)
            rows += page["bars"]
            cursor = f"&cursor={page['next_cursor']}"
        assert page["next_cursor"] is None
        assert rows == expected


@pytest.mark.parametrize(
    ("date", "is_session", "reason"),
    [
        ("2014-06-07", False, "the exchange did not trade on 2014-06-07"),
        ("2026-11-23", True, "there is no bar of 2026-11-23"),
    ],
)
async def test_a_date_without_bars_says_why(client: Client, date: str, is_session: bool, reason: str) -> None:
    answer = (await client.ask(f"/api/v1/market/{date}")).json
    assert (answer["count"], answer["is_session"], answer["reason"]) == (0, is_session, reason)


async def test_bars_left_out_are_the_reason_too(client: Client) -> None:
    answer = (await client.ask(f"/api/v1/market/{june(10)}?validated_only=true")).json
    assert (answer["count"], answer["symbols_with_bars"]) == (0, 2)
    assert answer["reason"] == "none of the 2 bars of 2014-06-10 is left"
