"""GET /api/v1/gaps and /api/v1/gaps/{symbol}: exactly what `project gaps` says, and what of it lies in a range."""

import datetime as dt
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest

from api.overview.gaps import GapClass
from archive.calendar import exchange_calendar
from project.gaps.gap_search import count_gaps, find_gaps
from project.gaps.gaps import OUTSIDE, GapKind
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_pool
from tests.api.market import NOW
from tests.api.overview.conftest import HOLE, LISTED, SESSIONS, SPOILT
from tests.api.served import Client, served
from tests.payloads import archive_all
from tests.project.market_files import bars_of, lines, symbols

PATH = "/api/v1/gaps"


async def _gaps(client: Client, symbol: str, query: str = "") -> Any:
    answer = await client.ask(f"{PATH}/{symbol}?{query}")
    assert answer.status == 200, answer.body
    return answer.json


def test_a_parameter_takes_every_class_there_is() -> None:
    assert get_args(GapClass) == tuple(kind.value for kind in GapKind)


async def test_a_symbol_has_the_gaps_that_the_command_shows(overview: Client, archive_url: str) -> None:
    async with open_pool(archive_url, Role.READ, size=1) as pool, pool.acquire() as connection:
        for symbol in ("A", "B", "OLD", "NEW", "NONE"):
            shown = await find_gaps(connection, symbol, NOW)
            found = await _gaps(overview, symbol)
            assert found["counts"] == {kind.value: count for kind, count in shown.counts.items()}
            assert (found["bars"], found["judged_up_to"]) == (shown.bars, str(shown.judged_up_to))
            assert [tuple(gap.values()) for gap in found["gaps"]] == [
                (gap.kind.value, str(gap.first), str(gap.last), gap.sessions, gap.why) for gap in shown.gaps
            ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("class=vendor_hole,rejected", [(HOLE, HOLE), (SPOILT, SPOILT), (SESSIONS[-2], SESSIONS[-2])]),
        (f"class=before_listing&start={SESSIONS[2]}", [(SESSIONS[2], SESSIONS[4])]),
        (f"end={SESSIONS[3]}", [(SESSIONS[0], SESSIONS[3])]),
        (f"start={SPOILT}&end={SPOILT}", [(SPOILT, SPOILT)]),
        (f"start={LISTED}&end={LISTED}", []),
        ("start=2027-01-01", []),
    ],
)
async def test_what_is_asked_for_is_cut_out(overview: Client, query: str, found: list[tuple[dt.date, dt.date]]) -> None:
    answer = await _gaps(overview, "A", query)
    assert [(gap["first"], gap["last"]) for gap in answer["gaps"]] == [(str(one), str(end)) for one, end in found]
    assert sum(answer["counts"].values()) == sum(SESSIONS.index(end) - SESSIONS.index(one) + 1 for one, end in found)


async def test_pages_of_gaps_follow_on_one_another(overview: Client) -> None:
    whole = await _gaps(overview, "A")
    first = await _gaps(overview, "A", "limit=3")
    rest = await _gaps(overview, "A", f"limit=3&cursor={first['next_cursor']}")
    assert first["gaps"] + rest["gaps"] == whole["gaps"]
    assert (first["count"], rest["count"], rest["next_cursor"], rest["counts"]) == (3, 2, None, whole["counts"])
    other = await overview.ask(f"{PATH}/OLD?cursor={first['next_cursor']}")
    assert other.refusal().parameter == "cursor"


@pytest.mark.parametrize(
    "query", ["class=hole", "class=", "class=rejected,rejected", "start=2026-11-02&end=2026-11-01"]
)
async def test_what_makes_no_sense_is_refused(overview: Client, query: str) -> None:
    assert (await overview.ask(f"{PATH}/A?{query}")).status == 422


async def test_of_the_market_those_that_miss_most_come_first(overview: Client) -> None:
    found = (await overview.ask(PATH)).json
    assert [(row["symbol"], row["missing"], row["bars"]) for row in found["symbols"]] == [("A", 4, 28), ("NONE", 1, 0)]
    assert (found["total"], found["counts"]["not_fetched"], found["counts"]["vendor_hole"]) == (2, 2, 2)
    assert (await overview.ask(PATH)).json == found
    first = (await overview.ask(f"{PATH}?class=before_listing&limit=1")).json
    rest = (await overview.ask(f"{PATH}?class=before_listing&cursor={first['next_cursor']}")).json
    rows = [(row["symbol"], row["missing"]) for row in first["symbols"] + rest["symbols"]]
    assert rows == [("NONE", 36), ("NEW", 20), ("A", 5)]
    assert rest["next_cursor"] is None
    tied = (await overview.ask(f"{PATH}?class=not_fetched&limit=1")).json
    other = (await overview.ask(f"{PATH}?class=not_fetched&cursor={tied['next_cursor']}")).json
    assert [row["symbol"] for row in tied["symbols"] + other["symbols"]] == ["A", "NONE"]


async def test_of_the_real_market_exactly_the_known_sessions_are_missing(
    market_data: Path, database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    known: dict[str, set[dt.date]] = {name: set() for name in symbols(market_data)}
    for line in lines(market_data / "known_missing_sessions.csv"):
        known[line["symbol"]].add(dt.date.fromisoformat(line["session"]))
    await archive_all(ingest_pool, [bars_of(market_data, name) for name in known])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    inside = ",".join(kind.value for kind in GapKind if kind not in OUTSIDE)
    # What was fetched in 2024 ends there; what came after nobody asked for.
    async with served(database_url) as client:
        found = {name: await _gaps(client, name, f"class={inside}&end=2024-06-28") for name in known}
        market = (await client.ask(PATH)).json
    between = exchange_calendar().between
    assert {
        name: {
            day
            for gap in one["gaps"]
            for day in between(dt.date.fromisoformat(gap["first"]), dt.date.fromisoformat(gap["last"]))
        }
        for name, one in found.items()
    } == known
    async with project_pool.acquire() as connection:
        counted = {one.symbol: one.counts for one in (await count_gaps(connection, NOW)).symbols}
    assert {row["symbol"]: row["vendor_hole"] for row in market["symbols"]} == {
        name: counts[GapKind.VENDOR_HOLE] for name, counts in counted.items()
    }
