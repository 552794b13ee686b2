"""GET /api/v1/coverage: symbols × months, which add up and agree with the gaps and the bars of each symbol."""

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import numpy as np
import pytest

from archive.calendar import exchange_calendar
from archive.payload import Response
from project.gaps.gaps import OUTSIDE, GapKind
from project.rebuild import rebuild
from project.replay import catch_up
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_pool
from tests.api.market import NOW
from tests.api.overview.conftest import BEFORE, new_warehouse
from tests.api.served import Client, served
from tests.payloads import Row, archive_all, bar, grouped_response, range_response, split, splits_response
from tests.project.tickers_payloads import listed, tickers_response

PATH = "/api/v1/coverage"
RULESET = read_ruleset(DEFAULT_RULES)
CALENDAR = exchange_calendar()
SESSIONS = CALENDAR.between(dt.date(2026, 3, 10), dt.date(2026, 11, 20))
BY_NAME, FOR_ALL = SESSIONS[:-25], SESSIONS[-25:]
SYMBOLS = [f"S{place:02d}" for place in range(12)]
SPLIT, SPLIT_ON = SYMBOLS[1], SESSIONS[60]
MONTHS = [dt.date(2026, month, 1) for month in range(1, 12)]


def archived() -> list[Response]:
    """Return a market by a seed: liquid and thin symbols which begin and end at some time, with holes, rows that are no
    bars, moves and volumes that are out of bounds; each asked for by name over a time of its own, later all at once."""
    chance = np.random.default_rng(7)
    days: dict[dt.date, list[Row]] = {session: [] for session in SESSIONS}
    answers = []
    for place, symbol in enumerate(SYMBOLS):
        begins, ends = int(chance.integers(0, 40)), len(SESSIONS) - int(chance.choice([0, 0, 10, 60]))
        volume = 20.0 if place % 3 == 0 else 1e6
        for at in range(begins, ends):
            session = SESSIONS[at]
            if chance.random() < 0.05:
                continue
            shares = volume * (50 if chance.random() < 0.03 else 1)
            price = 20.0 if symbol == SPLIT and session < SPLIT_ON else 10.0
            row = bar(session, price * (1.3 if chance.random() < 0.04 else 1.0), shares, ticker=symbol)
            days[session].append(row | {"o": '"ten"'} if chance.random() < 0.03 else row)
        asked = SESSIONS[int(chance.integers(0, 60)) : len(BY_NAME) - int(chance.integers(0, 20))]
        rows = [{k: v for k, v in row.items() if k != "T"} for day in asked for row in days[day] if _is_of(row, symbol)]
        answers.append(range_response(symbol, rows, asked[0], asked[-1], fetched_at=BEFORE))
    return [
        *answers,
        *(grouped_response(day, days[day], fetched_at=BEFORE) for day in FOR_ALL if day != FOR_ALL[7]),
        range_response("NONE", [], BY_NAME[0], BY_NAME[-1], fetched_at=BEFORE),
        splits_response([split(SPLIT, SPLIT_ON, 1, 2, "S1")]),
        tickers_response([listed("ONLY", name="Only Listed Corp."), listed(SYMBOLS[2], name="Second Works")]),
    ]


def _is_of(row: Row, symbol: str) -> bool:
    return row["T"] == f'"{symbol}"'


