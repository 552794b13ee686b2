"""The keys in the database: what may stand there, who may read and change it, and that no key itself is in it."""

import datetime as dt

import asyncpg
import pytest

from api.access.key import NewKey, make_key
from api.access.store import InvalidKeyName, KeyNameTaken, NoSuchKey, add_key, list_keys, revoke_key
from sql.connect import Role, open_pool
from tests.api.market import NOW, project

LATER = NOW + dt.timedelta(hours=1)


async def test_keys_are_listed_revoked_by_name_id_or_whole_and_named_again(access_pool: asyncpg.Pool) -> None:
    keys = [make_key() for _ in range(4)]
    for key, name in zip(keys, ("one", "two", "three"), strict=False):
        await add_key(access_pool, key, name, 60, NOW)
    with pytest.raises(KeyNameTaken, match="a key in force is called one already"):
        await add_key(access_pool, keys[3], "one", 60, NOW)
    for wanted in ("one", keys[1].key_id, keys[2].text):
        await revoke_key(access_pool, wanted, LATER)
    await add_key(access_pool, keys[3], "one", 0, LATER)
    listed = {(key.key_id, key.name, key.per_minute, key.revoked_at) for key in await list_keys(access_pool)}
    assert listed == {
        (keys[0].key_id, "one", 60, LATER),
        (keys[1].key_id, "two", 60, LATER),
        (keys[2].key_id, "three", 60, LATER),
        (keys[3].key_id, "one", 0, None),
    }


@pytest.mark.parametrize("wanted", ["nobody", "c6a7ee2e76c9"])
async def test_what_is_no_key_in_force_cannot_be_revoked(access_pool: asyncpg.Pool, wanted: str) -> None:
    with pytest.raises(NoSuchKey, match=f"no key in force has the id or name {wanted}"):
        await revoke_key(access_pool, wanted, NOW)


async def test_a_whole_key_is_not_said_back(access_pool: asyncpg.Pool) -> None:
    key = make_key()
    with pytest.raises(NoSuchKey) as caught:
        await revoke_key(access_pool, key.text, NOW)
    assert key.text not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "é", "c6a7ee2e76c9", "a\n"])
async def test_a_name_is_one_plain_word_and_no_id(access_pool: asyncpg.Pool, name: str) -> None:
    with pytest.raises(InvalidKeyName):
        await add_key(access_pool, make_key(), name, 60, NOW)


async def test_a_key_itself_is_nowhere_in_the_database(key: NewKey, owner: asyncpg.Connection) -> None:
    rows = await owner.fetch("SELECT api_key::text FROM access.api_key")
    secret = key.text.rpartition("_")[2]
    assert len(rows) == 1
    assert key.key_id in rows[0][0]
    assert secret not in rows[0][0]


async def test_readers_can_change_nothing_anywhere(projector_url: str, read_pool: asyncpg.Pool, key: NewKey) -> None:
    changeable = await read_pool.fetch(
        """
        SELECT table_schema, table_name
        FROM information_schema.tables
        WHERE table_schema IN ('access', 'archive', 'projection', 'public')
            AND has_table_privilege(format('%I.%I', table_schema, table_name),
                'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        """
    )
    assert changeable == []
    for schema in ("access", "archive", "projection"):
        assert not await read_pool.fetchval("SELECT has_schema_privilege($1, 'CREATE')", schema)
    for statement in (
        "INSERT INTO access.api_key VALUES ('c6a7ee2e76c9', 'x', sha256(''), 0, now(), NULL)",
        "UPDATE access.api_key SET revoked_at = NULL",
        "DELETE FROM access.api_key",
        "SELECT name FROM access.api_key",
        "SELECT created_at FROM access.api_key",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await read_pool.execute(statement)


@pytest.fixture
async def projector_url(database_url: str) -> str:
    """Return the URL of a warehouse with a projection."""
    async with open_pool(database_url, Role.PROJECT, size=1) as pool, pool.acquire() as connection:
        await project(connection)
    return database_url


@pytest.mark.parametrize("role", [Role.INGEST, Role.PROJECT])
async def test_who_has_another_job_sees_no_key(database_url: str, role: Role) -> None:
    async with open_pool(database_url, role, size=1) as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("SELECT key_id FROM access.api_key")


async def test_who_makes_keys_can_do_nothing_else(access_pool: asyncpg.Pool, key: NewKey) -> None:
    for statement in (
        "UPDATE access.api_key SET secret_sha256 = sha256('')",
        "UPDATE access.api_key SET per_minute = 0",
        "DELETE FROM access.api_key",
        "TRUNCATE access.api_key",
        "SELECT archive_seq FROM archive.payload",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await access_pool.execute(statement)
