"""What the database tells of how the warehouse is: archive, runs, and projection. It judges nothing.

Each process reads for itself. What depends on the projection alone is read once for each generation and checkpoint.
"""

import asyncio
import datetime as dt
import logging
import uuid
from collections.abc import Sequence

import asyncpg
import msgspec
import numpy as np

from api.errors import DatabaseUnreachable, QueryTimedOut, RefusedRequest
from api.generation import Generation
from api.warehouse import Warehouse
from api.watch.archive_size import ArchiveSize
from api.watch.due import closed_by, last_deadline
from api.watch.patience import DATABASE_ERRORS, WITHIN_S
from api.watch.safeguards import SAFEGUARDS, Safeguard, read_safeguards
from api.watch.settings import WatchSettings
from archive.read import archive_head
from archive.runs import lock_is_held
from sql import load_queries

_LOG = logging.getLogger("api")
_QUERIES = load_queries("api_watch.sql")
_CLOSED, _BEHIND = _QUERIES["closed_sessions"], _QUERIES["sessions_behind"]
_LAST_KNOWN, _SESSIONS = _QUERIES["last_known_session"], _QUERIES["sessions_upto"]
_SYMBOLS_AT, _TOTALS = _QUERIES["symbols_at"], _QUERIES["quality_totals"]
_REJECTIONS = _QUERIES["count_rejections"]
_OLDEST_AFTER, _DISK_BYTES = _QUERIES["oldest_after"], _QUERIES["archive_disk_bytes"]
_LAST_RUNS = _QUERIES["last_runs"]

FETCHING_KINDS = ("nightly", "backfill", "flat_files")
KINDS = (*FETCHING_KINDS, *SAFEGUARDS)
"""The kinds of run that are told of."""
_SCHEDULER_LOCK, _INGEST_LOCK = "warehouse.scheduler", "warehouse.ingest"


class LastRun(msgspec.Struct, frozen=True):
    """The last runs of a kind: when one last started, whether that has finished, and the one that finished last."""

    kind: str
    started_at: dt.datetime
    has_finished: bool
    ended_started_at: dt.datetime | None
    ended_at: dt.datetime | None
    succeeded: bool | None


class ArchiveFacts(msgspec.Struct, frozen=True):
    """The archive and what runs. `oldest_waiting`: when the first payload after the checkpoint was fetched.

    Units: bytes of bodies unpacked, as stored, and of the table with its indexes on disk.
    """

    head: int
    body_bytes: int
    stored_bytes: int
    disk_bytes: int
    oldest_waiting: dt.datetime | None
    runs: dict[str, LastRun]
    safeguards: dict[str, Safeguard]
    is_scheduled: bool
    is_fetching: bool


class Totals(msgspec.Struct, frozen=True):
    """The whole projection in numbers. `missing` are sessions without a bar between a symbol's first and last one."""

    symbols: int
    bars: int
    validated_bars: int
    gaps_flagged: int
    volume_anomalies: int
    revisions: int
    rejections: int
    missing: int


class Due(msgspec.Struct, frozen=True):
    """The newest session that is due, when it closed, how many symbols have it and had the one before, and by how many
    sessions the newest bar lies behind it (None without bars)."""

    session: dt.date
    closed_at: dt.datetime
    there: int
    traded_before: int
    behind: int | None

    @property
    def share(self) -> float:
        """The part of the symbols that traded the session before and are there; 0 where none traded."""
        return self.there / self.traded_before if self.traded_before else 0.0


class ProjectionFacts(msgspec.Struct, frozen=True):
    """The live projection; `due` is None where its calendar has no session that is due."""

    generation: Generation
    totals: Totals
    newest: dt.date | None
    due: Due | None
    calendar_ends: dt.date | None


class Facts(msgspec.Struct, frozen=True):
    """What the database told; in the place of a projection that cannot be read stands why."""

    archive: ArchiveFacts
    projection: ProjectionFacts | RefusedRequest

    @property
    def checkpoint(self) -> int:
        """The last payload that is projected, 0 where none is."""
        return self.projection.generation.checkpoint if isinstance(self.projection, ProjectionFacts) else 0


