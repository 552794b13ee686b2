"""A fresh warehouse with a login for each job."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from ops.compose.logins import make_logins
from tests.ops.compose.logins import PASSWORDS, drop_logins, url_of


class Logins(msgspec.Struct, frozen=True):
    """A warehouse, and what its logins' names begin with."""

    database_url: str
    prefix: str

    def url(self, job: str) -> str:
        """Return the URL for the login of a job."""
        return url_of(self.database_url, self.prefix + job, PASSWORDS[job])

    async def connect(self, job: str) -> asyncpg.Connection:
        """Return a connection of a login, in no other role than its own."""
        return await asyncpg.connect(self.url(job))


@pytest.fixture
async def prefix(owner: asyncpg.Connection) -> AsyncIterator[str]:
    """Yield what the names of this test's logins begin with; they are gone after it."""
    name = f"t{uuid.uuid4().hex[:8]}_"
    yield name
    await drop_logins(owner, name)


@pytest.fixture
async def logins(database_url: str, owner: asyncpg.Connection, prefix: str) -> Logins:
    """Return a warehouse whose logins are made."""
    await make_logins(owner, PASSWORDS, prefix)
    return Logins(database_url, prefix)
