"""What a watch sees of a real database: how runs ended, which are at work, and a database that is away."""

import datetime as dt
import fcntl
import os
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tenacity.wait import wait_none

from api.watch.check import Check
from api.watch.settings import WatchSettings
from archive.runs import finish_run, start_run
from ops.watch.look import look
from ops.watch.settings import SafeguardSettings
from sql.connect import Role, open_pool
from sql.settings import DatabaseSettings
from tests.api.watch.watched import MINUTE, NIGHT, NOW, fill, run_of

DAY = dt.timedelta(days=1)
WELL = {"outcomes": [{"subject": "S1", "ending": "answered"}], "left_to_ask": 0}
ALL = ["database", "projection", "sessions", "projector", "nightly", "calendar", "backup", "drill", "scrub"]


async def looked(url: str, now: dt.datetime = NOW, folder: Path | None = None) -> dict[str, Check]:
    """Return the checks of a warehouse by name."""
    database, safeguards = DatabaseSettings(url, Path("unused")), SafeguardSettings(folder=folder)
    found = await look(database, WatchSettings(), safeguards, lambda: now, wait=wait_none())
    return {check.name: check for check in found}


def levels(checks: dict[str, Check]) -> dict[str, str]:
    """Return how each check stands."""
    return {name: check.status for name, check in checks.items()}


async def test_a_warehouse_that_is_looked_after_is_well_until_the_week_is_over(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool)
    await run_of(ingest_pool, "nightly", NIGHT, WELL)
    assert levels(await looked(database_url)) == dict.fromkeys(ALL, "ok") | dict.fromkeys(
        ("backup", "drill", "scrub"), "warn"
    )
    async with open_pool(database_url, Role.BACKUP) as pool:
        await run_of(pool, "backup", NOW - 7 * DAY, {"passed": True, "name": "2026-11-15T030000Z"})
        await run_of(pool, "drill", NOW - 30 * DAY, {"passed": True, "backup": "2026-10-18T030000Z"})
        await run_of(pool, "scrub", NOW - 2 * DAY, {"passed": True, "percent": 5.0, "seed": 7})
    checks = await looked(database_url)
    assert levels(checks) == dict.fromkeys(ALL, "ok")
    assert (checks["backup"].value, checks["drill"].value) == (7.0, 30.0)
    assert "2026-10-18T030000Z" in checks["drill"].message
    later = await looked(database_url, NOW + 6 * DAY)
    failed = {name for name, level in levels(later).items() if level == "failed"}
    assert failed == {"sessions", "nightly", "backup", "drill", "scrub"}
    # A nightly that fails is trouble at once, though yesterday's bars are there.
    await run_of(ingest_pool, "nightly", NIGHT + DAY / 2, {"passed": False})
    assert levels(await looked(database_url))["nightly"] == "failed"


async def test_a_backup_without_an_end_is_at_work_as_long_as_somebody_shows_it(
    database_url: str, ingest_pool: asyncpg.Pool, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    async def said(folder: Path | None = None) -> str:
        return (await looked(database_url, folder=folder))["backup"].message

    held = tmp_path / "held"
    held.mkdir()
    lock = os.open(held / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    run_id = await start_run(ingest_pool, "backup", {"folder": str(tmp_path)}, NOW - MINUTE)
    assert "was killed" in await said()
    assert "is under way" in await said(held)
    await finish_run(ingest_pool, run_id, "backup", {"passed": False, "error": "no space left"}, NOW - MINUTE)
    assert (await said(held)).endswith("failed: no space left")
    await start_run(ingest_pool, "backup", {"folder": str(held)}, NOW)
    assert "is under way" in await said()
    os.close(lock)
    assert "was killed" in await said()
    async with open_pool(database_url, Role.BACKUP):
        assert "is under way" in await said()
        # Drills connect so, too.
        await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.drill', 0))")
        assert "was killed" in await said()


async def test_what_a_wrong_clock_has_dated_in_the_future_does_not_silence_the_watch(
    database_url: str, ingest_pool: asyncpg.Pool
) -> None:
    await run_of(ingest_pool, "backup", NOW + 4000 * DAY, {"passed": True, "name": "2037-11-02T030000Z"})
    await run_of(ingest_pool, "backup", NOW - MINUTE, {"passed": False, "error": "no space left"})
    assert (await looked(database_url))["backup"].message.endswith("failed: no space left")


@pytest.mark.parametrize("kind", ["drill", "scrub"])
async def test_one_without_an_end_is_at_work_as_long_as_its_lock_is_held(
    kind: str, database_url: str, ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await start_run(ingest_pool, kind, {}, NOW)
    check = (await looked(database_url))[kind]
    assert (check.status, "was killed" in check.message) == ("failed", True)
    await owner.execute(f"SELECT pg_advisory_lock_shared(hashtextextended('warehouse.{kind}', 0))")
    assert "is under way" in (await looked(database_url))[kind].message


async def test_a_run_that_ended_without_saying_that_it_passed_did_not(
    database_url: str, ingest_pool: asyncpg.Pool
) -> None:
    results: list[dict[str, Any]] = [{}, {"passed": None}, {"passed": "yes"}, {"name": 7, "passed": True}]
    for minutes, result in enumerate(results):
        await run_of(ingest_pool, "backup", NOW + (minutes - len(results)) * MINUTE, result)
        assert "it does not say why" in (await looked(database_url))["backup"].message, result


async def test_an_empty_warehouse_has_grace_from_when_it_was_made(database_url: str, owner: asyncpg.Connection) -> None:
    made = await owner.fetchval("SELECT min(applied_at) FROM public.warehouse_migration")
    assert set(levels(await looked(database_url, made + DAY)).values()) == {"ok", "warn"}
    late = levels(await looked(database_url, made + 10 * DAY))
    assert {name for name, level in late.items() if level == "failed"} == {"projection", "backup", "scrub"}


async def test_a_database_that_is_away_is_all_that_is_known(empty_database_url: str) -> None:
    for url, said in (
        ("postgresql://user:pass-0123456789@127.0.0.1:1/market", "cannot be reached"),
        (empty_database_url, "is not a warehouse yet"),
    ):
        checks = await looked(url)
        assert levels(checks) == {"database": "failed"}
        assert said in checks["database"].message
        assert checks["database"].todo
        assert "pass-0123456789" not in str(checks)
