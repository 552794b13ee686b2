"""`ops restore`: a backup into an empty database, proved before anything is written and again when all is there.

In this order: the database is required to be empty; those of the backup's files that are needed are checked; then
archive, ledger, keys and projection. A killed restore goes on where it stopped. The projection is loaded from its dump
where this software would have built the same, and else replayed from the archive by the backup's own rules.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec

from archive.errors import DifferentArchive
from ops.backup.duration import expected_seconds, in_words
from ops.backup.encryption import AgeKey
from ops.backup.errors import DamagedBackup
from ops.backup.folder import hold_folder
from ops.backup.manifest import Backup
from ops.backup.opened import OpenedBackup, choose_backup, open_backup
from ops.backup.put_back import (
    PutBack,
    load_projection,
    put_archive_back,
    put_keys_back,
    rebuild_projection,
    ruleset_of,
    why_not_loadable,
)
from ops.backup.restore_errors import RestoredOtherwise, RestoreRunning
from ops.backup.surroundings import Laps, Surroundings
from ops.backup.target import require_begun, require_empty
from project.errors import DamagedDump
from project.generation import Generation, read_generation
from project.ruleset import Ruleset, read_ruleset, rules_path, runs_here
from sql import load_queries
from sql.command import ready_database
from sql.connect import Role, address, database_url, open_owner, open_pool
from sql.settings import DatabaseSettings

_QUERIES = load_queries("drill.sql")
_TAKE_LOCK, _COUNT_BARS = _QUERIES["take_restore_lock"], _QUERIES["count_bars"]
_CHAIN_AT = load_queries("archive.sql")["chain_at"]


class Wanted(msgspec.Struct, frozen=True):
    """What to restore, and how: `name` is None for the newest backup of `folder`."""

    folder: Path
    name: str | None
    key: AgeKey | None
    rebuilding: bool
    resuming: bool


class Way(msgspec.Struct, frozen=True):
    """How the projection comes back: loaded or rebuilt, or not at all where there are no rules.

    `why` says why it is not loaded. `comparable` tells whether a replay must give what the backup recorded.
    """

    ruleset: Ruleset | None
    loading: bool
    why: str | None
    comparable: bool


class Restored(msgspec.Struct, frozen=True):
    """What a restore did.

    `projection` is loaded, rebuilt, none, or found where the restore before had come so far; `verified` says what its
    content was held against.
    """

    backup: str
    database: str
    payloads: int
    appended: int
    chain_hash: str
    api_keys: int
    projection: str
    why: str | None
    bars: int
    checkpoint: int | None
    content_hash: str | None
    verified: str | None
    seconds: dict[str, float]


async def restore(wanted: Wanted, around: Surroundings) -> Restored:
    """Restore a backup into the database of DATABASE_URL, or the embedded one.

    Raises: what can be wrong with the backup (see ops/backup/errors.py), before anything is written; NotEmpty,
    NotThisBackup, RestoreRunning, with nothing written; RestoredOtherwise when all is done.
    """
    with hold_folder(wanted.folder, "ops restore", around.now(), alone=False):
        backup = choose_backup(wanted.folder, wanted.name, wanted.key)
        async with _target(wanted, backup) as (url, is_projected):
            around.say(_announcement(wanted, backup))
            laps = Laps(around.now)
            opened = await open_backup(wanted.folder, backup, wanted.key)
            way = choose_way(opened, rebuilding=wanted.rebuilding)
            if way.loading and not is_projected:
                await _check_dump(opened)
            laps.end("check")
            await ready_database()
            return await _restore_into(url, opened, way, is_projected, laps, around)


def choose_way(opened: OpenedBackup, *, rebuilding: bool) -> Way:
    """Return how the projection of a backup comes back."""
    part = opened.backup.projection
    if part is None:
        ruleset = read_ruleset(rules_path()) if rebuilding else None
        return Way(ruleset, False, "nothing was projected when the backup was made", False)
    ruleset = ruleset_of(opened, part)
    why = why_not_loadable(part, ruleset)
    if why is not None:
        if not runs_here(ruleset):
            ruleset = read_ruleset(rules_path())
            why = f"{why}; judged by the rules file of this software"
        return Way(ruleset, False, why, False)
    if rebuilding:
        return Way(ruleset, False, "as asked", True)
    if part.files is None:
        return Way(ruleset, False, "the backup holds no dump of it", True)
    return Way(ruleset, True, None, True)


async def _check_dump(opened: OpenedBackup) -> None:
    try:
        await opened.check_dump()
    except DamagedBackup as exc:
        raise DamagedBackup(exc.name, exc.file, f"{exc.why}; `--rebuild` restores without it") from exc


@asynccontextmanager
async def _target(wanted: Wanted, backup: Backup) -> AsyncIterator[tuple[str, bool]]:
    """Yield the URL of the database to restore into, and whether a restore before had projected there."""
    url = await asyncio.to_thread(database_url, DatabaseSettings.from_environ())
    database = address(url)
    async with open_owner(url) as owner:
        if not await owner.fetchval(_TAKE_LOCK):
            raise RestoreRunning(database)
        if wanted.resuming:
            yield url, await require_begun(owner, database, backup.archive)
        else:
            await require_empty(owner, database)
            yield url, False


async def _restore_into(
    url: str, opened: OpenedBackup, way: Way, is_projected: bool, laps: Laps, around: Surroundings
) -> Restored:
    backup = opened.backup
    with around.show("archive", "bytes") as progress:
        appended = await put_archive_back(url, opened, progress)
    laps.end("archive")
    api_keys = await put_keys_back(url, opened)
    put_back, loaded = None, False
    if way.ruleset is not None and not is_projected:
        put_back, loaded, way = await _project(url, opened, way, way.ruleset, around)
    laps.end("projection")
    async with open_pool(url, Role.READ) as pool, pool.acquire() as connection:
        await _require_chain(connection, backup)
        live = await read_generation(connection)
        bars = 0 if live is None else await connection.fetchval(_COUNT_BARS)
    verified = _verify(backup, way, put_back, live)
    laps.end("verification")
    return Restored(
        backup=backup.name,
        database=address(url),
        payloads=backup.head,
        appended=appended,
        chain_hash=backup.archive.chain.hex(),
        api_keys=api_keys,
        projection=_how(live, put_back, loaded),
        why=way.why,
        bars=bars,
        checkpoint=None if live is None else live.checkpoint,
        content_hash=None if live is None else live.content_hash,
        verified=verified,
        seconds=laps.seconds,
    )


async def _project(
    url: str, opened: OpenedBackup, way: Way, ruleset: Ruleset, around: Surroundings
) -> tuple[PutBack, bool, Way]:
    """Load the projection or rebuild it; return it, whether it was loaded, and the way that was taken in the end."""
    part = opened.backup.projection
    if way.loading and part is not None:
        try:
            with around.show("projection", "bytes") as progress:
                return await load_projection(url, opened, part, ruleset, around.now, progress), True, way
        except DamagedDump as exc:
            way = msgspec.structs.replace(way, loading=False, why=str(exc))
    checkpoint = opened.backup.head if part is None else part.generation.checkpoint
    with around.show("projecting", "payloads") as progress:
        return await rebuild_projection(url, ruleset, checkpoint, around.now, progress), False, way


def _how(live: Generation | None, put_back: PutBack | None, loaded: bool) -> str:
    if live is None:
        return "none"
    if put_back is None:
        return "found"
    return "loaded" if loaded else "rebuilt"


async def _require_chain(connection: asyncpg.Connection, backup: Backup) -> None:
    if backup.head and await connection.fetchval(_CHAIN_AT, backup.head) != backup.archive.chain:
        raise DifferentArchive(backup.head)


def _verify(backup: Backup, way: Way, put_back: PutBack | None, live: Generation | None) -> str | None:
    """Return what the content of the projection was held against, None for nothing.

    Raises: RestoredOtherwise.
    """
    part = backup.projection
    if part is None or not way.comparable:
        return None
    recorded = part.generation
    there = put_back.there if put_back is not None else live
    if there is None or there.checkpoint != recorded.checkpoint:
        return None
    if there.fingerprint != recorded.fingerprint:
        raise RestoredOtherwise(backup.name, recorded.checkpoint, there.content_hash, recorded.content_hash)
    return f"content {recorded.content_hash[:12]} of the backup at payload {recorded.checkpoint:,}"


def _announcement(wanted: Wanted, backup: Backup) -> str:
    loading = not wanted.rebuilding and backup.projection is not None and backup.projection.files is not None
    expected = in_words(expected_seconds(backup, loading=loading))
    bars = 0 if backup.projection is None else backup.projection.bars
    return (
        f"restoring backup {backup.name}: {backup.head:,} payloads ({backup.body_bytes:,} bytes unpacked), "
        f"{bars:,} bars {'from their dump' if loading else 'replayed from the archive'}; expected to take {expected}"
    )
