"""What holds a run together: it is the only one that fetches into its database, and a database that goes away in the
middle is one clear line. It knows nothing of what is fetched.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from ingest.errors import AnotherRunUnderWay
from sql import load_queries
from sql.errors import CONNECTION_LOST, DatabaseError

_QUERIES = load_queries("ingest.sql")
_LOCK = _QUERIES["lock_ingest"]
_WAIT_SHORTLY = _QUERIES["wait_shortly"]
_UNLOCK = _QUERIES["unlock_ingest"]
_OF_DATABASE = (*CONNECTION_LOST, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


@asynccontextmanager
async def one_run_at_a_time(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Hold the lock of this database's ingest.

    Raises: AnotherRunUnderWay while another process has it.
    """
    async with pool.acquire() as connection:
        try:
            async with connection.transaction():
                await connection.execute(_WAIT_SHORTLY)
                await connection.execute(_LOCK)
        except asyncpg.LockNotAvailableError as exc:
            raise AnotherRunUnderWay from exc
        try:
            yield
        finally:
            await connection.execute(_UNLOCK)


@asynccontextmanager
async def clear_database_errors() -> AsyncIterator[None]:
    """Turn what the database raises in the middle of a run into one line; a step's own errors are in its outcome."""
    try:
        yield
    except ExceptionGroup as exc:
        raise _database_error(exc.exceptions[0]) from exc
    except _OF_DATABASE as exc:
        raise _database_error(exc) from exc


def _database_error(exc: BaseException) -> BaseException:
    if not isinstance(exc, _OF_DATABASE):
        return exc
    what = type(exc).__name__
    return DatabaseError(f"the database failed during the run ({what}); what was archived stays, run again to go on")
