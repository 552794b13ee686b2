"""A warehouse with two keys, and the means to make and revoke them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from api.access.key import NewKey, make_key
from api.access.store import add_key
from sql.connect import Role, open_pool
from tests.api.market import NOW


@pytest.fixture
async def access_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool in the role that makes keys."""
    async with open_pool(database_url, Role.ACCESS, size=1) as pool:
        yield pool


@pytest.fixture
async def key(access_pool: asyncpg.Pool) -> NewKey:
    """Return a key in force without a limit."""
    made = make_key()
    await add_key(access_pool, made, "notebook", 0, NOW)
    return made
