"""Making a backup: the projection, then the archive up to a seal, into a folder that is renamed when all is proved.

The projection is dumped first and the archive written after, so that what the dump has come to is in the archive. That
the dump is no pg_dump has its reason in project/portable.py.
"""

import datetime as dt
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path

import asyncpg
import msgspec

from archive.chain import seal_archive
from archive.durable import Fingerprint, Wrapping, sync_folder
from archive.portable import Manifest, export_segments, read_ledger
from archive.read import body_bytes
from ops.backup.base import Base, damaged_segments, heal_segments, keep_base, make_folders, read_base, sweep
from ops.backup.encryption import AgeKey, wrapping_of
from ops.backup.errors import BackupError, FolderInUse, FolderUnusable
from ops.backup.folder import Checker, archive_of, hold_folder, list_backups, path_of, usable
from ops.backup.manifest import FORMAT, Backup, ProjectionPart
from ops.backup.parts import describe_projection, store_keys, store_ledger, store_projection
from ops.backup.retention import Kept, retire_backups
from ops.backup.revise import write_backup
from ops.backup.space import dump_bytes, free_bytes, require_space, segment_bytes
from ops.backup.surroundings import Now, Progress, Show
from ops.backup.unfinished import forget_unfinished
from ops.ledger import Entry, in_ledger
from sql import load_queries

_QUERIES = load_queries("backup.sql")
_TO_STORE = _QUERIES["payloads_to_store"]
_SEALED_HEAD = _QUERIES["sealed_head"]
_ENGINE = _QUERIES["engine"]
_LAST_INTO = _QUERIES["last_backup_into"]
_NAME = "%Y-%m-%dT%H%M%SZ"
_KIND = "backup"

log = logging.getLogger("ops")


class Wanted(msgspec.Struct, frozen=True):
    """What to make, and how much of what was made before to keep."""

    key: AgeKey | None
    projection: bool
    keep: int
    keep_projections: int


class Made(msgspec.Struct, frozen=True):
    """A backup that was made, as the run ledger has it, and what became of those before it.

    `new_bytes` is what it added to the disk, `healed` are segments written anew, `damaged` what is wrong with older
    backups. `folder_was_emptied` is when a backup last went well into the folder, where it held none this time.
    """

    passed: bool
    name: str
    folder: str
    head: int
    payloads: int
    new_payloads: int
    new_bytes: int
    archive_bytes: int
    projection_bytes: int
    bars: int | None
    checkpoint: int | None
    content_hash: str | None
    encrypted_to: str | None
    healed: tuple[str, ...]
    kept: int
    removed: tuple[str, ...]
    projections_removed: tuple[str, ...]
    damaged: tuple[str, ...]
    free_bytes: int
    elapsed_s: float
    folder_was_emptied: dt.datetime | None


async def make_backup(
    pool: asyncpg.Pool,
    folder: Path,
    wanted: Wanted,
    now: Now,
    *,
    show: Show = lambda doing, unit: nullcontext(lambda done, total: None),
    free: Callable[[Path], int] = free_bytes,
) -> Made:
    """Make a backup of the database of `pool`, which acts in Role.BACKUP, and return what was made.

    The run ledger has it, and why where it fails; what stands in a folder that is in use is noted by who uses it.

    Raises: BackupError, and what hangs under it; DamagedPayload, FileNotWritten. What is in the folder then is what
    was there before, and segments that the next backup goes on from.
    """

    def failed(error: str) -> object:
        return {"passed": False, "folder": str(folder), "error": error}

    async with AsyncExitStack() as held:
        unusable = _hold(held, folder, now)
        async with in_ledger(pool, _KIND, _plan(folder, wanted), failed, now) as entry:
            if unusable is not None:
                raise unusable
            with _about_files():
                entry.result = made = await _make(pool, folder, wanted, now, entry, show, free)
    return made


def _hold(held: AsyncExitStack, folder: Path, now: Now) -> BackupError | None:
    """Take the folder's lock; return what speaks against it, but for another that has it."""
    try:
        make_folders(folder)
        held.enter_context(hold_folder(folder, "ops backup", now(), alone=True))
    except FolderInUse:
        raise
    except BackupError as exc:
        return exc
    return None


@contextmanager
def _about_files() -> Iterator[None]:
    """Name the file that an error of the system is about, whoever met it."""
    try:
        yield
    except OSError as exc:
        if exc.filename is None:
            raise  # of a connection
        raise FolderUnusable(Path(exc.filename), exc.strerror or "cannot be used") from exc


def _plan(folder: Path, wanted: Wanted) -> dict[str, object]:
    return {
        "folder": str(folder),
        "projection": wanted.projection,
        "keep": wanted.keep,
        "keep_projections": wanted.keep_projections,
        "encrypted_to": None if wanted.key is None else wanted.key.recipient,
    }


