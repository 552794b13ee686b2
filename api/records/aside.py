"""Reading that would hold the server's loop, done aside: on a thread that has a loop and a connection of its own.

An audit decodes payloads of the whole market and judges every bar again, most of it in calls of 100 ms. On a thread
the interpreter takes turns, so other requests go on. One such reading goes on at a time; few may wait for their turn.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from starlette.requests import Request

from api.errors import DatabaseUnreachable, TooBusy
from api.project_errors import clear_project_errors
from sql.connect import Role, open_pool
from sql.errors import DatabaseError

_STATEMENT_TIMEOUT_S = 10.0
_MOST_HERE = 8

T = TypeVar("T")


class Aside:
    """Reads the database at `url` beside the server's loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._turn = asyncio.Semaphore()
        self._here = 0

    async def read(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Return what a job makes of a connection in the role of readers, which is its own.

        Raises: TooBusy; what `clear_project_errors` makes of what the job raises.
        """
        if self._here >= _MOST_HERE:
            raise TooBusy(_MOST_HERE, "audits and counts of gaps")
        self._here += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._read, job)
        finally:
            self._here -= 1

    def _read(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        return asyncio.run(self._connected(job))

    async def _connected(self, job: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        try:
            with clear_project_errors():
                async with (
                    open_pool(self._url, Role.READ, size=1, statement_timeout_s=_STATEMENT_TIMEOUT_S) as pool,
                    pool.acquire() as connection,
                ):
                    return await job(connection)
        except DatabaseError as exc:
            raise DatabaseUnreachable from exc


def aside_of(request: Request) -> Aside:
    """Return what reads aside, which the application made when it started."""
    aside: Aside = request.state.aside
    return aside