@pytest.fixture(scope="session")
async def monthly_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with that market, projected; tests do not change it."""
    async with new_warehouse(server_url, template) as url:
        async with open_pool(url, Role.INGEST) as ingest_pool, open_pool(url, Role.PROJECT) as project_pool:
            await archive_all(ingest_pool, archived())
            await rebuild(project_pool, RULESET, lambda: NOW)
        yield url


@pytest.fixture(scope="session")
async def market(monthly_url: str) -> AsyncIterator[Client]:
    """Yield a client of the API on that market."""
    async with served(monthly_url) as client:
        yield client


async def _coverage(client: Client, query: str = "") -> Any:
    answer = await client.ask(f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return answer.json


def _symbols(answer: Any) -> list[str]:
    return list(dict.fromkeys(row["symbol"] for row in answer["months"]))


def _end(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


async def _flagged(client: Client, symbol: str, start: dt.date, end: dt.date) -> tuple[int, int, Any]:
    found = (await client.ask(f"/api/v1/historical/{symbol}?start={start}&end={end}&adjusted=none")).json
    flagged = [bar for bar in found["bars"] if not bar["validated"] or set(bar["failed_rules"]) - {"corporate_action"}]
    return len(found["bars"]), len(flagged), found["coverage"]


async def test_every_month_of_every_symbol_adds_up_and_agrees_with_its_gaps_and_its_bars(market: Client) -> None:
    found = await _coverage(market, f"start={MONTHS[0]}")
    assert _symbols(found) == ["NONE", "ONLY", *SYMBOLS]
    assert [row["month"] for row in found["months"]] == [str(month) for month in MONTHS] * (len(SYMBOLS) + 2)
    judged = dt.date.fromisoformat(found["judged_up_to"])
    states: Counter[str] = Counter()
    for row in found["months"]:
        start = dt.date.fromisoformat(row["month"])
        end, symbol = _end(start), row["symbol"]
        due = len(CALENDAR.between(start, min(end, judged)))
        inside = sum(row[kind] for kind in ("vendor_hole", "not_fetched", "no_trade", "rejected"))
        assert row["expected"] == row["bars"] + inside
        newer = row["expected"] + row["outside"] + row["not_asked"] - due
        assert 0 <= newer <= len(CALENDAR.between(max(start, judged + dt.timedelta(days=1)), end))
        states[row["state"]] += 1
        assert row["state"] == _state(row)
        if symbol == "ONLY":
            assert row["not_asked"] == due
            continue
        gaps = (await market.ask(f"/api/v1/gaps/{symbol}?start={start}&end={end}")).json["counts"]
        outside = {kind.value for kind in OUTSIDE}
        assert {kind: row[kind] for kind in gaps if kind not in outside} == {
            kind: count for kind, count in gaps.items() if kind not in outside
        }
        assert row["outside"] == sum(gaps[kind] for kind in outside)
        bars, flagged, coverage = await _flagged(market, symbol, start, end)
        assert (row["bars"], row["flagged"]) == (bars, flagged)
        assert (row["bars"], row["expected"] + row["not_asked"]) == (coverage["present"], coverage["expected"])
    assert all(states[state] > 5 for state in ("missing", "rejected", "flagged", "whole", "nothing")), states
    counted = {name: sum(row[name] for row in found["months"]) for name in (*GapKind, "outside") if name not in OUTSIDE}
    assert all(counted.values()), counted


def _state(row: Any) -> str:
    if row["vendor_hole"] or row["not_fetched"]:
        return "missing"
    return next((name for name in ("rejected", "flagged") if row[name]), "whole" if row["bars"] else "nothing")


async def test_a_split_alone_flags_nothing(market: Client) -> None:
    [row] = (await _coverage(market, f"start={SPLIT_ON}&end={SPLIT_ON}&search={SPLIT}"))["months"]
    month = f"start={SPLIT_ON.replace(day=1)}&end={_end(SPLIT_ON)}"
    bars = (await market.ask(f"/api/v1/historical/{SPLIT}?{month}&adjusted=none")).json["bars"]
    failed = [bar["failed_rules"] for bar in bars if bar["failed_rules"]]
    assert ["corporate_action"] in failed
    assert row["flagged"] == len(failed) - 1


async def test_without_a_range_it_is_of_three_years_up_to_the_newest_session(market: Client) -> None:
    found = await _coverage(market, "limit=1&has_bars=true")
    assert (found["start"], found["end"], found["count"]) == ("2023-12-01", "2026-11-30", 36)
    assert [row["state"] for row in found["months"][:27]] == ["nothing"] * 27
    later = await _coverage(market, "start=2026-11-01&end=2027-06-01&limit=1")
    assert [row["month"] for row in later["months"]] == ["2026-11-01"]
    early = await _coverage(market, "end=0001-02-03&limit=1")
    assert (early["start"], early["count"], early["months"][0]["state"]) == ("0001-01-01", 2, "nothing")
    ahead = await _coverage(market, "start=2027-01-01")
    assert (ahead["start"], ahead["end"], ahead["months"], ahead["total"]) == (None, None, [], 14)


@pytest.mark.parametrize("order", ["symbol", "worst", "longest"])
async def test_pages_of_symbols_follow_on_one_another(market: Client, order: str) -> None:
    listing = {row["symbol"]: row for row in (await market.ask("/api/v1/symbols")).json["symbols"]}
    key = {
        "symbol": lambda symbol: symbol,
        "worst": lambda symbol: (2 if listing[symbol]["score"] is None else listing[symbol]["score"], symbol),
        "longest": lambda symbol: (-listing[symbol]["bars"], symbol),
    }[order]
    query = f"start=2026-11-01&order={order}&limit=4"
    seen: list[list[str]] = []
    page = await _coverage(market, query)
    while True:
        assert page["total"] == len(listing)
        seen.append(_symbols(page))
        if page["next_cursor"] is None:
            break
        page = await _coverage(market, f"{query}&cursor={page['next_cursor']}")
    assert [len(symbols) for symbols in seen] == [4, 4, 4, 2]
    assert [symbol for symbols in seen for symbol in symbols] == sorted(listing, key=key)


async def test_symbols_are_sought_by_symbol_and_name(market: Client) -> None:
    assert _symbols(await _coverage(market, "start=2026-11-01&search=works")) == [SYMBOLS[2]]
    assert _symbols(await _coverage(market, "start=2026-11-01&has_bars=false")) == ["NONE", "ONLY"]
    nobody = await _coverage(market, "search=nobody")
    assert (nobody["months"], nobody["total"], nobody["next_cursor"]) == ([], 0, None)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("start=2016-01-01", "start"),
        ("start=2026-11-01&end=2026-10-01", "start"),
        ("order=best", "order"),
        ("limit=201", "limit"),
        ("cursor=WyJhIl0", "cursor"),
    ],
)
async def test_what_makes_no_sense_is_refused(market: Client, query: str, parameter: str) -> None:
    refused = await market.ask(f"{PATH}?{query}")
    assert (refused.status, refused.refusal().parameter) == (422, parameter)


async def test_rows_are_the_same_as_csv(market: Client) -> None:
    whole = await _coverage(market, "limit=2")
    answer = await market.ask(f"{PATH}.csv?limit=2")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert rows == [{name: str(value) for name, value in row.items()} for row in whole["months"]]


async def test_an_answer_stands_until_the_projection_or_the_newest_session_changes(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    first, last = SESSIONS[0], SESSIONS[4]
    await archive_all(ingest_pool, [range_response("A", [bar(first, 10.0, 1e6)], first, last, fetched_at=BEFORE)])
    await rebuild(project_pool, RULESET, lambda: NOW)
    query = f"{PATH}?start={first}&end={last}"
    async with served(database_url) as client:
        one = await client.ask(query)
        held = {"If-None-Match": one.headers["etag"]}
        assert (await client.ask(query, headers=held)).status == 304
        [row] = one.json["months"]
        assert (row["bars"], row["vendor_hole"]) == (1, 4)
        rows = [bar(day, 10.0, 1e6) for day in SESSIONS[:5]]
        await archive_all(ingest_pool, [range_response("A", rows, first, last, fetched_at=NOW)])
        await catch_up(project_pool, lambda: NOW)
        two = await client.ask(query, headers=held)
        assert two.json["months"][0]["bars"] == 5
    async with served(database_url, lambda: NOW + dt.timedelta(days=3)) as client:
        assert (await client.ask(query, headers={"If-None-Match": two.headers["etag"]})).status == 200
