"""One warehouse with everything the Polygon routes tell of, one server on it, and the vendor's own clients at it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import massive
import polygon
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.polygon.known import fill
from tests.api.served import Client, served

T = TypeVar("T")

BAD_RESPONSE = (massive.exceptions.BadResponse, polygon.exceptions.BadResponse)
NOT_FOUND = r'"status":"NOT_FOUND".*"message":"Data not found\."'


@asynccontextmanager
async def _warehouse(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"polygon_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def fresh_database_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a fresh, migrated warehouse for the tests of one file."""
    async with _warehouse(server_url, template) as url:
        yield url


@pytest.fixture(scope="session")
async def vendor_like_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with the projection of these tests, which do not change it."""
    async with _warehouse(server_url, template) as url:
        async with open_pool(url, Role.PROJECT, size=1) as pool, pool.acquire() as connection:
            await fill(connection)
        yield url


@pytest.fixture(scope="session")
async def vendor_like(vendor_like_url: str) -> AsyncIterator[Client]:
    """Yield a client of the API on that projection."""
    async with served(vendor_like_url) as client:
        yield client


class Vendor:
    """One of the vendor's clients; its calls block, so they are made in a thread."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def call(self, ask: Callable[[Any], T]) -> T:
        """Return what a call of the client gives."""
        return await asyncio.to_thread(ask, self.client)


@pytest.fixture(params=[massive.RESTClient, polygon.RESTClient], ids=["massive", "polygon-api-client"])
def vendor(request: pytest.FixtureRequest, vendor_like: Client) -> Iterator[Vendor]:
    """Yield each of the official clients, changed in nothing but its base."""
    client = request.param("some key", base=vendor_like.origin)
    yield Vendor(client)
    client.client.clear()


@pytest.fixture
def massive_client(vendor_like: Client) -> Iterator[Vendor]:
    """Yield the newer client, which alone knows the newer routes."""
    client = massive.RESTClient("some key", base=vendor_like.origin)
    yield Vendor(client)
    client.client.clear()
