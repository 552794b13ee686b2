"""Backups, drills and scrubs in /api/v1/status and /metrics: the last of each, and when one last went well."""

import datetime as dt
from typing import Any

import asyncpg

from tests.api.served import served
from tests.api.watch.watched import MINUTE, NOW, Clock, fill, run_of, scraped

DAY = dt.timedelta(days=1)


def at(instant: dt.datetime) -> str:
    """Return an instant as JSON has it."""
    return instant.isoformat().replace("+00:00", "Z")


async def test_the_last_of_each_is_told_and_when_one_last_went_well(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool)
    good, bad = NOW - 7 * DAY, NOW - DAY
    passed = "warehouse_run_passed_timestamp_seconds"
    async with served(database_url, Clock()) as client:

        async def status() -> Any:
            answer = await client.ask("/api/v1/status")
            assert answer.status == 200
            return answer.json

        lasts = ("last_backup", "last_drill", "last_scrub")
        assert {name: (await status())[name] for name in lasts} == dict.fromkeys(lasts)
        await run_of(ingest_pool, "backup", good, {"passed": True, "name": "2026-11-15T030000Z", "payloads": 10})
        await run_of(
            ingest_pool, "drill", bad, {"passed": False, "backup": "2026-11-15T030000Z", "error": "bars differ"}
        )
        told = await status()
        assert told["last_backup"] == {
            "started_at": at(good),
            "finished_at": at(good + MINUTE),
            "passed": True,
            "backup": "2026-11-15T030000Z",
            "error": None,
            "last_passed_at": at(good + MINUTE),
        }
        assert told["last_drill"] == {
            "started_at": at(bad),
            "finished_at": at(bad + MINUTE),
            "passed": False,
            "backup": "2026-11-15T030000Z",
            "error": "bars differ",
            "last_passed_at": None,
        }
        await run_of(ingest_pool, "scrub", good, {"passed": True, "first_bad": None, "percent": 5.0, "seed": 7})
        scrub = (await status())["last_scrub"]
        assert (scrub["passed"], scrub["backup"], scrub["last_passed_at"]) == (True, None, at(good + MINUTE))
        metrics = await scraped(client)
        assert metrics[passed, "backup"] == metrics[passed, "scrub"] == (good + MINUTE).timestamp()
        assert (passed, "drill") not in metrics
        assert metrics["warehouse_run_succeeded", "backup"] == 1
        assert metrics["warehouse_run_succeeded", "drill"] == 0

        # One that has not finished, and one that failed, leave the last good one what it was.
        await run_of(ingest_pool, "backup", bad, {"passed": False, "error": "the disk is full"})
        await run_of(ingest_pool, "backup", NOW)
        last = (await status())["last_backup"]
        assert (last["started_at"], last["finished_at"], last["passed"]) == (at(NOW), None, None)
        assert last["last_passed_at"] == at(good + MINUTE)
        metrics = await scraped(client)
        assert metrics[passed, "backup"] == (good + MINUTE).timestamp()
        assert metrics["warehouse_run_succeeded", "backup"] == 0
        assert metrics["warehouse_run_started_timestamp_seconds", "backup"] == NOW.timestamp()
