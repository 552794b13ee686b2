"""The jobs of this room in the run ledger: that they start, and how they end, in its words. It knows no job."""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg

from archive.runs import finish_run, start_run
from sql.errors import CONNECTION_LOST, DatabaseError, WarehouseError

CANNOT_BE_TOLD = (*CONNECTION_LOST, asyncpg.InterfaceError, OSError, DatabaseError)
"""What is raised where the database cannot be told how a job ended: only who reads the error is told then."""


class Entry:
    """A run in the ledger: the block sets `result`, what stands there at its end; `failed` makes it of an error."""

    def __init__(self, run_id: uuid.UUID, started_at: dt.datetime, failed: Callable[[str], object]) -> None:
        self.run_id, self.started_at, self.failed = run_id, started_at, failed
        self.result: object = None


@asynccontextmanager
async def in_ledger(
    pool: asyncpg.Pool, kind: str, plan: object, failed: Callable[[str], object], now: Callable[[], dt.datetime]
) -> AsyncIterator[Entry]:
    """Record the block as a run: that it starts, with its plan, and how it ends, whatever happens."""
    started_at = now()
    entry = Entry(await start_run(pool, kind, plan, started_at), started_at, failed)
    try:
        yield entry
    except BaseException as exc:
        with suppress(*CANNOT_BE_TOLD):
            await finish_run(pool, entry.run_id, kind, entry.failed(why_it_failed(exc)), now())
        raise
    noting = asyncio.ensure_future(finish_run(pool, entry.run_id, kind, entry.result, now()))
    try:
        await asyncio.shield(noting)
    except asyncio.CancelledError:  # too late: the job is done
        await noting


def why_it_failed(exc: BaseException) -> str:
    """Return the line that says why a job failed."""
    match exc:
        case WarehouseError():
            return str(exc)
        case asyncpg.PostgresError():
            return f"the database cannot do its work: {exc.args[0]} ({type(exc).__name__})"
        case asyncio.CancelledError():
            return "it was stopped by a signal"
        case _:
            return type(exc).__name__