async def _make(
    pool: asyncpg.Pool,
    folder: Path,
    wanted: Wanted,
    now: Now,
    entry: Entry,
    show: Show,
    free: Callable[[Path], int],
) -> Made:
    sweep(folder)
    emptied = await _emptied(pool, folder)
    base, checker = await read_base(pool, folder, wanted.key), Checker()
    with show("checking segments", "payloads") as progress:
        damaged = await damaged_segments(folder, base.archive, checker, progress)
    live = await describe_projection(pool)
    needed = await _needed(pool, base, live if wanted.projection else None)
    require_space(folder, needed + sum(segment.file_bytes for segment in damaged), free(folder))
    wrapping = wrapping_of(wanted.key)
    name = _next_name(folder, entry.started_at)
    with _part(folder, name) as home:
        projection = await store_projection(pool, home, wrapping) if wanted.projection else live
        healed = await heal_segments(pool, folder, base.archive, damaged, wrapping, checker)
        with show("backing up", "payloads") as progress:
            archive = await _store_archive(pool, folder, healed, wanted.key, now, progress)
        ledger = await read_ledger(pool, archive.head, without=entry.run_id)
        backup = Backup(
            format=FORMAT,
            name=name,
            started_at=entry.started_at,
            finished_at=now(),
            run_id=entry.run_id,
            software=version("market-data-warehouse"),
            engine=await _engine(pool),
            encrypted_to=None if wanted.key is None else wanted.key.recipient,
            archive=archive,
            body_bytes=await body_bytes(pool, archive.head),
            ledger=store_ledger(home, ledger, wrapping),
            keys=await store_keys(pool, home, wrapping),
            projection=projection,
        )
        write_backup(home, backup)
    _trust(folder, backup, checker)
    forget_unfinished(folder)
    kept = retire_backups(folder, wanted.keep, wanted.keep_projections, checker)
    return _made(folder, backup, base, [each.file for each in damaged], kept, free(folder), now(), emptied)


async def _emptied(pool: asyncpg.Pool, folder: Path) -> dt.datetime | None:
    """Return when a backup last went well into a folder that holds none; None where there is nothing odd."""
    if list_backups(folder):
        return None
    last: dt.datetime | None = await pool.fetchval(_LAST_INTO, str(folder))
    if last is not None:
        log.warning("ops.backup_folder_is_empty", extra={"folder": folder, "last_backup_into_it": last})
    return last


async def _needed(pool: asyncpg.Pool, base: Base, dumped: ProjectionPart | None) -> int:
    """Return about how many bytes what is new will take; `dumped` is what is to be dumped."""
    row = await pool.fetchrow(_TO_STORE, base.archive.head)
    needed = segment_bytes(row["payloads"], row["stored_bytes"])
    if dumped is not None:
        last = base.newest.projection if base.newest else None
        needed += dump_bytes(dumped.bars, (last.bars, last.file_bytes) if last and last.files else None)
    return needed


def _next_name(folder: Path, started_at: dt.datetime) -> str:
    """Return the second in which a backup began or, where a name is not before it, the one after that name's.

    So names sort by what backups hold, whatever a clock does.
    """
    names = [home.name for home in list_backups(folder)]
    name = f"{started_at:{_NAME}}"
    if names and name <= max(names):
        after = dt.datetime.strptime(max(names), _NAME).replace(tzinfo=dt.UTC) + dt.timedelta(seconds=1)
        name = f"{after:{_NAME}}"
    return name


@contextmanager
def _part(folder: Path, name: str) -> Iterator[Path]:
    """Yield the folder to make a backup in; when the block ends well it is the backup, else it is gone."""
    home = path_of(folder, name)
    part = home.with_name(f".{name}.part")
    try:
        with usable(part):
            part.mkdir()
        yield part
        with usable(part):
            sync_folder(part)
            part.rename(home)
            sync_folder(home.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


async def _store_archive(
    pool: asyncpg.Pool, folder: Path, base: Manifest, key: AgeKey | None, now: Now, progress: Progress
) -> Manifest:
    """Write what is new up to a seal of this moment, and return all segments."""
    await seal_archive(pool, now())
    head = await pool.fetchval(_SEALED_HEAD)
    archive = base
    wrapping: Wrapping = wrapping_of(key)
    async for archive in export_segments(pool, archive_of(folder), base, head, wrapping):
        keep_base(folder, key, archive)
        progress(archive.head - base.head, head - base.head)
        log.info("ops.segment_stored", extra={"file": archive.segments[-1].file, "head": archive.head, "of": head})
    return archive


async def _engine(pool: asyncpg.Pool) -> str:
    row = await pool.fetchrow(_ENGINE)
    timescale = f", TimescaleDB {row['timescale_version']}" if row["timescale_version"] else ""
    return f"PostgreSQL {row['server_version'].split()[0]}{timescale}"


def _trust(folder: Path, backup: Backup, checker: Checker) -> None:
    """Let what was read back as it was written, or checked before, not be read once more."""
    home = path_of(folder, backup.name)
    for stored in backup.files:
        checker.know((home / stored.file).resolve(), Fingerprint(stored.file_bytes, stored.sha256))


def _made(
    folder: Path,
    backup: Backup,
    base: Base,
    healed: list[str],
    kept: Kept,
    free: int,
    now: dt.datetime,
    emptied: dt.datetime | None,
) -> Made:
    before = base.newest.head if base.newest else 0
    known = {segment.file for segment in base.newest.archive.segments} if base.newest else set()
    new = sum(each.file_bytes for each in backup.archive.segments if each.file not in known or each.file in healed)
    projection = backup.projection
    dumped = projection.file_bytes if projection else 0
    return Made(
        passed=True,
        name=backup.name,
        folder=str(folder),
        head=backup.head,
        payloads=backup.head,
        new_payloads=backup.head - before,
        new_bytes=new + dumped + backup.ledger.file_bytes + backup.keys.file_bytes,
        archive_bytes=sum(segment.file_bytes for segment in backup.archive.segments),
        projection_bytes=dumped,
        bars=projection.bars if projection else None,
        checkpoint=projection.generation.checkpoint if projection else None,
        content_hash=projection.generation.content_hash if projection else None,
        encrypted_to=backup.encrypted_to,
        healed=tuple(healed),
        kept=len(kept.good),
        removed=kept.removed,
        projections_removed=kept.projections_removed,
        damaged=tuple(str(damage) for damage in kept.damages),
        free_bytes=free,
        elapsed_s=max((now - backup.started_at).total_seconds(), 0.0),
        folder_was_emptied=emptied,
    )
