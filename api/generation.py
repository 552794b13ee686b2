"""Reading one generation: an answer made of several statements is proved to come from a single one (law 5).

A repeatable-read transaction alone is no proof. Its snapshot holds rows still, but `projection.bar` is looked up anew
by every statement, so a swap in between gives a statement the other generation's table. A swap renames the schema,
which writes a new version of its row in pg_namespace. So that row and the generation are read inside the transaction
and again after it, with a fresh snapshot: if they are the same, no rename fell in between, and every name meant the
same table. Comparing the generation alone would miss a swap that was rolled back within the answer.

Nor can a cached plan be relied on. PostgreSQL forgets its plans when a schema is renamed, but not the one it is just
making: made during a swap, it may mean the old table for good. (Seen with 8 readers under swaps in a loop, on 15 and
18: one connection in a thousand kept reading some tables of the one generation and some of the other after the swaps
had ended.) Such a swap also fails the proof of the answer it fell into, so a connection's plans are trusted only for
the place in which its last answer was proved, and discarded otherwise. For the same reason a statement reads one table
of the projection only.

What is asked most is read in one statement that calls one function of the generation (sql/generation.sql). A function
is bound to the tables it was made beside, so its answer is of one generation by itself; and since the generation's row
tells which table it stood in, and the catalog in which schema that table is, the answer says itself whether it is live.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypeVar

import asyncpg
import msgspec

from api.errors import (
    DatabaseUnreachable,
    ForeignProjection,
    GenerationChanging,
    NothingProjected,
    QueryTimedOut,
    RefusedRequest,
    TooBusy,
)
from sql import load_queries
from sql.errors import CONNECTION_LOST

_QUERIES = load_queries("api.sql")
_LIVE = _QUERIES["live_generation"]
_IDENTITY = _QUERIES["live_identity"]
_DISCARD_PLANS = _QUERIES["discard_plans"]

# Each takes a swap of its own to fail, so this is never reached but by a fault.
_ATTEMPTS = 64
_WAIT_FOR_CONNECTION_S = 10.0
_MOST_REMEMBERED = 256
_MOST_LONG = 4

T = TypeVar("T")

_OTHER_SHAPE = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
_AWAY = (
    OSError,  # and with it TimeoutError, of a connection that does not come
    *CONNECTION_LOST,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


class Place(msgspec.Struct, frozen=True):
    """What the name of the projection means until the next rename: a schema, since when, and whose rows it has."""

    schema_oid: int
    schema_version: int
    generation_id: uuid.UUID


class Generation(msgspec.Struct, frozen=True):
    """The generation an answer comes from; a catch-up moves its checkpoint, a swap brings another."""

    generation_id: uuid.UUID
    checkpoint: int
    ruleset_hash: str
    calendar_version: str
    content_hash: str
    built_at: dt.datetime
    caught_up_at: dt.datetime


Read = Callable[[asyncpg.Connection, Generation], Awaitable[T]]


class Projection:
    """The live projection, as it is read through a pool; `quick` is one for single statements."""

    def __init__(
        self, pool: asyncpg.Pool, quick: asyncpg.Pool | None = None, wait_s: float = _WAIT_FOR_CONNECTION_S
    ) -> None:
        self.pool = pool
        self._wait_s = wait_s
        # Others are to find a connection, too, however slowly long answers are read.
        self._long = asyncio.Semaphore(_MOST_LONG)
        self._quick = quick or pool
        self._proved: dict[int, Place] = {}

    async def row(self, statement: str, *args: object) -> tuple[Generation, asyncpg.Record]:
        """Return the row of a statement that calls a function of the generation, and the generation that it is of.

        Raises: READ_ERRORS.
        """
        with clear_database_errors():
            async with self._quick.acquire(timeout=self._wait_s) as connection:
                return await _live_row(connection, statement, *args)

    @asynccontextmanager
    async def rows(
        self, statement: str, *args: object, ahead: int
    ) -> AsyncIterator[tuple[Generation, AsyncIterator[asyncpg.Record]]]:
        """Yield the rows of such a statement, fetched so many at a time, and the generation that all of them are of.

        A swap meanwhile changes nothing for them: they stay those of the moment in which they were asked for.

        Raises: READ_ERRORS, while rows are fetched too; TooBusy.
        """
        try:
            await asyncio.wait_for(self._long.acquire(), self._wait_s)
        except TimeoutError:
            raise TooBusy(_MOST_LONG, "long answers") from None
        async with AsyncExitStack() as stack:
            stack.callback(self._long.release)
            stack.enter_context(clear_database_errors())
            async with self.pool.acquire(timeout=self._wait_s) as connection:
                for _ in range(_ATTEMPTS):
                    async with _live_cursor(connection, statement, *args, ahead=ahead) as found:
                        if found is not None:
                            yield found
                            return
                    await connection.execute(_DISCARD_PLANS)
                raise GenerationChanging

    async def identity(self) -> Generation:
        """Return the generation that is live.

        Raises: READ_ERRORS.
        """
        return (await self.row(_IDENTITY))[0]

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Callable[[], Awaitable[Generation]]]:
        """Yield a function that returns the generation that is live, in a state that lacks no commit before its call.

        Raises: READ_ERRORS, and so does the function.
        """
        with clear_database_errors():
            async with self._quick.acquire(timeout=self._wait_s) as connection:

                async def look() -> Generation:
                    with clear_database_errors():
                        return (await _live_row(connection, _IDENTITY))[0]

                yield look

    async def read(self, read: Read[T]) -> T:
        """Return what `read` makes of one generation; it may be called again, so it must only read.

        Raises: what `read` raises, and READ_ERRORS.
        """
        with clear_database_errors():
            async with self.pool.acquire(timeout=self._wait_s) as connection:
                outcome = await self._prove(connection, read)
        if isinstance(outcome, RefusedRequest):
            raise outcome
        return outcome

    async def _prove(self, connection: asyncpg.Connection, read: Read[T]) -> T | RefusedRequest:
        """Read until what comes of it, an answer or a refusal, is proved to come from one generation."""
        backend = connection.get_server_pid()
        trusted = self._proved.pop(backend, None)
        foreign: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    place, generation = await _live(connection)
                    if place != trusted:
                        await connection.execute(_DISCARD_PLANS)
                        trusted = place
                        continue
                    outcome = await _outcome(read, connection, generation)
                if (await _live(connection))[0] == place:
                    self._remember(backend, place)
                    return outcome
            except _OTHER_SHAPE as exc:
                # Between two generations of different shape this passes; else it stays.
                foreign = exc
            trusted = None
        raise GenerationChanging if foreign is None else ForeignProjection from foreign

    def _remember(self, backend: int, place: Place) -> None:
        if len(self._proved) >= _MOST_REMEMBERED:
            # Of connections long gone, mostly; to forget one costs it a new set of plans.
            self._proved.clear()
        self._proved[backend] = place


@asynccontextmanager
async def _live_cursor(
    connection: asyncpg.Connection, statement: str, *args: object, ahead: int
) -> AsyncIterator[tuple[Generation, AsyncIterator[asyncpg.Record]] | None]:
    """Yield the generation and the rows of a statement, None where it is not the live one's."""
    async with connection.transaction(readonly=True):
        try:
            cursor = await connection.cursor(statement, *args)
            first = await cursor.fetchrow()
        except asyncpg.InvalidSchemaNameError as exc:
            raise NothingProjected from exc
        except _OTHER_SHAPE as exc:
            raise ForeignProjection from exc
        if first is None:
            raise NothingProjected

        async def rows() -> AsyncIterator[asyncpg.Record]:
            yield first
            while fetched := await cursor.fetch(ahead):
                for row in fetched:
                    yield row

        yield (_generation_of(first), rows()) if first["is_live"] else None


