"""Append-only, enforced by the database: nobody changes or removes a row, and payloads come in by one door."""

import asyncpg
import pytest

from archive.chain import seal_archive
from archive.payload import Response
from archive.runs import start_run
from sql.connect import Role, open_owner, open_pool
from tests.payloads import FETCHED_AT, RUN_ID

TABLES = ("payload", "seal", "assessment", "run", "ruleset")
KEYS = {
    "payload": "archive_seq",
    "seal": "to_seq",
    "assessment": "assessor",
    "run": "kind",
    "ruleset": "body",
}
CHANGES = (
    "UPDATE archive.{table} SET {key} = {key}",
    "DELETE FROM archive.{table}",
    "TRUNCATE archive.{table} CASCADE",
)


@pytest.fixture
async def filled(database_url: str, three: list[Response], ingest_pool: asyncpg.Pool) -> str:
    """Return the URL of an archive with rows in every table."""
    await seal_archive(ingest_pool, FETCHED_AT)
    await start_run(ingest_pool, "backfill", {}, FETCHED_AT)
    await ingest_pool.execute("INSERT INTO archive.assessment VALUES (1, 1, 'rows', 0, NULL, NULL, NULL, NULL)")
    async with open_pool(database_url, Role.PROJECT) as pool:
        await pool.execute("INSERT INTO archive.ruleset (ruleset_hash, body) VALUES ('0', '{}')")
    return database_url


async def test_no_role_may_change_or_remove_anything(filled: str) -> None:
    statements = [change.format(table=table, key=KEYS[table]) for table in TABLES for change in CHANGES]
    for role in Role:
        await _refused(filled, role, *statements)


async def test_not_even_the_owner_may_change_or_remove_anything(filled: str) -> None:
    async with open_owner(filled) as owner:
        assert await owner.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        for table in TABLES:
            before = await owner.fetchval(f"SELECT count(*) FROM archive.{table}")
            assert before > 0
            for change in CHANGES:
                with pytest.raises(asyncpg.RestrictViolationError, match="the archive is append-only"):
                    await owner.execute(change.format(table=table, key=KEYS[table]))
            assert await owner.fetchval(f"SELECT count(*) FROM archive.{table}") == before


async def test_an_upsert_is_a_change_too(filled: str) -> None:
    upsert = "INSERT INTO archive.run SELECT * FROM archive.run ON CONFLICT (run_id, phase) DO UPDATE SET kind = 'x'"
    async with open_owner(filled) as owner:
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(upsert)
    await _refused(filled, Role.INGEST, upsert)


async def test_no_role_may_insert_a_payload_past_the_one_function(filled: str) -> None:
    for role in Role:
        await _refused(filled, role, "INSERT INTO archive.payload SELECT * FROM archive.payload")


async def test_no_number_can_be_drawn_past_the_one_function(owner: asyncpg.Connection) -> None:
    sequences = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'archive'::regnamespace"
    )
    assert sequences == []


async def test_only_ingest_may_append(filled: str) -> None:
    call = (
        "SELECT archive.append_payload(now(), 'polygon', 'range', '/', NULL, NULL, NULL, 200::smallint, '[]',"
        f" 'complete', '', 0, sha256(''), '{RUN_ID}')"
    )
    for role in (Role.PROJECT, Role.READ):
        await _refused(filled, role, call)


async def test_readers_only_read(filled: str) -> None:
    await _refused(
        filled,
        Role.READ,
        "INSERT INTO archive.run VALUES (gen_random_uuid(), 'started', now(), 'x', '{}')",
        "INSERT INTO archive.ruleset (ruleset_hash, body) VALUES ('1', '{}')",
        "INSERT INTO archive.assessment VALUES (1, 2, 'rows', 0, NULL, NULL, NULL, NULL)",
        "INSERT INTO archive.seal VALUES (2, sha256(''), now())",
        "SELECT archive.lock_append()",
        "CREATE TABLE archive.x (n integer)",
        "CREATE SCHEMA x",
    )


async def test_no_role_may_switch_the_guard_off(filled: str) -> None:
    for role in Role:
        await _refused(
            filled,
            role,
            "ALTER TABLE archive.payload DISABLE TRIGGER ALL",
            "DROP TRIGGER payload_is_append_only ON archive.payload",
            "DROP TABLE archive.seal",
            "SET session_replication_role = replica",
            "CREATE OR REPLACE FUNCTION archive.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        )


async def test_every_table_of_the_archive_is_guarded(owner: asyncpg.Connection) -> None:
    """A table that is added later and forgotten here would otherwise be open."""
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'archive'::regnamespace"
    )
    assert sorted(row["relname"] for row in tables) == sorted(TABLES)


async def _refused(url: str, role: Role, *statements: str) -> None:
    async with open_pool(url, role, size=1) as pool:
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
