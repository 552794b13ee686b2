"""What tests of nights share: a vendor of the days up to today, for command lines, which look at the real clock."""

import asyncio
import datetime as dt
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import psutil
import pytest

from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.fake_polygon.sessions import last_closed_session
from tests.ingest.conftest import KEY, SYMBOLS

SCHEDULER, INGEST = "warehouse.scheduler", "warehouse.ingest"
_HELD = """
SELECT held.pid
FROM pg_locks AS held
JOIN pg_database ON pg_database.oid = held.database AND datname = current_database()
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = hashtextextended($1, 0)
"""


@functools.cache
def market_of_today() -> SyntheticMarket:
    """Return some months of the usual symbols, up to the last session that has closed."""
    last = last_closed_session(dt.datetime.now(dt.UTC))
    return SyntheticMarket(7, SYMBOLS, last - dt.timedelta(days=100), last=last)


@asynccontextmanager
async def vendor_of_today() -> AsyncIterator[FakePolygon]:
    """Yield a vendor of that market that behaves until it is told otherwise."""
    async with FakePolygon(market_of_today(), key=KEY) as server:
        yield server


async def until(happened: Callable[[], Awaitable[object]]) -> None:
    """Return once something has happened."""
    async with asyncio.timeout(60):
        while not await happened():
            await asyncio.sleep(0.005)


async def asked_for_bars(vendor: FakePolygon, times: int = 1) -> None:
    """Return once the vendor was asked for so many ranges of bars."""

    async def happened() -> bool:
        return vendor.counts["range"] >= times

    await until(happened)


async def holder(connection: asyncpg.Connection, lock: str) -> int | None:
    """Return the server process of the session that holds a lock of the warehouse."""
    pid: int | None = await connection.fetchval(_HELD, lock)
    return pid


async def bars(connection: asyncpg.Connection) -> int:
    """Return how many bars are projected; 0 where nothing ever was."""
    if await connection.fetchval("SELECT to_regclass('projection.bar')") is None:
        return 0
    count: int = await connection.fetchval("SELECT count(*) FROM projection.bar")
    return count


def offspring(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """Return the processes that a command has started, and theirs."""
    return list(psutil.Process(process.pid).children(recursive=True))


def events(caplog: pytest.LogCaptureFixture, *names: str) -> list[logging.LogRecord]:
    """Return what was logged under these names."""
    return [record for record in caplog.records if record.getMessage() in names]
