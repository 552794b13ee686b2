"""archive_seq is commit order: whoever has seen a number has seen every number below it, however commits race."""

import asyncio
import random

import asyncpg
import pytest

from archive.append import append_responses, open_archiver
from archive.read import archive_head, read_payloads
from sql.connect import Role, open_pool
from tests.payloads import RUN_ID, range_response

_APPENDERS = 6
_TRANSACTIONS = 12


@pytest.mark.parametrize("seed", range(3))
async def test_a_reader_that_checkpoints_never_misses_a_payload(database_url: str, seed: int) -> None:
    """Transactions of random length commit late, fail, or hurry; the reader follows the head all the while."""
    chance = random.Random(seed)
    seen: list[int] = []
    async with (
        open_pool(database_url, Role.INGEST, size=_APPENDERS) as writers,
        open_pool(database_url, Role.READ) as readers,
    ):
        reader = asyncio.create_task(_follow(readers, seen))
        appended = await asyncio.gather(*(_append(writers, random.Random(chance.random())) for _ in range(_APPENDERS)))
        expected = sorted(number for numbers in appended for number in numbers)
        while seen[-1:] != expected[-1:]:
            await asyncio.sleep(0.01)
            assert not reader.done() or reader.result()
        reader.cancel()
    assert seen == expected == list(range(1, len(expected) + 1))


async def test_a_number_is_drawn_only_after_every_earlier_append_has_ended(ingest_pool: asyncpg.Pool) -> None:
    async with ingest_pool.acquire() as first:
        open_transaction = first.transaction()
        await open_transaction.start()
        assert await _call_append(first) == 1
        second = asyncio.create_task(append_responses(ingest_pool, RUN_ID, [range_response("AAPL", b"")]))
        await asyncio.sleep(0.2)
        assert not second.done()
        await open_transaction.rollback()
        assert await second == [1]  # the first left no gap behind


async def test_a_projector_may_hold_appends_still(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    async with project_pool.acquire() as projector:
        async with projector.transaction():
            await projector.execute("SELECT archive.lock_append()")
            appending = asyncio.create_task(append_responses(ingest_pool, RUN_ID, [range_response("AAPL", b"")]))
            await asyncio.sleep(0.2)
            assert not appending.done()
            assert await archive_head(projector) == 0
        assert await appending == [1]


async def test_many_archivers_at_once_number_without_gaps(ingest_pool: asyncpg.Pool) -> None:
    async def archive_some() -> list[int]:
        async with open_archiver(ingest_pool, RUN_ID) as archiver:
            return await asyncio.gather(*(archiver.append(range_response("AAPL", b"")) for _ in range(30)))

    numbers = await asyncio.gather(*(archive_some() for _ in range(4)))
    assert all(own == sorted(own) for own in numbers)
    assert sorted(number for own in numbers for number in own) == list(range(1, 121))


async def _follow(pool: asyncpg.Pool, seen: list[int]) -> None:
    while True:
        head = await archive_head(pool)
        checkpoint = seen[-1] if seen else 0
        seen += [payload.archive_seq async for payload in read_payloads(pool, checkpoint, head)]


async def _append(pool: asyncpg.Pool, chance: random.Random) -> list[int]:
    committed = []
    for _ in range(_TRANSACTIONS):
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            numbers = []
            for _ in range(chance.randint(1, 4)):
                numbers.append(await _call_append(connection))
                await asyncio.sleep(chance.choice((0, 0, 0.001, 0.004)))
            if chance.random() < 0.2:
                await transaction.rollback()
            else:
                await transaction.commit()
                committed += numbers
    return committed


async def _call_append(connection: asyncpg.Connection) -> int:
    number: int = await connection.fetchval(
        "SELECT archive.append_payload(now(), 'polygon', 'range', '/v2/x', NULL, NULL, NULL, 200::smallint, '[]',"
        " 'complete', '\\x28b52ffd2000010000', 0, sha256(''), $1)",
        RUN_ID,
    )
    return number
