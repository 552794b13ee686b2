"""`ops scrub` as it is called: what it prints, what stands in the ledger, and that the watch tells of it."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tenacity.wait import wait_none

from api.watch.check import Check
from api.watch.settings import WatchSettings
from archive.runs import list_runs, start_run
from ops.watch.look import look
from ops.watch.scrub import scrub
from ops.watch.settings import SafeguardSettings
from project.options import utc_now
from sql.settings import DatabaseSettings
from tests.api.watch.watched import MINUTE, NOW, WEEK, bars_of
from tests.ops.commands import run_command
from tests.payloads import archive_all

ARCHIVED = 3
_SOMEBODY_WAITS = """
    SELECT EXISTS (
        SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE datname = current_database() AND NOT granted
    )
"""


@pytest.fixture
async def archived(ingest_pool: asyncpg.Pool) -> None:
    """Archive a few payloads."""
    await archive_all(ingest_pool, [bars_of(f"S{n}", WEEK) for n in range(ARCHIVED)])


async def last_scrub(pool: asyncpg.Pool) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return plan and result of the last scrub in the ledger."""
    [run] = await list_runs(pool, 1, ["scrub"])
    return run.plan, run.result


async def checks_of(url: str, now: Callable[[], dt.datetime]) -> dict[str, Check]:
    """Return what a watch finds, by name."""
    database = DatabaseSettings(url, Path("unused"))
    checks = await look(database, WatchSettings(), SafeguardSettings(), now, wait=wait_none())
    return {check.name: check for check in checks}


@pytest.mark.usefixtures("archived")
async def test_it_says_what_archive_verify_does_and_the_ledger_has_it_whatever_is_found(
    command_environ: dict[str, str], read_pool: asyncpg.Pool, tamper: Callable[[str], Any]
) -> None:
    words = ("--sample", "100%", "--seed", "7")
    verified = await run_command(command_environ, "archive", "verify", *words)
    scrubbed = await run_command(command_environ, "ops", "scrub", *words)
    assert (scrubbed.code, scrubbed.out) == (0, verified.out)
    plan, result = await last_scrub(read_pool)
    assert plan == {"percent": 100.0, "seed": 7}
    told = {"percent": 100.0, "seed": 7, "payloads": 3, "bodies": 3, "error": None}
    assert result == {"passed": True, "first_bad": None, **told}
    await tamper("UPDATE archive.payload SET body = 'x' WHERE archive_seq = 2")
    bad = await run_command(command_environ, "ops", "scrub", *words)
    assert bad.code == 1
    assert bad.err.splitlines()[-1].startswith("error: archive verify: payload 2 is damaged")
    _, result = await last_scrub(read_pool)
    assert result is not None
    assert (result["passed"], result["first_bad"]) == (False, 2)
    check = (await checks_of(command_environ["DATABASE_URL"], utc_now))["scrub"]
    assert check.status == "failed"
    assert "failed: archive verify: payload 2 is damaged" in check.message


@pytest.mark.usefixtures("archived")
async def test_a_login_for_backups_may_scrub_and_one_that_cannot_read_on_is_told_too(
    database_url: str, owner: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    login = f"scrub_{await owner.fetchval('SELECT current_database()')}"
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE warehouse_backup")
    try:
        url = database_url.replace("postgres:", f"{login}:x").replace("postgres@", f"{login}:x@")
        assert (await scrub(url, None, lambda: NOW)).payloads == ARCHIVED
        plan, result = await last_scrub(read_pool)
        assert (plan["percent"], result is not None and result["passed"]) == (None, True)
        await owner.execute("REVOKE SELECT ON archive.payload FROM warehouse_read")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await scrub(url, None, lambda: NOW + MINUTE)
    finally:
        await owner.execute(f"DROP ROLE {login}")
    _, result = await last_scrub(read_pool)
    assert result is not None
    assert result["passed"] is False
    assert "the database cannot do its work: permission denied for table payload" in result["error"]


async def test_a_scrub_at_work_is_told_as_such_and_is_no_sign_of_a_backup(
    database_url: str, owner: asyncpg.Connection, ingest_pool: asyncpg.Pool
) -> None:
    await start_run(ingest_pool, "backup", {}, NOW)
    held_up = owner.transaction()
    await held_up.start()
    await owner.execute("LOCK TABLE archive.seal")
    scrubbing = asyncio.create_task(scrub(database_url, None, lambda: NOW))
    async with asyncio.timeout(30):
        while not await ingest_pool.fetchval(_SOMEBODY_WAITS):
            await asyncio.sleep(0.005)
    found = await checks_of(database_url, lambda: NOW)
    assert "the first scrub is under way" in found["scrub"].message
    assert "was killed" in found["backup"].message
    await held_up.rollback()
    await scrubbing
    assert (await checks_of(database_url, lambda: NOW))["scrub"].status == "ok"
