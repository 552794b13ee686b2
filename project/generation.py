"""The generation: one whole projection in one schema, what it is a function of, and how it goes live.

`projection` is live, `projection_next` is being built, `projection_previous` is what was live before. Going live is
one transaction that renames schemas, so a reader's statement sees the old or the new one, never a mixture.
"""

import datetime as dt
import hashlib
import uuid

import asyncpg
import msgspec
import numpy as np

from archive.calendar import Calendar, calendar_version
from project.content import Fingerprint
from project.errors import NothingProjected, NothingToRollBack, OutdatedProjection
from project.ruleset import Ruleset, decode_ruleset, runs_here
from sql import ROOM, load_queries
from sql.timescale import make_aggregates, make_columnstore, make_hypertable, stop_compressing

LIVE, NEXT, PREVIOUS = "projection", "projection_next", "projection_previous"

_QUERIES = load_queries("project.sql")
_USE_SCHEMA = _QUERIES["use_schema"]
_EXISTS = _QUERIES["schema_exists"]
_DROP_NEXT = _QUERIES["drop_next"]
_CREATE_NEXT = _QUERIES["create_next"]
_ADD_BAR_KEY = _QUERIES["add_bar_key"]
_ADD_SESSION_INDEX = _QUERIES["add_session_index"]
_ANALYZE = _QUERIES["analyze_generation"]
_LET_READERS_IN = _QUERIES["let_readers_in"]
_DROP_PREVIOUS = _QUERIES["drop_previous"]
_KEEP_PREVIOUS = _QUERIES["keep_previous"]
_PROMOTE_NEXT = _QUERIES["promote_next"]
_EXCHANGE = _QUERIES["exchange_with_previous"]
_READ = _QUERIES["read_generation"]
_INSERT = _QUERIES["insert_generation"]
_ADVANCE = _QUERIES["advance_generation"]
_INSERT_RULE = _QUERIES["insert_rule"]
_INSERT_SESSIONS = _QUERIES["insert_sessions"]
_RECORD_RULESET = _QUERIES["record_ruleset"]
_READ_RULESET = _QUERIES["read_ruleset"]
_LOCK_APPEND = load_queries("archive.sql")["lock_append"]

_TABLES = (ROOM / "generation.sql").read_text()
SHAPE = hashlib.sha256(_TABLES.encode()).hexdigest()


class Generation(msgspec.Struct, frozen=True):
    """What a projection is a function of (archive up to `checkpoint`, ruleset, calendar) and what came of it."""

    generation_id: uuid.UUID
    shape: str
    ruleset_hash: str
    calendar_version: str
    checkpoint: int
    content_hash: str
    provenance_hash: str
    built_at: dt.datetime
    caught_up_at: dt.datetime

    @property
    def fingerprint(self) -> Fingerprint:
        """Both hashes as numbers that can be added to."""
        return Fingerprint.parse(self.content_hash, self.provenance_hash)


async def use_schema(connection: asyncpg.Connection, schema: str) -> None:
    """Make a schema the one that this connection's queries mean."""
    await connection.execute(_USE_SCHEMA, schema)


async def read_generation(connection: asyncpg.Connection, schema: str = LIVE) -> Generation | None:
    """Return the generation in a schema, None where there is none; the connection means that schema from here on."""
    if not await connection.fetchval(_EXISTS, schema):
        return None
    await use_schema(connection, schema)
    row = await connection.fetchrow(_READ)
    return None if row is None else Generation(**dict(row))


async def live_generation(connection: asyncpg.Connection) -> tuple[Generation, Ruleset]:
    """Return the live generation and its ruleset.

    Raises: NothingProjected; OutdatedProjection where this software has other tables, rule code or calendar than the
    generation was made with.
    """
    generation = await read_generation(connection)
    if generation is None:
        raise NothingProjected
    ruleset = decode_ruleset(await connection.fetchval(_READ_RULESET, generation.ruleset_hash))
    require_shape(generation)
    if not runs_here(ruleset):
        raise OutdatedProjection("the code of its rules has changed")
    if generation.calendar_version != calendar_version():
        raise OutdatedProjection(f"its calendar is {generation.calendar_version}, here is {calendar_version()}")
    return generation, ruleset


