"""GET /api/v1/runs, generations and rulesets: what ran, which generations there are, and by which rules they judge."""

import datetime as dt
from typing import Any

import asyncpg
import msgspec
import pytest

from api.overview.rulesets import RulesetAnswer
from archive.runs import finish_run, start_run
from project.rebuild import rebuild, rollback
from project.ruleset import DEFAULT_RULES, Ruleset, read_ruleset
from tests.api.market import NOW, project
from tests.api.overview.conftest import BEFORE, SESSIONS
from tests.api.served import Client, served
from tests.payloads import archive_all, bar, range_response

RULESET = read_ruleset(DEFAULT_RULES)
HOUR = dt.timedelta(hours=1)


async def _json(client: Client, path: str) -> Any:
    answer = await client.ask(f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.json


async def test_runs_come_newest_first_with_what_they_asked_for_and_got(overview: Client) -> None:
    spot, nightly, backfill = (await _json(overview, "runs"))["runs"]
    assert (spot["kind"], spot["outcome"], spot["planned"]) == ("spot-check", "unfinished", None)
    assert (nightly["outcome"], nightly["planned"], nightly["requests"]) == ("interrupted", 2, None)
    del backfill["run_id"]
    assert backfill == {
        "kind": "backfill",
        "started_at": f"{BEFORE - HOUR:%Y-%m-%dT%H:%M:%SZ}",
        "finished_at": f"{BEFORE:%Y-%m-%dT%H:%M:%SZ}",
        "outcome": "incomplete",
        "stopped_by": None,
        "first": str(SESSIONS[0]),
        "last": str(SESSIONS[-1]),
        "planned": 2,
        "requests": 3,
        "retries": 1,
        "failed": 1,
        "rows": 30,
        "body_bytes": 512,
    }


async def test_pages_of_runs_follow_on_one_another_and_may_be_of_one_kind(overview: Client) -> None:
    whole = (await _json(overview, "runs"))["runs"]
    first = await _json(overview, "runs?limit=2")
    rest = await _json(overview, f"runs?limit=2&cursor={first['next_cursor']}")
    assert first["runs"] + rest["runs"] == whole
    assert rest["next_cursor"] is None
    assert [run["kind"] for run in (await _json(overview, "runs?kind=nightly"))["runs"]] == ["nightly"]
    assert (await _json(overview, "runs?kind=none"))["runs"] == []


async def test_runs_are_told_of_before_anything_is_projected(database_url: str) -> None:
    async with served(database_url) as client:
        assert await _json(client, "runs") == {"count": 0, "next_cursor": None, "runs": []}


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"outcomes": [{"subject": "A", "ending": "failed"}], "left_to_ask": 0}, "complete"),
        ({"outcomes": [{"subject": "A", "ending": "not_tried"}]}, "incomplete"),
        ({"stopped_by": "the vendor refuses the key"}, "stopped"),
        ({"passed": False}, "not_passed"),
        ({"passed": True, "planned": "many", "requests": 1.5, "outcomes": {"A": 1}, "first": "soon"}, "complete"),
        ({"outcomes": [{"row_count": "x"}, {"row_count": 7}, 5]}, "complete"),
    ],
)
async def test_a_run_that_left_something_else_is_told_as_far_as_it_goes(
    database_url: str, ingest_pool: asyncpg.Pool, result: dict[str, Any], outcome: str
) -> None:
    run_id = await start_run(ingest_pool, "backfill", {"requests": "all"}, NOW)
    await finish_run(ingest_pool, run_id, "backfill", result, NOW)
    async with served(database_url) as client:
        [run] = (await _json(client, "runs"))["runs"]
    assert (run["outcome"], run["stopped_by"], run["planned"]) == (outcome, result.get("stopped_by"), None)


async def test_a_run_goes_on_while_its_lock_is_held_and_only_the_newest_does(
    database_url: str, ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    for hours in (1, 2):
        await start_run(ingest_pool, "nightly", {}, NOW - hours * HOUR)
    await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))")
    async with served(database_url) as client:
        assert [run["outcome"] for run in (await _json(client, "runs"))["runs"]] == ["running", "interrupted"]


def _stricter() -> Ruleset:
    return msgspec.structs.replace(RULESET, validated_from=0.9)


async def test_generations_and_their_rulesets_are_told_of_through_rebuild_and_rollback(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("A", [bar(day) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, lambda: NOW)
    async with served(database_url) as client:
        alone = await _json(client, "generations")
        assert (alone["next"], alone["next_state"], alone["previous"]) == (None, "none", None)
        await rebuild(project_pool, _stricter(), lambda: NOW + HOUR)
        await project_pool.execute("CREATE SCHEMA projection_next")
        both = await _json(client, "generations")
        assert (both["next"], both["next_state"]) == (None, "being_built")
        assert both["previous"] == {**alone["live"], "schema": "projection_previous"}
        assert both["live"]["ruleset_hash"] == _stricter().hash
        assert (both["live"]["checkpoint"], both["live"]["readable"]) == (1, True)
        told = {one["hash"]: one["judged"] for one in (await _json(client, "rulesets"))["rulesets"]}
        assert told == {RULESET.hash: ["previous"], _stricter().hash: ["live"]}
        diff = await _json(client, f"rulesets/previous/diff/{_stricter().hash[:8]}")
        assert diff == {
            "before": RULESET.hash,
            "after": _stricter().hash,
            "differences": [{"rule": None, "what": "validated_from", "before": "0.85", "after": "0.9"}],
        }
        await rollback(project_pool)
        assert (await _json(client, "generations"))["live"] == alone["live"]


async def test_a_generation_that_is_complete_and_not_live_is_told_of(
    database_url: str, projector: asyncpg.Connection
) -> None:
    await project(projector)
    await project(projector, schema="projection_next")
    await projector.execute("UPDATE projection_next.generation SET shape = 'another'")
    async with served(database_url) as client:
        found = await _json(client, "generations")
    assert (found["next_state"], found["next"]["schema"]) == ("complete", "projection_next")
    assert (found["next"]["readable"], found["live"]["readable"]) == (False, True)


async def test_a_ruleset_is_told_whole_and_its_text_makes_it_again(overview: Client, tmp_path: Any) -> None:
    found = msgspec.convert(await _json(overview, "rulesets/live"), RulesetAnswer)
    assert found.ruleset.hash == RULESET.hash
    assert [rule.name for rule in found.rules] == found.ruleset.rules == [use.name for use in RULESET.rules]
    assert all(rule.meaning and rule.source for rule in found.rules)
    assert next(rule.limits for rule in found.rules if rule.name == "large_gap") == {"limit": 0.1}
    (tmp_path / "rules.toml").write_text(found.text)
    assert read_ruleset(tmp_path / "rules.toml") == RULESET
    assert await _json(overview, f"rulesets/{RULESET.hash.upper()}") == await _json(overview, "rulesets/live")


@pytest.mark.parametrize(
    ("path", "status", "parameter"),
    [
        ("rulesets/0000", 404, "digest"),
        ("rulesets/previous", 404, "digest"),
        ("rulesets/live/diff/ffff", 404, "other"),
        ("rulesets/file", 422, "digest"),
        ("rulesets/abc", 422, "digest"),
        (f"rulesets/{'a' * 65}", 422, "digest"),
    ],
)
async def test_a_ruleset_that_is_not_there_is_refused(overview: Client, path: str, status: int, parameter: str) -> None:
    refused = await overview.ask(f"/api/v1/{path}")
    assert (refused.status, refused.refusal().parameter) == (status, parameter)
