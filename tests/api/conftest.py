"""One filled warehouse and one server for all tests that only ask; the others make their own."""

import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.market import project
from tests.api.served import Client, served


@pytest.fixture(scope="session")
async def market_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with the known projection; tests do not change it."""
    name = f"market_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    async with open_pool(url, Role.PROJECT, size=1) as pool, pool.acquire() as connection:
        await project(connection)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def client(market_url: str) -> AsyncIterator[Client]:
    """Yield a client of the API on the known projection."""
    async with served(market_url) as client:
        yield client


@pytest.fixture
async def projector(project_pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection in the role of the projector, to a fresh warehouse."""
    async with project_pool.acquire() as connection:
        yield connection
