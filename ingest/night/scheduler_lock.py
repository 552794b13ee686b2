"""The lock of the service that fetches every night: one in a database, and held for all to see that it lives.

It stands and falls with one session, which nothing else uses. Lost with its connection, it is taken again. It knows
nothing of nights.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from ingest.errors import AnotherScheduler
from sql import load_queries
from sql.errors import CONNECTION_LOST, WarehouseError

_LOG = logging.getLogger("ingest")
_QUERIES = load_queries("scheduler.sql")
_WAIT_SHORTLY = _QUERIES["wait_shortly"]
_LOCK = _QUERIES["lock_scheduler"]
_ACT_AS_SCHEDULER = _QUERIES["act_as_scheduler"]
_HEARTBEAT = _QUERIES["heartbeat"]
_BEAT_S = 60.0
# The server may take as many beats to notice that the session we lost is gone.
_REFUSALS = 2
_DATABASE_ERRORS = (WarehouseError, *CONNECTION_LOST, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)

Connect = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


@asynccontextmanager
async def scheduler_lock(
    connect: Connect, on_lost: Callable[[str], None], *, beat_s: float = _BEAT_S
) -> AsyncIterator[None]:
    """Hold the lock while the context is open, on a connection of its own.

    A connection that is lost is made again, for as long as that takes. When another service has the lock by then,
    `on_lost` is told why, and the context raises it at its end.

    Raises: AnotherScheduler; DatabaseError when the database is away at the beginning.
    """
    taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keeper = asyncio.create_task(_keep(connect, taken, beat_s))
    await asyncio.wait({keeper, taken}, return_when=asyncio.FIRST_COMPLETED)
    if keeper.done():
        keeper.result()

    def gave_up(_keeper: "asyncio.Task[None]") -> None:
        if not keeper.cancelled():
            on_lost("the loss of its lock")

    keeper.add_done_callback(gave_up)
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})
        if not keeper.cancelled():
            keeper.result()


async def _keep(connect: Connect, taken: "asyncio.Future[None]", beat_s: float) -> None:
    refusals = 0
    while True:
        try:
            async with connect() as connection:
                await _hold(connection, taken, beat_s)
            refusals = 0
        except AnotherScheduler:
            refusals += 1
            if not taken.done() or refusals > _REFUSALS:
                raise
            _LOG.warning("ingest.scheduler_lock_refused")
        except _DATABASE_ERRORS as exc:
            if not taken.done():
                raise
            _LOG.warning("ingest.database_away", extra={"caused_by": str(exc) or type(exc).__name__})
        else:
            continue
        await asyncio.sleep(beat_s)


async def _hold(connection: asyncpg.Connection, taken: "asyncio.Future[None]", beat_s: float) -> None:
    """Take the lock and hold it until the connection is lost."""
    try:
        await _take(connection)
        if taken.done():
            _LOG.info("ingest.scheduler_lock_taken_again")
        else:
            taken.set_result(None)
        await _until_lost(connection, beat_s)
    finally:
        # Not closed with a farewell, which would wait for a server that is silently gone.
        connection.terminate()


async def _take(connection: asyncpg.Connection) -> None:
    await connection.execute(_ACT_AS_SCHEDULER)
    try:
        async with connection.transaction():
            await connection.execute(_WAIT_SHORTLY)
            await connection.execute(_LOCK)
    except asyncpg.LockNotAvailableError as exc:
        raise AnotherScheduler from exc


async def _until_lost(connection: asyncpg.Connection, beat_s: float) -> None:
    """Return once the connection is lost; one whose other end is silently gone is found out by asking."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    while not (lost.is_set() or connection.is_closed()):
        try:
            await asyncio.wait_for(lost.wait(), beat_s)
        except TimeoutError:
            await _beat(connection, beat_s)
    _LOG.warning("ingest.scheduler_lock_lost")


async def _beat(connection: asyncpg.Connection, within_s: float) -> None:
    try:
        await connection.execute(_HEARTBEAT, timeout=within_s)
    except _DATABASE_ERRORS:
        connection.terminate()
