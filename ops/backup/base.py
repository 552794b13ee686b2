"""What a new backup builds on: the segments that the folder has already, of this archive and to this key.

Every one of them is read and compared before it is relied on; a damaged or missing one is written anew from the
archive, which gives the same bytes or, where they are encrypted, the same payloads.
"""

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec

from archive.chain import GENESIS
from archive.durable import Fingerprint, Wrapping, sync_folder
from archive.errors import DifferentArchive
from archive.portable import Manifest, Segment, require_same_archive, write_segment
from ops.backup.encryption import AgeKey
from ops.backup.errors import DamagedBackup, KeyMismatch, OtherArchive
from ops.backup.folder import Checker, archive_of, list_backups, read_backup, usable
from ops.backup.manifest import BACKUPS, Backup
from ops.backup.revise import finish_revisions, replace_segments
from ops.backup.surroundings import Progress
from ops.backup.unfinished import Unfinished, note_unfinished, read_unfinished

log = logging.getLogger("ops")


class Base(msgspec.Struct, frozen=True):
    """What a folder holds already. `newest` is the newest backup that can be read, None for none."""

    archive: Manifest
    newest: Backup | None


def make_folders(folder: Path) -> None:
    """Make the folders for backups where they are missing, but none above: a disk may not be mounted there.

    Raises: FolderUnusable.
    """
    for place in (folder, archive_of(folder), folder / BACKUPS):
        with usable(place):
            if not place.is_dir():
                place.mkdir()
                sync_folder(place.parent)


def sweep(folder: Path) -> None:
    """Remove what a kill left half done, and finish what it left half said."""
    with usable(folder):
        for half in (folder / BACKUPS).glob(".*.part"):
            shutil.rmtree(half)
        for half in (
            *folder.glob(".*.part"),
            *archive_of(folder).glob(".*.part"),
            *folder.glob(f"{BACKUPS}/*/.*.part"),
        ):
            half.unlink()
    finish_revisions(folder)


async def read_base(pool: asyncpg.Pool, folder: Path, key: AgeKey | None) -> Base:
    """Return what a folder holds already, which must be of the archive here.

    An unfinished backup need not be: it may have had payloads that were lost since, when the one before was restored.

    Raises: KeyMismatch, OtherArchive.
    """
    newest, unfinished, archive = _newest_readable(folder), read_unfinished(folder), Manifest()
    recipient = None if key is None else key.recipient
    held: tuple[Backup | Unfinished | None, ...] = (newest, unfinished)
    for each in held:
        if each is not None and each.encrypted_to != recipient:
            raise KeyMismatch(folder, each.encrypted_to, recipient)
    if newest is not None:
        archive = newest.archive
        try:
            await require_same_archive(pool, archive)
        except DifferentArchive as exc:
            raise OtherArchive(folder, exc.archive_seq) from exc
    if unfinished is not None and unfinished.archive.head > archive.head:
        with suppress(DifferentArchive):
            await require_same_archive(pool, unfinished.archive)
            archive = unfinished.archive
    return Base(archive, newest)


async def damaged_segments(folder: Path, archive: Manifest, checker: Checker, progress: Progress) -> list[Segment]:
    """Return the segments whose files are missing or altered. Every file is read."""
    damaged = []
    for segment in archive.segments:
        problem = checker.problem(_path(folder, segment), Fingerprint(segment.file_bytes, segment.sha256))
        if problem is not None:
            log.warning("ops.segment_damaged", extra={"file": segment.file, "problem": problem})
            damaged.append(segment)
        progress(segment.to_seq, archive.head)
        await asyncio.sleep(0)  # a signal is heard between two files
    return damaged


async def heal_segments(
    pool: asyncpg.Pool, folder: Path, archive: Manifest, damaged: list[Segment], wrapping: Wrapping, checker: Checker
) -> Manifest:
    """Write damaged segments anew from the archive, let all backups that need them know, and return the manifest."""
    segments, before = [], GENESIS
    for segment in archive.segments:
        healed = segment
        if segment in damaged:
            healed = await write_segment(pool, archive_of(folder), segment.from_seq, segment.to_seq, before, wrapping)
            checker.know(_path(folder, healed), Fingerprint(healed.file_bytes, healed.sha256))
        segments.append(healed)
        before = bytes.fromhex(healed.chain_hash)
    whole = Manifest(tuple(segments))
    if whole != archive:
        replace_segments(folder, whole)
    return whole


def keep_base(folder: Path, key: AgeKey | None, archive: Manifest) -> None:
    """Remember the segments that are there, for the case that this backup does not end."""
    note_unfinished(folder, Unfinished(None if key is None else key.recipient, archive))


def _newest_readable(folder: Path) -> Backup | None:
    for home in reversed(list_backups(folder)):
        try:
            return read_backup(home)
        except DamagedBackup as damage:
            log.warning("ops.backup_damaged", extra={"backup": damage.name, "file": damage.file, "problem": damage.why})
    return None


def _path(folder: Path, segment: Segment) -> Path:
    return (archive_of(folder) / segment.file).resolve()
