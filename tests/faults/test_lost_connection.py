"""A connection that is lost: whoever writes to it is told so, and whoever held a lock with it holds it no more."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.errors import is_connection_lost
from tests.faults.line import open_line

_MUCH, _SOME = 1_000, 2**20
_ROW = "x" * 100_000
_LOCK = "SELECT pg_advisory_lock(hashtextextended('warehouse.project', 0))"
_TRY = "SELECT pg_try_advisory_lock(hashtextextended('warehouse.project', 0))"
_HOLD = f"""
import asyncio, sys
from sql.connect import Role, open_pool
async def hold():
    async with open_pool(sys.argv[1], Role(sys.argv[2])) as pool, pool.acquire() as connection:
        await connection.execute("{_LOCK}")
        print(flush=True)
        await connection.execute("SELECT pg_sleep(3600)")
asyncio.run(hold())
"""


async def _rows() -> AsyncIterator[bytes]:
    for _ in range(_MUCH):
        yield _ROW.encode() + b"\n"


async def _copy_stream(connection: asyncpg.Connection) -> None:
    await connection.copy_to_table("sink", source=_rows())


async def _copy_records(connection: asyncpg.Connection) -> None:
    await connection.copy_records_to_table("sink", records=[(_ROW,)] * _MUCH)


async def _insert_many(connection: asyncpg.Connection) -> None:
    await connection.executemany("INSERT INTO sink VALUES ($1)", [(_ROW,)] * _MUCH)


@pytest.mark.parametrize("write", [_copy_stream, _copy_records, _insert_many])
async def test_a_write_that_waits_for_a_server_which_goes_away_ends(
    server_url: str, write: Callable[[asyncpg.Connection], Awaitable[None]]
) -> None:
    async with open_line(server_url) as line, open_owner(line.url) as connection:
        await connection.execute("CREATE TEMP TABLE sink (row text)")
        writing = asyncio.ensure_future(write(connection))
        while line.through < _SOME:
            await asyncio.sleep(0.001)
        line.stall()
        await _comes_to_rest(connection)
        assert not writing.done()
        line.cut()
        async with asyncio.timeout(60):
            with pytest.raises(asyncpg.ConnectionDoesNotExistError) as raised:
                await writing
        assert is_connection_lost(raised.value)


async def _comes_to_rest(connection: asyncpg.Connection) -> None:
    """Wait until what is written is no longer taken."""
    before, waiting = -1, 0
    while waiting == 0 or waiting != before:
        before = waiting
        await asyncio.sleep(0.05)
        waiting = connection._transport.get_write_buffer_size()


@pytest.mark.parametrize("role", [Role.INGEST, Role.PROJECT, Role.BACKUP])
async def test_the_lock_of_who_was_killed_within_a_long_statement_is_free_soon(database_url: str, role: Role) -> None:
    root = Path(__file__).parents[2]
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, database_url, role.value, cwd=root, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    async with open_pool(database_url, Role.PROJECT) as pool, pool.acquire() as connection:
        assert not await connection.fetchval(_TRY)
        holder.send_signal(signal.SIGKILL)
        await holder.wait()
        async with asyncio.timeout(60):  # of the hour that the statement takes
            while not await connection.fetchval(_TRY):
                await asyncio.sleep(0.05)
