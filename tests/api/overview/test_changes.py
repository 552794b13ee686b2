"""GET /api/v1/changes and /api/v1/runs/{run_id}: what came since the last run, counted; and a run in full."""

import datetime as dt
import uuid
from typing import Any

import asyncpg
import pytest

from api.overview import changed
from archive.calendar import exchange_calendar
from archive.payload import Response
from archive.runs import finish_run, start_run
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.api.market import NOW
from tests.api.overview.conftest import RESTATED
from tests.api.served import Client, served
from tests.payloads import (
    archive_all,
    bar,
    dividend,
    dividends_response,
    grouped_response,
    range_response,
    split,
    splits_response,
)

PATH = "/api/v1/changes"
HOUR = dt.timedelta(hours=1)
DAYS = exchange_calendar().between(dt.date(2026, 10, 1), dt.date(2026, 11, 20))
BEFORE, NEWEST = DAYS[-2:]
FIRST_NIGHT, LAST_NIGHT = NOW - 30 * HOUR, NOW - 6 * HOUR


async def _changes(client: Client, query: str = "") -> Any:
    answer = await client.ask(f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return answer.json


async def _night(ingest: asyncpg.Pool, at: dt.datetime, answers: list[Response], requests: int) -> uuid.UUID:
    """Archive answers as a nightly would."""
    run_id = await start_run(ingest, "nightly", {"requests": []}, at)
    await archive_all(ingest, answers)
    await finish_run(ingest, run_id, "nightly", {"requests": requests, "outcomes": []}, at + HOUR / 60)
    return run_id


def _first_night() -> list[Response]:
    """Return what came first: A and B all their bars, and C, until the session before the newest."""
    return [
        range_response(name, [bar(day) for day in DAYS[:-1]], DAYS[0], BEFORE, fetched_at=FIRST_NIGHT)
        for name in ("A", "B", "C")
    ]


def _last_night() -> list[Response]:
    """Return what came last: the newest session of A, which jumps, and B; one restated; one rejected; and actions."""
    jump = bar(NEWEST, [20.0, 21.0, 19.0, 20.0], ticker="A")
    spoilt = bar(NEWEST, 10.0, ticker="D") | {"o": '"ten"'}
    return [
        grouped_response(NEWEST, [jump, bar(NEWEST, 10.0, ticker="B"), spoilt], fetched_at=LAST_NIGHT),
        range_response("B", [bar(BEFORE, 12.5)], BEFORE, BEFORE, fetched_at=LAST_NIGHT),
        splits_response([split("B", NEWEST + dt.timedelta(days=9), 1, 2, "S1")], fetched_at=LAST_NIGHT),
        dividends_response([dividend("A", NEWEST, 0.25, "D1")], fetched_at=LAST_NIGHT),
    ]


async def _project(project: asyncpg.Pool) -> None:
    await catch_up_or_build(project, read_ruleset(DEFAULT_RULES), lambda: NOW)


async def test_what_came_since_the_last_run_that_fetched_is_counted(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await _night(ingest_pool, FIRST_NIGHT - HOUR, _first_night(), 3)
    await _project(project_pool)
    run_id = await _night(ingest_pool, LAST_NIGHT - HOUR, _last_night(), 4)
    await _project(project_pool)
    # One that had nothing to ask for is not what changed anything.
    await _night(ingest_pool, LAST_NIGHT + HOUR, [], 0)
    async with served(database_url) as client:
        told = await _changes(client)
        whole = await _changes(client, f"since={FIRST_NIGHT - HOUR:%Y-%m-%dT%H:%M:%SZ}")
    assert (told["run"]["run_id"], told["run"]["kind"]) == (str(run_id), "nightly")
    assert (told["after"], told["payloads"]) == (3, 4)
    found = told["changed"]
    assert found["new_bars"] == {
        "count": 2,
        "counted_from": None,
        "sessions_count": 1,
        "sessions": [{"session": str(NEWEST), "bars": 2}],
    }
    [restated] = found["restated"].pop("rows")
    assert found["restated"] == {
        "count": 1,
        "sessions_count": 1,
        "first_session": str(BEFORE),
        "last_session": str(BEFORE),
    }
    assert (restated["symbol"], restated["session"], restated["new_close"]) == ("B", str(BEFORE), 12.5)
    assert restated["changed"] == ["open", "high", "low", "close"]
    assert found["rejections"]["count"] == 1
    assert [(row["symbol"], row["session"]) for row in found["rejections"]["rows"]] == [("D", str(NEWEST))]
    assert list(found["rejections"]["reasons"].values()) == [1]
    assert (found["splits"]["count"], found["splits"]["rows"][0]["symbol"]) == (1, "B")
    assert (found["dividends"]["count"], found["dividends"]["rows"][0]["cash_amount"]) == (1, 0.25)
    flagged = found["flagged"]
    assert (flagged["session"], flagged["bars"]) == (str(NEWEST), 2)
    assert flagged["count"] == len(flagged["rows"]) == 2
    assert (flagged["rules"]["large_gap"], flagged["rules"]["corporate_action"]) == (2, 1)
    assert (found["not_arrived"]["session"], found["not_arrived"]["symbols"]) == (str(NEWEST), ["C"])

    # Since the first night everything is new, and what was restated in the meantime was not known before.
    assert (whole["run"], whole["after"], whole["payloads"]) == (None, 0, 7)
    assert whole["changed"]["new_bars"]["count"] == 3 * (len(DAYS) - 1) + 2
    assert whole["changed"]["new_bars"]["sessions_count"] == len(DAYS)
    assert whole["changed"]["restated"]["count"] == 0


async def test_sessions_too_old_to_be_counted_are_said_to_be_left_out(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _night(ingest_pool, FIRST_NIGHT - HOUR, _first_night(), 3)
    await _project(project_pool)
    monkeypatch.setattr(changed, "_MOST_BARS", 7)
    async with served(database_url) as client:
        new = (await _changes(client))["changed"]["new_bars"]
    assert (new["counted_from"], new["count"], new["sessions_count"]) == (str(DAYS[-3]), 6, 2)


async def test_without_a_run_what_came_in_the_last_day_is_told(overview: Client, client: Client) -> None:
    told = await _changes(overview)
    # The nightly of this ledger was killed; what came before it began is not its.
    assert told["run"]["kind"] == "nightly"
    assert told["changed"]["restated"]["rows"][0]["session"] == str(RESTATED)
    bare = await _changes(client)
    assert (bare["run"], bare["after"], bare["changed"]["new_bars"]["count"]) == (None, 0, 0)


async def test_changes_are_refused_before_anything_is_projected(database_url: str) -> None:
    async with served(database_url) as client:
        assert (await client.ask(PATH)).refusal().code == "nothing_projected"
        assert (await client.ask(f"{PATH}?since=yesterday")).refusal().parameter == "since"


async def test_a_run_is_told_in_full(database_url: str, ingest_pool: asyncpg.Pool) -> None:
    plan = {"universe": "all", "requests": ["/v2/A"], "already_have": {str(n): n for n in range(100)}}
    steps = [{"subject": name, "endpoint": "range", "ending": "answered", "row_count": 3} for name in "ABC"]
    steps.append({"subject": "D", "endpoint": "range", "ending": "failed", "why": "answered 500"})
    run_id = await start_run(ingest_pool, "nightly", plan, LAST_NIGHT)
    await finish_run(ingest_pool, run_id, "nightly", {"outcomes": steps, "requests": 9}, LAST_NIGHT + HOUR)
    failed = await start_run(ingest_pool, "backup", {"folder": "/srv/backups"}, NOW)
    await finish_run(ingest_pool, failed, "backup", {"passed": False, "error": "the disk is full"}, NOW)
    odd = await start_run(ingest_pool, "backfill", {}, NOW)
    await finish_run(ingest_pool, odd, "backfill", {"outcomes": {"A": 1}, "error": 5}, NOW)
    async with served(database_url) as client:
        night, backup, other = [(await client.ask(f"/api/v1/runs/{each}")).json for each in (run_id, failed, odd)]
        rows = (await client.ask("/api/v1/runs?kind=nightly")).json["runs"]
        unknown = await client.ask(f"/api/v1/runs/{uuid.uuid4()}")
        none = await client.ask("/api/v1/runs/soon")
    assert [night["run"]] == rows
    assert (night["plan"]["universe"], len(night["plan"]["already_have"])) == ("all", 40)
    assert night["result"] == {"requests": 9}
    assert [(step["steps"], step["ending"], step["why"]) for step in night["steps"]] == [
        (3, "answered", None),
        (1, "failed", "answered 500"),
    ]
    assert (backup["error"], backup["run"]["outcome"], backup["plan"]) == (
        "the disk is full",
        "not_passed",
        {"folder": "/srv/backups"},
    )
    assert (other["error"], other["steps"]) == (None, [])
    assert (unknown.status, unknown.refusal().code) == (404, "unknown_run")
    assert (none.status, none.refusal().parameter) == (422, "run_id")