def require_shape(generation: Generation) -> None:
    """Refuse a generation whose tables are not those of this software.

    Raises: OutdatedProjection.
    """
    if generation.shape != SHAPE:
        raise OutdatedProjection("its tables have another shape than this software's")


async def create_next(connection: asyncpg.Connection, ruleset: Ruleset, calendar: Calendar) -> None:
    """Make the empty tables of the next generation, in the place of any that was left unfinished."""
    async with connection.transaction():
        await connection.execute(_DROP_NEXT)
        await connection.execute(_CREATE_NEXT)
        await use_schema(connection, NEXT)
        await connection.execute(_TABLES)
        await make_hypertable(connection, "bar")
        await connection.execute(_RECORD_RULESET, ruleset.hash, ruleset.body)
        await connection.executemany(
            _INSERT_RULE, [(bit, use.name, use.penalty, use.group) for bit, use in enumerate(ruleset.rules)]
        )
        await connection.execute(
            _INSERT_SESSIONS,
            calendar.sessions.astype(np.int64).tolist(),
            calendar.opens.astype(np.int64).tolist(),
            calendar.closes.astype(np.int64).tolist(),
        )


async def drop_next(connection: asyncpg.Connection) -> None:
    """Drop the next generation, finished or not."""
    await connection.execute(_DROP_NEXT)


async def complete_next(connection: asyncpg.Connection, generation: Generation) -> None:
    """Add the indexes of bars and the generation's row, and let readers in: from here on it can be caught up."""
    async with connection.transaction():
        await connection.execute(_ADD_BAR_KEY)
        await connection.execute(_ADD_SESSION_INDEX)
        await make_aggregates(connection)  # not before: they would make loading slower
        await make_columnstore(connection)  # not before: the key could not be added
        await connection.execute(
            _INSERT,
            generation.generation_id,
            generation.shape,
            generation.ruleset_hash,
            generation.calendar_version,
            generation.checkpoint,
            generation.content_hash,
            generation.provenance_hash,
            generation.built_at,
        )
        await connection.execute(_LET_READERS_IN)
    await connection.execute(_ANALYZE)


async def advance(connection: asyncpg.Connection, checkpoint: int, fingerprint: Fingerprint, now: dt.datetime) -> None:
    """Move the checkpoint of the generation this connection means; part of the transaction that wrote its rows."""
    await connection.execute(_ADVANCE, checkpoint, fingerprint.content_hash, fingerprint.provenance_hash, now)


async def hold_appends(connection: asyncpg.Connection) -> None:
    """Let no payload be appended until this connection's transaction ends."""
    await connection.execute(_LOCK_APPEND)


async def retire_previous(connection: asyncpg.Connection) -> None:
    """Let nothing work on the generation before any more: the next promotion drops it and waits for nobody."""
    await stop_compressing(connection, f"{PREVIOUS}.bar")


async def promote_next(connection: asyncpg.Connection) -> None:
    """Make the next generation live and keep the one before; part of the transaction that saw it complete."""
    if await connection.fetchval(_EXISTS, LIVE):
        await connection.execute(_DROP_PREVIOUS)
        await connection.execute(_KEEP_PREVIOUS)
    await connection.execute(_PROMOTE_NEXT)
    await use_schema(connection, LIVE)


async def roll_back(connection: asyncpg.Connection) -> Generation:
    """Make the generation before live again, and the live one the one before; to do it twice changes nothing.

    Raises: NothingProjected; NothingToRollBack where there is none, or none that this software can read.
    """
    async with connection.transaction():
        if not await connection.fetchval(_EXISTS, LIVE):
            raise NothingProjected
        previous = await read_generation(connection, PREVIOUS)
        if previous is None:
            raise NothingToRollBack("no generation came before the live one")
        if previous.shape != SHAPE:
            raise NothingToRollBack("the tables of the generation before have another shape than this software's")
        await connection.execute(_DROP_NEXT)  # a rebuild that was killed may have left it
        await connection.execute(_EXCHANGE)
        await use_schema(connection, LIVE)
    return previous
