"""One archive, projected by the real projector and served, for all tests that only ask."""

import datetime as dt
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest

from project.rebuild import rebuild
from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.records.archived import HTML, responses
from tests.api.served import Client, served
from tests.payloads import archive_all
from tests.project.random_archive import small_ruleset


def now() -> dt.datetime:
    """Return when the projection is built."""
    return dt.datetime(2024, 7, 2, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="session")
async def records_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with the archive of `archived.py`; tests do not change it."""
    name = f"records_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    async with open_pool(url, Role.INGEST, size=1) as pool:
        told = [
            msgspec.structs.replace(each, headers=[("content-type", "text/html; charset=utf-8")])
            if each.body == HTML
            else each
            for each in responses()
        ]
        await archive_all(pool, told)
    async with open_pool(url, Role.PROJECT) as pool:
        await rebuild(pool, small_ruleset(), now)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def records(records_url: str) -> AsyncIterator[Client]:
    """Yield a client of the API on that warehouse."""
    async with served(records_url) as client:
        yield client


@pytest.fixture
def records_environ(records_url: str, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a command line on that warehouse."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": records_url, "LOG_LEVEL": "WARNING"}
