"""GET /api/v1/symbols and /api/v1/symbols/{symbol}: what there is of every symbol, and all there is of one."""

import csv
from typing import Any

import asyncpg
import msgspec
import pytest

from api.cursor import encode_cursor
from api.overview.symbol import SymbolAnswer
from api.overview.symbols import Symbols
from tests.api.market import KnownBar, june, project
from tests.api.overview.conftest import HOLE, LAST, LISTED, RENAMED, SESSIONS
from tests.api.served import Client, served

PATH = "/api/v1/symbols"


async def _symbols(client: Client, query: str = "") -> Symbols:
    answer = await client.ask(f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Symbols)


async def _named(client: Client, query: str = "") -> list[str]:
    return [row.symbol for row in (await _symbols(client, query)).symbols]


async def _symbol(client: Client, symbol: str) -> SymbolAnswer:
    answer = await client.ask(f"{PATH}/{symbol}")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=SymbolAnswer)


async def test_all_symbols_are_told_of_in_byte_order_those_as_well_that_are_only_listed(overview: Client) -> None:
    found = await _symbols(overview)
    assert [row.symbol for row in found.symbols] == ["A", "B", "NEW", "NONE", "OLD", "ONLY"]
    assert (found.count, found.total, found.next_cursor) == (6, 6, None)
    a, b, _, none, _, only = found.symbols
    assert (a.name, a.type, a.primary_exchange, a.active) == ("Alpha Works Inc.", "CS", "XNAS", True)
    assert (a.first_session, a.last_session, a.bars, a.rejections) == (LISTED, LAST, 28, 1)
    assert (b.bars, b.validated_bars, b.gaps_flagged, b.revisions) == (37, 35, 2, 1)
    assert b.score == 35 / 37
    assert (b.name, b.active) == (None, None)
    assert (none.first_session, none.last_session, none.bars, none.score) == (None, None, 0, None)
    assert (only.name, only.type, only.bars) == ("Only Listed Corp.", "ETF", 0)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=on", ["NONE", "ONLY"]),
        ("search=alpha%20works", ["A"]),
        ("search=CORP.", ["NEW", "ONLY"]),
        ("search=old", ["OLD"]),
        ("search=%25", []),
        ("search=AAlpha", []),
        ("has_bars=true", ["A", "B", "NEW", "OLD"]),
        ("has_bars=false", ["NONE", "ONLY"]),
        ("active=true", ["A", "NEW", "ONLY"]),
        ("active=false", []),
        ("min_score=0.95", ["A", "NEW", "OLD"]),
        ("min_score=0.9&active=true&search=a", ["A", "NEW"]),
        ("order=desc&has_bars=true", ["OLD", "NEW", "B", "A"]),
        ("order=match&search=on", ["ONLY", "NONE"]),
        ("order=match&search=n", ["NEW", "NONE", "A", "ONLY"]),
        ("order=match&search=LI", ["ONLY"]),
        ("order=match&search=o", ["OLD", "ONLY", "A", "NEW", "NONE"]),
        ("order=match&has_bars=true", ["A", "B", "NEW", "OLD"]),
    ],
)
async def test_filters_leave_what_they_say(overview: Client, query: str, found: list[str]) -> None:
    assert await _named(overview, query) == found


@pytest.mark.parametrize(
    ("search", "found"),
    [("bcpc", ["BCPC", "BCpC"]), ("BCPC", ["BCPC", "BCpC"]), ("BCpC", ["BCpC", "BCPC"]), ("aapl", ["AAPL"])],
)
async def test_the_very_symbol_matches_best_then_one_in_another_case(
    client: Client, search: str, found: list[str]
) -> None:
    assert await _named(client, f"order=match&search={search}") == found


async def test_pages_in_order_of_the_match_follow_on_one_another(overview: Client) -> None:
    query = "order=match&limit=2&search=n"
    first = await _symbols(overview, query)
    second = await _symbols(overview, f"{query}&cursor={first.next_cursor}")
    assert [row.symbol for row in (*first.symbols, *second.symbols)] == ["NEW", "NONE", "A", "ONLY"]
    assert second.next_cursor is None
    for other in ("order=match&search=o", "order=asc&search=n"):
        assert (await overview.ask(f"{PATH}?{other}&cursor={first.next_cursor}")).refusal().parameter == "cursor"
    far = encode_cursor(2**63 - 1, "A", of="symbols match n")
    assert await _named(overview, f"{query}&cursor={far}") == []


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_follow_on_one_another(overview: Client, order: str) -> None:
    seen: list[str] = []
    query = f"order={order}&limit=1&search=n"
    cursor: str | None = ""
    while cursor is not None:
        page = await _symbols(overview, f"{query}&cursor={cursor}" if cursor else query)
        assert page.total == 4
        seen += [row.symbol for row in page.symbols]
        cursor = page.next_cursor
    assert seen == sorted(["A", "NEW", "NONE", "ONLY"], reverse=order == "desc")


async def test_a_cursor_of_the_other_order_is_refused(overview: Client) -> None:
    cursor = (await _symbols(overview, "limit=1")).next_cursor
    refused = await overview.ask(f"{PATH}?order=desc&cursor={cursor}")
    assert refused.status == 422
    assert refused.refusal().parameter == "cursor"


async def test_the_whole_list_comes_as_csv(overview: Client) -> None:
    answer = await overview.ask(f"{PATH}.csv")
    rows = list(csv.DictReader(answer.body.decode().splitlines()))
    assert [row["symbol"] for row in rows] == await _named(overview)
    assert (rows[0]["active"], rows[3]["score"], rows[3]["first_session"]) == ("true", "", "")


