"""One more warehouse with its vendor, as often as a test likes; and what a warehouse is that was never disturbed."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from sql.connect import open_owner
from sql.migrate import migrate
from tests.chaos.forks import Forks, open_forks
from tests.chaos.scenario import Place
from tests.chaos.world import World, open_world

NewWorld = Callable[[Place], AbstractAsyncContextManager[World]]
Undisturbed = Callable[[Place], Awaitable[str]]


@pytest.fixture(scope="session")
async def forks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Forks]:
    """Yield a way to start commands of the product."""
    async with open_forks(tmp_path_factory.mktemp("said")) as opened:
        yield opened


@pytest.fixture(scope="session")
def new_world(server_url: str, template: str, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> NewWorld:
    """Return a way to have an empty warehouse and the vendor of a place for a while."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home"))}

    @asynccontextmanager
    async def world(place: Place) -> AsyncIterator[World]:
        async with (
            _fresh_database(server_url, template) as url,
            open_world(place, url, forks, environ) as opened,
        ):
            yield opened

    return world


@asynccontextmanager
async def _fresh_database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"chaos_{uuid.uuid4().hex[:8]}"
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(url) as owner:
        await migrate(owner)
    try:
        yield url
    finally:
        async with open_owner(server_url) as server:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def undisturbed(new_world: NewWorld) -> Undisturbed:
    """Return a way to find out the content hash of a place where nothing goes wrong, in no more requests than due."""
    found: dict[int, str] = {}

    async def content_hash(place: Place) -> str:
        if place.number not in found:
            async with new_world(place) as world:
                found[place.number] = await world.one_run()
                assert len(world.vendor.requests) <= place.cost(place.goal)
                assert await world.bars() == place.bars()
        return found[place.number]

    return content_hash
