"""A whole generation as files, to carry elsewhere or to keep: one for each table, its rows as binary COPY, in zstd.

Whoever restores a generation instead of replaying the archive saves the time of the replay and gains nothing else: a
rebuild gives the same rows. Plain PostgreSQL and TimescaleDB read each other's files. That is also why this is no
pg_dump: a dump of one schema leaves a hypertable's rows out, one of the whole database is bound to the versions of the
server and of the extension, and neither goes from one engine to the other.

Where the files are, and whether they are encrypted, it does not know: it is given what opens them.
"""

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import asyncpg
import msgspec
import zstandard

from archive.calendar import calendar_version, exchange_calendar
from archive.read import archive_head
from project.bulk.replay import Progress, no_progress
from project.errors import DamagedDump, NothingProjected, OutdatedDump
from project.generation import LIVE, NEXT, SHAPE, Generation, complete_next, create_next, read_generation
from project.rebuild import go_live
from project.replay import Now, Replayed
from project.ruleset import Ruleset, runs_here
from project.steady import read_steadily
from project.unload import fingerprint_of
from sql import load_queries

_TABLES = load_queries("portable.sql")["tables_of_generation"]
# Every generation fills these for itself: from the ruleset, the calendar and the engine it is on.
_MADE_ANEW = ("aggregate_state", "generation", "rule", "session")
_LEVEL = 3

Open = Callable[[str], AbstractContextManager[BinaryIO]]


class DumpedTable(msgspec.Struct, frozen=True):
    """One file of a dump: which table's rows it holds, and how many."""

    table: str
    rows: int
    file: str


class Dump(msgspec.Struct, frozen=True):
    """A generation as files; `generation` is what it said of itself when it was dumped."""

    generation: Generation
    bars: int
    tables: tuple[DumpedTable, ...]


async def dump_generation(connection: asyncpg.Connection, create: Open) -> Dump:
    """Write the live generation, as it is at one moment, into the files that `create` opens; return what was written.

    Each file is closed before the next is asked for. When a rebuild goes live in the middle everything begins anew, so
    `create` may be asked for the same name again: what was written under it before is void.

    Raises: NothingProjected, GenerationChanging; and what writing a file raises.
    """

    async def dump() -> Dump:
        generation = await read_generation(connection)
        if generation is None:
            raise NothingProjected
        tables = await connection.fetch(_TABLES, LIVE, _MADE_ANEW)
        dumped = tuple([await _dump_table(connection, row["name"], row["every_row"], create) for row in tables])
        return Dump(generation, sum(table.rows for table in dumped if table.table == "bar"), dumped)

    return await read_steadily(connection, dump)


def require_loadable(dump: Dump, ruleset: Ruleset) -> None:
    """Refuse a dump that this software would have built otherwise.

    Raises: OutdatedDump where its tables, its calendar or the code of its rules are others than this software's.
    """
    generation = dump.generation
    if generation.shape != SHAPE:
        raise OutdatedDump("its tables have another shape than this software's")
    if generation.calendar_version != calendar_version():
        raise OutdatedDump(f"its calendar is {generation.calendar_version}, here is {calendar_version()}")
    if not runs_here(ruleset):
        raise OutdatedDump("the code of its rules has changed")


async def load_generation(
    connection: asyncpg.Connection,
    dump: Dump,
    open_: Open,
    ruleset: Ruleset,
    now: Now,
    *,
    progress: Progress = no_progress,
) -> Replayed:
    """Load a dump beside the live generation, catch it up with the archive, and swap it in.

    `connection` is the projector's, `ruleset` the one that the dump names, and the archive the one it was made of. What
    was loaded is counted and its hashes are computed from its rows before anything goes live. It is a generation of its
    own, with an id of its own, since the archive may go on otherwise from here. `progress` is of the catch-up.

    Raises: OutdatedDump; DamagedDump where the files do not hold what the dump says; and what reading a file raises.
    The live projection is untouched then.
    """
    require_loadable(dump, ruleset)
    head = await archive_head(connection)
    if dump.generation.checkpoint > head:
        raise DamagedDump(f"it is of {dump.generation.checkpoint:,} payloads, the archive has {head:,}")
    await create_next(connection, ruleset, exchange_calendar())
    await _load_tables(connection, dump.tables, open_)
    generation = msgspec.structs.replace(
        dump.generation, generation_id=uuid.uuid4(), built_at=now(), caught_up_at=now()
    )
    await complete_next(connection, generation)
    await _require_same_rows(connection, generation)
    return await go_live(connection, generation, ruleset, now, progress=progress, max_change=None)


async def _dump_table(connection: asyncpg.Connection, table: str, every_row: str, create: Open) -> DumpedTable:
    name = f"{table}.copy.zst"
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with create(name) as file, compressor.stream_writer(file, closefd=False) as packed:
        status = await connection.copy_from_query(every_row, output=packed, format="binary")
    return DumpedTable(table, _rows_of(status), name)


async def _load_tables(connection: asyncpg.Connection, tables: Sequence[DumpedTable], open_: Open) -> None:
    wanted = {row["name"] for row in await connection.fetch(_TABLES, NEXT, _MADE_ANEW)}
    dumped = {table.table for table in tables}
    if wanted != dumped:
        raise DamagedDump(f"its tables should be {', '.join(sorted(wanted))}, they are {', '.join(sorted(dumped))}")
    for table in tables:
        await _load_table(connection, table, open_)


async def _load_table(connection: asyncpg.Connection, table: DumpedTable, open_: Open) -> None:
    try:
        with open_(table.file) as file, zstandard.ZstdDecompressor().stream_reader(file, closefd=False) as rows:
            status = await connection.copy_to_table(table.table, schema_name=NEXT, source=rows, format="binary")
    except zstandard.ZstdError as exc:
        raise DamagedDump(f"{table.file} does not decompress") from exc
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as exc:
        raise DamagedDump(f"{table.file} does not hold rows of {table.table}: {exc.args[0]}") from exc
    if _rows_of(status) != table.rows:
        raise DamagedDump(f"{table.file} holds {_rows_of(status):,} rows, recorded are {table.rows:,}")


async def _require_same_rows(connection: asyncpg.Connection, generation: Generation) -> None:
    """Refuse a loaded generation whose rows do not give the hashes that it says they have."""
    loaded = await fingerprint_of(connection, NEXT)
    if loaded != generation.fingerprint:
        raise DamagedDump(
            f"its rows give content {loaded.content_hash[:12]} and provenance {loaded.provenance_hash[:12]}, recorded "
            f"are {generation.content_hash[:12]} and {generation.provenance_hash[:12]}"
        )


def _rows_of(status: str) -> int:
    """Return how many rows a COPY took, by what it says when it is done."""
    return int(status.removeprefix("COPY "))
