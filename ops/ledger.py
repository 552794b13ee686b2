"""How the jobs of this room end, in the words of the run ledger. It knows no job."""

import asyncio

import asyncpg

from sql.errors import CONNECTION_LOST, DatabaseError, WarehouseError

CANNOT_BE_TOLD = (*CONNECTION_LOST, asyncpg.InterfaceError, OSError, DatabaseError)
"""What is raised where the database cannot be told how a job ended: only who reads the error is told then."""


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