class Watch:
    """Reads the facts of one warehouse, and remembers what cannot have changed."""

    def __init__(self, settings: WatchSettings) -> None:
        self.settings = settings
        self._size = ArchiveSize()
        self._totals: tuple[tuple[uuid.UUID, int], Totals] | None = None

    async def read(self, warehouse: Warehouse) -> Facts | RefusedRequest:
        """Return the facts, or why the database does not tell them."""
        try:
            async with asyncio.timeout(WITHIN_S):
                projection = await self._read_projection(warehouse)
                if isinstance(projection, DatabaseUnreachable | QueryTimedOut):
                    return projection
                checkpoint = projection.generation.checkpoint if isinstance(projection, ProjectionFacts) else 0
                async with warehouse.projection.pool.acquire() as connection:
                    # After the projection: the checkpoint is never ahead of the head.
                    return Facts(await self._read_archive(connection, checkpoint, warehouse.now()), projection)
        except DATABASE_ERRORS as exc:
            _LOG.warning("api.watch_failed", extra={"caused_by": repr(exc)})
            return QueryTimedOut() if isinstance(exc, TimeoutError) else DatabaseUnreachable()

    async def _read_projection(self, warehouse: Warehouse) -> ProjectionFacts | RefusedRequest:
        deadline = last_deadline(warehouse.now(), self.settings.fresh_by)

        async def read(connection: asyncpg.Connection, generation: Generation) -> ProjectionFacts:
            due, newest = await _read_due(connection, deadline)
            totals = await self._read_totals(connection, generation)
            return ProjectionFacts(generation, totals, newest, due, await connection.fetchval(_LAST_KNOWN))

        try:
            facts = await warehouse.projection.read(read)
        except RefusedRequest as refused:
            return refused
        # Not before it is proved what they are the totals of.
        self._totals = _state(facts.generation), facts.totals
        return facts

    async def _read_totals(self, connection: asyncpg.Connection, generation: Generation) -> Totals:
        if self._totals is not None and self._totals[0] == _state(generation):
            return self._totals[1]
        return await _count_totals(connection)

    async def _read_archive(self, connection: asyncpg.Connection, checkpoint: int, now: dt.datetime) -> ArchiveFacts:
        head = await archive_head(connection)
        body_bytes, stored_bytes = await self._size.upto(connection, head)
        return ArchiveFacts(
            head=head,
            body_bytes=body_bytes,
            stored_bytes=stored_bytes,
            disk_bytes=await connection.fetchval(_DISK_BYTES),
            oldest_waiting=await connection.fetchval(_OLDEST_AFTER, checkpoint),
            runs=await _read_runs(connection, KINDS, now),
            safeguards=await read_safeguards(connection, now),
            is_scheduled=await lock_is_held(connection, _SCHEDULER_LOCK),
            is_fetching=await lock_is_held(connection, _INGEST_LOCK),
        )


def _state(generation: Generation) -> tuple[uuid.UUID, int]:
    return generation.generation_id, generation.checkpoint


async def _read_due(connection: asyncpg.Connection, deadline: dt.datetime) -> tuple[Due | None, dt.date | None]:
    instant = closed_by(deadline)
    closed = await connection.fetch(_CLOSED, instant, instant.date())
    if not closed:
        return None, None
    session = closed[0]["session"]
    row = await connection.fetchrow(_SYMBOLS_AT, session, closed[-1]["session"])
    behind = None if row["newest"] is None else await connection.fetchval(_BEHIND, row["newest"], session)
    return Due(session, closed[0]["closes_at"], row["there"], row["traded_before"], behind), row["newest"]


async def _count_totals(connection: asyncpg.Connection) -> Totals:
    row = await connection.fetchrow(_TOTALS)
    missing = 0
    if row["symbols"]:
        sessions = _days(await connection.fetchval(_SESSIONS, row["newest"]) or b"")
        first, last = (_days(row[name]) for name in ("first_sessions", "last_sessions"))
        spans = np.searchsorted(sessions, last, side="right") - np.searchsorted(sessions, first)
        missing = int(spans.sum()) - row["bars"]
    return Totals(
        **{name: row[name] for name in Totals.__struct_fields__ if name in row.keys()},  # noqa: SIM118
        rejections=await connection.fetchval(_REJECTIONS),
        missing=missing,
    )


async def _read_runs(connection: asyncpg.Connection, kinds: Sequence[str], now: dt.datetime) -> dict[str, LastRun]:
    rows = await connection.fetch(_LAST_RUNS, list(kinds), now)
    return {row["kind"]: LastRun(**dict(row)) for row in rows}


def _days(sent: bytes) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.frombuffer(sent, ">i4").astype(np.int32)
