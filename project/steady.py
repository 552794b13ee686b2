"""Reading one generation by several statements: repeated until no swap fell in between (law 5).

A repeatable-read transaction holds rows still but not names: after a swap `bar` means another table. A swap renames
the schema, which writes a new version of its row in pg_namespace, so that row is compared before and after; plans made
before are discarded, since one made during a swap may mean the old tables. api/generation.py does the same for the API
and tells the whole story.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from project.errors import GenerationChanging, ProjectError
from sql import load_queries

_QUERIES = load_queries("audit.sql")
_DISCARD_PLANS = _QUERIES["discard_plans"]
_PLACE = _QUERIES["live_schema"]
_ATTEMPTS = 5

T = TypeVar("T")


async def read_steadily(connection: asyncpg.Connection, read: Callable[[], Awaitable[T]]) -> T:
    """Return what `read` makes of one generation in a read-only transaction; it may be called again.

    Raises: what `read` raises; GenerationChanging when swaps come faster than it reads.
    """
    for _ in range(_ATTEMPTS):
        failure: Exception | None = None
        await connection.execute(_DISCARD_PLANS)
        before = await connection.fetchrow(_PLACE)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                outcome = await read()
        except (ProjectError, asyncpg.PostgresError) as exc:
            failure = exc
        if await connection.fetchrow(_PLACE) == before:
            if failure is not None:
                raise failure
            return outcome
    raise GenerationChanging
