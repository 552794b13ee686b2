"""What a backup holds into a database: archive, ledger, keys, projection, each in the role that may write it.

Each step may be repeated, and a killed one goes on where it stopped. Whether the database may be written to, and what
is to be made of the outcome, others decide: `restore` and `drill` both put back by this code.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from archive.portable import import_ledger, import_segments
from ops.backup.manifest import ProjectionPart
from ops.backup.opened import OpenedBackup
from ops.backup.surroundings import Now, Progress
from project.errors import OutdatedDump
from project.generation import Generation
from project.portable import load_generation, require_loadable
from project.rebuild import rebuild_through
from project.replay import projector
from project.ruleset import Ruleset, decode_ruleset
from sql import load_queries
from sql.connect import Role, open_pool

_RESTORE_KEY = load_queries("drill.sql")["restore_key"]


class PutBack(msgspec.Struct, frozen=True):
    """A projection that went live: as it was at the payload that was asked about, and as it is now."""

    there: Generation
    live: Generation


def ruleset_of(opened: OpenedBackup, part: ProjectionPart) -> Ruleset:
    """Return the rules by which the projection of a backup was judged."""
    bodies = {ruleset_hash: body for ruleset_hash, body, _ in opened.ledger.rulesets}
    return decode_ruleset(bodies[part.generation.ruleset_hash])


def why_not_loadable(part: ProjectionPart, ruleset: Ruleset) -> str | None:
    """Return why this software would have built another generation than that of a backup, None where it would not."""
    try:
        require_loadable(part.dump, ruleset)
    except OutdatedDump as exc:
        return exc.why
    return None


async def put_archive_back(url: str, opened: OpenedBackup, progress: Progress) -> int:
    """Append what the archive lacks of a backup's payloads, add the ledger, and return how many payloads were added.

    Raises: DifferentArchive when the archive there begins differently; UnusableExport.
    """
    added = done = 0
    async with open_pool(url, Role.INGEST) as pool:
        async for segment, new in import_segments(pool, opened.segments, opened.backup.archive, opened.wrapping):
            added, done = added + new, done + segment.file_bytes
            progress(done, opened.stored_bytes)
        await import_ledger(pool, opened.ledger)
    return added


async def put_keys_back(url: str, opened: OpenedBackup) -> int:
    """Add the API's keys, of which there are hashes only, and return how many there are."""
    async with open_pool(url, Role.ACCESS) as pool:
        await pool.executemany(_RESTORE_KEY, [msgspec.structs.astuple(key) for key in opened.keys])
    return len(opened.keys)


async def load_projection(
    url: str, opened: OpenedBackup, part: ProjectionPart, ruleset: Ruleset, now: Now, progress: Progress
) -> PutBack:
    """Load the dump of a backup's projection, which proves its rows to be the recorded ones, and let it go live.

    Raises: OutdatedDump, DamagedDump, ProjectorBusy.
    """
    read = _Counted(part.file_bytes, progress)

    @contextmanager
    def open_table(file: str) -> Iterator[BinaryIO]:
        with opened.table(file) as stored:
            yield read.of(stored)

    async with open_pool(url, Role.PROJECT) as pool, projector(pool) as connection:
        loaded = await load_generation(connection, part.dump, open_table, ruleset, now)
    return PutBack(part.generation, loaded.generation)


async def rebuild_projection(url: str, ruleset: Ruleset, checkpoint: int, now: Now, progress: Progress) -> PutBack:
    """Replay the archive by some rules and let what comes of it go live.

    Raises: UndecodablePayload, ProjectorBusy.
    """
    async with open_pool(url, Role.PROJECT) as pool:
        there, replayed = await rebuild_through(pool, ruleset, checkpoint, now, progress=progress)
    return PutBack(there, replayed.generation)


class _Counted:
    """Tells how much of some files was read; what they are decrypted to is about as long as they are."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def of(self, file: BinaryIO) -> BinaryIO:
        return _CountedFile(file, self._count)  # type: ignore[return-value]

    def _count(self, read: int) -> None:
        self._done = min(self._done + read, self._total)
        self._progress(self._done, self._total)


class _CountedFile:
    def __init__(self, file: BinaryIO, count: Callable[[int], None]) -> None:
        self._file, self._count = file, count

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count(len(data))
        return data
