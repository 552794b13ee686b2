"""What the tests of the archive share: an archive with a few payloads in it."""

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
