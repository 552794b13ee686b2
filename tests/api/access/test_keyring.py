"""What a server process remembers of the keys, and for how long."""

import asyncpg
import pytest

from api.access.key import NewKey, make_key
from api.access.keyring import REMEMBER_S, KeyRing
from api.access.store import add_key, revoke_key
from api.errors import DatabaseUnreachable
from tests.api.market import NOW


class Clock:
    """A clock that is set by hand."""

    s = 100.0

    def __call__(self) -> float:
        return self.s


async def test_a_revoked_key_is_forgotten_when_what_is_remembered_is_too_old(
    access_pool: asyncpg.Pool, read_pool: asyncpg.Pool, key: NewKey
) -> None:
    clock = Clock()
    ring = KeyRing(clock)
    assert await ring.find(key.text, read_pool) is not None
    await revoke_key(access_pool, "notebook", NOW)
    clock.s += REMEMBER_S
    assert await ring.find(key.text, read_pool) is not None
    clock.s += 0.001
    assert await ring.find(key.text, read_pool) is None


async def test_a_new_key_is_found_at_once(access_pool: asyncpg.Pool, read_pool: asyncpg.Pool, key: NewKey) -> None:
    clock = Clock()
    ring = KeyRing(clock)
    assert await ring.find(key.text, read_pool) is not None
    another = make_key()
    await add_key(access_pool, another, "another", 5, NOW)
    clock.s += 0.2
    found = await ring.find(another.text, read_pool)
    assert found is not None
    assert (found.key_id, found.per_minute) == (another.key_id, 5)


async def test_strangers_cannot_make_it_read_at_every_request(
    access_pool: asyncpg.Pool, read_pool: asyncpg.Pool, key: NewKey
) -> None:
    ring = KeyRing(Clock())
    assert await ring.find(key.text, read_pool) is not None
    await access_pool.close()
    await read_pool.close()
    assert await ring.find(make_key().text, read_pool) is None
    assert await ring.find("no key at all", read_pool) is None


async def test_with_the_database_away_nobody_is_let_in(read_pool: asyncpg.Pool, key: NewKey) -> None:
    clock = Clock()
    ring = KeyRing(clock)
    assert await ring.find(key.text, read_pool) is not None
    await read_pool.close()
    clock.s += REMEMBER_S + 1
    with pytest.raises(DatabaseUnreachable):
        await ring.find(key.text, read_pool)
