"""Real databases for the tests: one server a test run, a migrated template, and a fresh clone for each test.

The server is the embedded PostgreSQL, or the one of TEST_DATABASE_URL. Pure tests ask for no fixture and open no
database.
"""

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from hypothesis import settings

from sql.connect import Role, open_owner, open_pool
from sql.embedded import release_embedded, start_embedded
from sql.migrate import migrate
from sql.timescale import enable_timescale

# No test of ours fails because a machine is busy.
settings.register_profile("warehouse", deadline=None)
settings.load_profile("warehouse")


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Return the folder of real market data; tests that need it are skipped where it is missing."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MARKET_DATA_DIR", default))
    if not (folder / "bars").is_dir():
        pytest.skip(f"no real market data in {folder} (MARKET_DATA_DIR)")
    return folder


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Yield the URL of the server that the tests run on."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    # Not in pytest's own folder: another pytest of the same user would close that to the server's user.
    with tempfile.TemporaryDirectory(prefix="warehouse-tests-", ignore_cleanup_errors=True) as folder:
        yield start_embedded(Path(folder))
        release_embedded(Path(folder))


def _database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
async def template(server_url: str) -> AsyncIterator[str]:
    """Yield the name of a migrated database that nobody may connect to, so that it can be cloned at any time."""
    name = f"warehouse_template_{uuid.uuid4().hex[:8]}"
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name}")
        async with open_owner(_database(server_url, name)) as owner:
            await enable_timescale(owner)
            await migrate(owner)
        # TimescaleDB's scheduler would connect to the template and make cloning fail.
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await _disconnect(server, name)
    yield name
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a fresh, migrated warehouse."""
    name = f"warehouse_{uuid.uuid4().hex[:8]}"
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    url = _database(server_url, name)
    async with open_owner(url) as owner:
        await migrate(owner)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database_url(server_url: str) -> AsyncIterator[str]:
    """Yield the URL of a database that was never migrated."""
    name = f"empty_{uuid.uuid4().hex[:8]}"
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name}")
    yield _database(server_url, name)
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection as the owner of a fresh warehouse: the strongest role there is."""
    async with open_owner(database_url) as connection:
        yield connection


@pytest.fixture
def tamper(owner: asyncpg.Connection) -> Callable[[str], Awaitable[None]]:
    """Return a function that runs a statement as a superuser who has switched the guards off."""

    async def run(statement: str) -> None:
        async with owner.transaction():
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute(statement)

    return run


@pytest.fixture
async def ingest_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool in the role of ingest."""
    async with open_pool(database_url, Role.INGEST) as pool:
        yield pool


@pytest.fixture
async def project_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool in the role of the projector."""
    async with open_pool(database_url, Role.PROJECT) as pool:
        yield pool


@pytest.fixture
async def read_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool in the role of readers."""
    async with open_pool(database_url, Role.READ) as pool:
        yield pool


async def _disconnect(server: asyncpg.Connection, name: str) -> None:
    await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)


@pytest.fixture
def command_environ(database_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a command line that is to work on a fresh warehouse, and nothing of the caller's."""
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_URL": database_url,
        "LOG_LEVEL": "WARNING",
    }