async def test_who_holds_the_list_is_told_so_until_the_projection_changes(
    database_url: str, projector: asyncpg.Connection
) -> None:
    await project(projector)
    async with served(database_url) as client:
        first = await client.ask(PATH)
        held = {"If-None-Match": first.headers["etag"]}
        assert (await client.ask(PATH, headers=held)).status == 304
        await projector.execute("UPDATE projection.generation SET checkpoint = checkpoint + 1")
        await projector.execute("UPDATE projection.symbol_status SET revisions = 7 WHERE ticker = 'AAPL'")
        second = await client.ask(PATH, headers=held)
    assert second.status == 200
    assert [row["revisions"] for row in second.json["symbols"] if row["symbol"] == "AAPL"] == [7]


async def test_an_empty_projection_has_no_symbols(database_url: str, projector: asyncpg.Connection) -> None:
    await project(projector, bars=[], splits=[])
    await projector.execute("DELETE FROM projection.symbol_status")
    async with served(database_url) as client:
        assert (await _symbols(client)).symbols == []
        assert (await client.ask(f"{PATH}?search=a&min_score=0.5&has_bars=true&active=false")).json["count"] == 0


async def test_of_a_symbol_freshness_score_and_gaps_are_told(overview: Client) -> None:
    found = await _symbol(overview, "A")
    assert found.coverage.bars == 28
    assert (found.freshness.newest_bar, found.freshness.newest_expected) == (LAST, SESSIONS[-1])
    assert (found.freshness.sessions_behind, found.freshness.judged_up_to) == (2, SESSIONS[-1])
    # Of 32 sessions from its listing on, two are holes, one is rejected and one nobody asked for.
    assert (found.score.score, found.score.completeness, found.score.overall) == (1.0, 28 / 32, 28 / 32)
    assert found.score.mean_quality == 1.0
    assert {kind: count for kind, count in found.missing.items() if count} == {
        "before_listing": 5,
        "vendor_hole": 2,
        "rejected": 1,
        "not_fetched": 1,
    }
    assert [gap.first for gap in found.gaps if gap.kind == "vendor_hole"] == [HOLE, SESSIONS[-2]]
    assert [listing.name for listing in found.listings] == ["Alpha Works Inc."]


async def test_a_score_counts_what_is_not_validated(overview: Client) -> None:
    found = await _symbol(overview, "B")
    assert (found.score.score, found.score.overall, found.score.completeness) == (35 / 37, 35 / 37, 1.0)
    assert found.score.mean_quality == pytest.approx((2 * 0.8 + 2 * 0.95 + 33) / 37)
    assert (found.splits, found.dividends) == (1, 2)
    assert found.last_payload is not None
    assert found.last_payload.archive_seq == 10


async def test_a_symbol_that_was_renamed_is_not_behind_and_says_what_to_follow(overview: Client) -> None:
    found = await _symbol(overview, "OLD")
    assert found.freshness.sessions_behind == 0
    assert found.freshness.newest_expected == SESSIONS[19]
    assert [(span.ticker, span.first) for span in found.follow][1] == ("NEW", RENAMED)
    assert [change.ticker for change in found.ticker_changes] == ["OLD", "NEW"]
    assert (found.name, found.active) == ("Nova Corp.", None)
    assert found.score.overall == 1.0


async def test_a_symbol_that_is_only_listed_is_known(overview: Client) -> None:
    found = await _symbol(overview, "ONLY")
    assert (found.name, found.coverage.bars, found.missing, found.gaps) == ("Only Listed Corp.", 0, {}, [])
    assert (found.freshness.newest_expected, found.last_payload, found.score.score) == (None, None, None)


async def test_a_symbol_without_bars_has_no_score(overview: Client) -> None:
    found = await _symbol(overview, "NONE")
    assert (found.score.score, found.score.mean_quality, found.freshness.newest_bar) == (None, None, None)
    assert found.missing["before_listing"] == 36


@pytest.mark.parametrize("path", ["/api/v1/symbols/NOPE", "/api/v1/gaps/NOPE", "/api/v1/symbols/a"])
async def test_a_symbol_that_nobody_knows_is_refused(overview: Client, path: str) -> None:
    refused = await overview.ask(path)
    assert (refused.status, refused.refusal().code) == (404, "unknown_symbol")


async def test_of_two_securities_of_a_symbol_the_one_that_trades_is_named(
    database_url: str, projector: asyncpg.Connection
) -> None:
    await project(projector, bars=[KnownBar("META", june(5), 1.0, 1.0, 1.0, 1.0, 1.0)], splits=[])
    rows: list[tuple[Any, ...]] = [
        ("META", "OLD", "A fund", "ETF", False, june(5)),
        ("META", "NOW", "A company", "CS", True, None),
    ]
    for row in rows:
        await projector.execute(
            "INSERT INTO projection.listing (ticker, security_id, name, type, active, delisted_on, archive_seq,"
            " known_from) VALUES ($1, $2, $3, $4, $5, $6, 1, now())",
            *row,
        )
    async with served(database_url) as client:
        [listed] = (await _symbols(client, "has_bars=true")).symbols
        one = await _symbol(client, "META")
    assert (listed.name, listed.type, listed.active) == (one.name, one.type, one.active) == ("A company", "CS", True)
