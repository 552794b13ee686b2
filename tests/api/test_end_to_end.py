"""From archived payloads through the real projector to an answer: the line that a user sees the end of."""

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from project.rebuild import rebuild
from project.replay import catch_up
from project.ruleset import RuleUse, read_ruleset, rules_path
from tests.api.served import Client, served
from tests.payloads import archive_all, bar, range_response, split, splits_response

SPLIT_DATE = dt.date(2014, 6, 9)
RULESET = read_ruleset(rules_path({}))
# Apple around its 7:1 split, and the same month without the split's excuse.
TRADED = {
    dt.date(2014, 6, 5): (646.2, 649.37, 642.61, 647.35),
    dt.date(2014, 6, 6): (649.9, 651.26, 644.47, 645.57),
    SPLIT_DATE: (92.7, 93.88, 91.75, 93.7),
    dt.date(2014, 6, 10): (94.73, 95.05, 93.57, 94.25),
}


def _now() -> dt.datetime:
    return dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)


async def _bars(client: Client, target: str) -> dict[str, Any]:
    answer = await client.ask(f"/api/v1/historical/{target}")
    assert answer.status == 200, answer.body
    return {row["session"]: row for row in answer.json["bars"]}


def _with_gap_limit(limit: float) -> Any:
    def changed(use: RuleUse) -> RuleUse:
        return msgspec.structs.replace(use, limits={"limit": limit}) if use.name == "large_gap" else use

    return msgspec.structs.replace(RULESET, rules=tuple(changed(use) for use in RULESET.rules))


async def test_a_split_explains_its_gap_and_prices_before_it_are_restated(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    rows = [bar(session, prices, 10_850_000.0) for session, prices in TRADED.items()]
    await archive_all(ingest_pool, [range_response("AAPL", rows), range_response("FLAT", rows)])
    await archive_all(ingest_pool, [splits_response([split("AAPL", SPLIT_DATE, 1, 7, "P1")])])
    async with served(database_url) as client:
        assert (await client.ask("/api/v1/historical/AAPL")).refusal().code == "nothing_projected"
        await rebuild(project_pool, RULESET, _now)
        traded = await _bars(client, "AAPL?adjusted=none")
        restated = await _bars(client, "AAPL")
        unexplained = await _bars(client, "FLAT?adjusted=none")
        status = (await client.ask("/api/v1/status")).json
    for session, (open_, high, low, close) in TRADED.items():
        ratio = 7 if session < SPLIT_DATE else 1
        row = traded[str(session)]
        assert [row[name] for name in ("open", "high", "low", "close")] == [open_, high, low, close]
        row = restated[str(session)]
        assert [row["open"], row["close"], row["volume"]] == [open_ / ratio, close / ratio, 10_850_000.0 * ratio]
    assert not traded[str(SPLIT_DATE)]["gap_detected"]
    assert traded[str(SPLIT_DATE)]["failed_rules"] == ["corporate_action"]
    assert unexplained[str(SPLIT_DATE)]["gap_detected"]
    assert unexplained[str(SPLIT_DATE)]["gap_note"] == "extreme"
    assert status["database"]["total_records"] == 8
    assert status["data_quality"]["records_with_gaps_flagged"] == 1
    assert status["archive"] == {"head": 3, "checkpoint": 3, "lag": 0}


async def test_a_restatement_and_a_changed_rule_are_served_as_soon_as_they_are_projected(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    first, second = dt.date(2024, 6, 4), dt.date(2024, 6, 5)
    await archive_all(ingest_pool, [range_response("ACME", [bar(first, 10.0), bar(second, 10.7)])])
    await rebuild(project_pool, RULESET, _now)
    async with served(database_url) as client:
        target = "/api/v1/historical/ACME"
        tags = [(await client.ask(target)).headers["etag"]]
        assert [row["gap_detected"] for row in (await _bars(client, "ACME")).values()] == [False, False]

        await archive_all(ingest_pool, [range_response("ACME", [bar(second, 10.6)])])
        await catch_up(project_pool, _now)
        assert (await _bars(client, "ACME"))[str(second)]["close"] == 10.6
        tags.append((await client.ask(target, headers={"If-None-Match": tags[0]})).headers["etag"])

        await rebuild(project_pool, _with_gap_limit(0.05), _now)
        assert [row["gap_detected"] for row in (await _bars(client, "ACME")).values()] == [False, True]
        tags.append((await client.ask(target, headers={"If-None-Match": tags[1]})).headers["etag"])
    assert len(set(tags)) == 3


async def test_real_prices_are_served_as_they_stand_in_the_market_data(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, market_data: Path
) -> None:
    with (market_data / "bars" / "AAPL.csv").open() as file:
        known = [row for row in csv.DictReader(file) if "2014-01-01" <= row["date"] <= "2014-12-31"]
    names = ("open", "high", "low", "close", "volume")
    rows = [
        bar(dt.date.fromisoformat(row["date"]), [float(row[name]) for name in names[:4]], float(row["volume"]))
        for row in known
    ]
    await archive_all(ingest_pool, [range_response("AAPL", rows)])
    await archive_all(ingest_pool, [splits_response([split("AAPL", SPLIT_DATE, 1, 7, "P1")])])
    await rebuild(project_pool, RULESET, _now)
    async with served(database_url) as client:
        traded = await _bars(client, "AAPL?start=2014-06-01&end=2014-06-30&adjusted=none")
        restated = await _bars(client, "AAPL?start=2014-06-01&end=2014-06-30")
    june = {row["date"]: [float(row[name]) for name in names] for row in known if row["date"][:7] == "2014-06"}
    assert len(june) == 21
    assert {session: [row[name] for name in names] for session, row in traded.items()} == june
    assert not traded[str(SPLIT_DATE)]["gap_detected"]
    for session, (*prices, volume) in june.items():
        ratio = 7 if session < str(SPLIT_DATE) else 1
        assert [restated[session][name] for name in names] == [*(price / ratio for price in prices), volume * ratio]
