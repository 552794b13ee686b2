"""What the tests of the archive share: an archive with a few payloads in it, and a way to do what nobody may."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from archive.payload import Response
from tests.payloads import archive_all, range_response

BODIES = (b'{"status":"OK","results":[]}', b"", bytes(range(256)) * 9)


@pytest.fixture
async def three(ingest_pool: asyncpg.Pool) -> list[Response]:
    """Return the three responses that a fresh archive holds: small, empty, and not JSON at all."""
    responses = [range_response(ticker, body) for ticker, body in zip(("AAPL", "BCpC", "BCPC"), BODIES, strict=True)]
    assert await archive_all(ingest_pool, responses) == [1, 2, 3]
    return responses


@pytest.fixture
def tamper(owner: asyncpg.Connection) -> Callable[[str], Awaitable[None]]:
    """Return a function that runs a statement as a superuser who has switched the guards off."""

    async def run(statement: str) -> None:
        async with owner.transaction():
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute(statement)

    return run