def _generation_of(row: asyncpg.Record) -> Generation:
    return Generation(*(row[name] for name in Generation.__struct_fields__))


async def _live_row(connection: asyncpg.Connection, statement: str, *args: object) -> tuple[Generation, asyncpg.Record]:
    foreign: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            row = await connection.fetchrow(statement, *args)
        except asyncpg.InvalidSchemaNameError as exc:
            raise NothingProjected from exc
        except _OTHER_SHAPE as exc:
            foreign = exc
        else:
            if row is None:
                raise NothingProjected
            if row["is_live"]:
                return _generation_of(row), row
        await connection.execute(_DISCARD_PLANS)
    raise GenerationChanging if foreign is None else ForeignProjection from foreign


async def _live(connection: asyncpg.Connection) -> tuple[Place, Generation]:
    try:
        row = await connection.fetchrow(_LIVE)
    except asyncpg.UndefinedTableError as exc:
        raise NothingProjected from exc
    if row is None:
        raise NothingProjected
    facts = dict(row)
    place = Place(facts.pop("schema_oid"), facts.pop("schema_version"), facts["generation_id"])
    return place, Generation(**facts)


async def _outcome(read: Read[T], connection: asyncpg.Connection, generation: Generation) -> T | RefusedRequest:
    try:
        return await read(connection, generation)
    except RefusedRequest as refused:
        return refused


@contextmanager
def clear_database_errors() -> Iterator[None]:
    """Turn what asyncpg raises when the database is away or too slow into this room's errors."""
    try:
        yield
    except asyncpg.QueryCanceledError as exc:
        raise QueryTimedOut from exc
    except asyncpg.DataError:
        raise
    except _AWAY as exc:
        raise DatabaseUnreachable from exc
