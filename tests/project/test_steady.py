"""What several statements make of one generation is never made of two."""

import datetime as dt

import asyncpg
import pytest

from project.errors import AuditFailed, GenerationChanging
from project.rebuild import rebuild
from project.steady import read_steadily
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS, small_ruleset

RULESET = small_ruleset()


async def _swap(pool: asyncpg.Pool) -> None:
    await rebuild(pool, RULESET, lambda: dt.datetime(2024, 7, 2, tzinfo=dt.UTC))


@pytest.fixture
async def projected(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Make a projection."""
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    await _swap(project_pool)


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "failed"])
async def test_what_a_swap_fell_into_is_read_again(
    projected: None, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, fails: bool
) -> None:
    """A mixture may look like a failed audit as well as like an answer."""
    seen: list[list[object]] = []
    async with read_pool.acquire() as connection:

        async def read() -> list[object]:
            ids: list[object] = [await connection.fetchval("SELECT generation_id FROM projection.generation")]
            if not seen:
                await _swap(project_pool)
            seen.append(ids)
            if fails and len(seen) == 1:
                raise AuditFailed(SESSIONS[0], "a mixture")
            ids.append(await connection.fetchval("SELECT generation_id FROM projection.generation"))
            return ids

        found = await read_steadily(connection, read)
    assert len(seen) == 2
    assert found[0] == found[1] == await read_pool.fetchval("SELECT generation_id FROM projection.generation")


async def test_what_fails_without_a_swap_fails(projected: None, read_pool: asyncpg.Pool) -> None:
    async with read_pool.acquire() as connection:

        async def read() -> None:
            raise AuditFailed(SESSIONS[0], "wrong")

        with pytest.raises(AuditFailed, match="wrong"):
            await read_steadily(connection, read)


async def test_swaps_that_never_end_are_an_error(
    projected: None, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    async with read_pool.acquire() as connection:

        async def read() -> None:
            await connection.fetchval("SELECT 1")
            await _swap(project_pool)

        with pytest.raises(GenerationChanging, match="run the command again"):
            await read_steadily(connection, read)
