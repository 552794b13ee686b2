"""A backup that was proved and opens with the key given: what is restored from, part by part.

It reads a folder of backups and writes nothing anywhere.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
import zstandard

from archive.durable import Wrapping
from archive.portable import Ledger
from ops.backup.encryption import AgeKey, wrapping_of
from ops.backup.errors import DamagedBackup, KeyMismatch
from ops.backup.folder import archive_of, check_backup, named_backup, newest_backup, path_of, usable
from ops.backup.manifest import PROJECTION, Backup, StoredFile, StoredKey

T = TypeVar("T")


class OpenedBackup(msgspec.Struct, frozen=True):
    """A backup of `folder`, and what its files are kept in; the ledger and the keys are read already."""

    folder: Path
    backup: Backup
    wrapping: Wrapping
    ledger: Ledger
    keys: list[StoredKey]

    @property
    def segments(self) -> Path:
        """Where the segments of the archive are."""
        return archive_of(self.folder)

    @property
    def stored_bytes(self) -> int:
        """What the segments of the archive take on disk."""
        return sum(segment.file_bytes for segment in self.backup.archive.segments)

    async def check_dump(self) -> None:
        """Prove the files of the dump of the projection, which has to come before they are loaded.

        Raises: DamagedBackup naming the file.
        """
        await _prove(self.folder, self.backup, self.backup.dump_files)

    @contextmanager
    def table(self, file: str) -> Iterator[BinaryIO]:
        """Yield a file of the dump of the projection, decrypted."""
        path = path_of(self.folder, self.backup.name) / PROJECTION / f"{file}{self.wrapping.suffix}"
        with usable(path):
            stored = path.open("rb")
        with stored, self.wrapping.unwrap(stored) as plain:
            yield plain


def choose_backup(folder: Path, name: str | None, key: AgeKey | None) -> Backup:
    """Return what a backup, the newest for None, says of itself, where the key given is the one that it needs.

    Raises: NoBackup, UnknownBackup, UnknownFormat, DamagedBackup; KeyMismatch, IdentityNeeded.
    """
    backup = newest_backup(folder) if name is None else named_backup(folder, name)
    if backup.encrypted_to != (None if key is None else key.recipient):
        raise KeyMismatch(folder, backup.encrypted_to, None if key is None else key.recipient)
    if key is not None:
        key.require_identity()
    return backup


async def open_backup(folder: Path, backup: Backup, key: AgeKey | None) -> OpenedBackup:
    """Prove the files of a backup that every restore needs, which takes as long as reading them, and open it.

    Raises: DamagedBackup naming the file; NotDecrypted.
    """
    await _prove(folder, backup, backup.archive_files)
    wrapping = wrapping_of(key)
    ledger = _read(folder, backup, backup.ledger, wrapping, Ledger)
    keys = _read(folder, backup, backup.keys, wrapping, list[StoredKey])
    return OpenedBackup(folder, backup, wrapping, ledger, keys)


async def _prove(folder: Path, backup: Backup, files: Sequence[StoredFile]) -> None:
    for stored in files:
        check_backup(folder, backup, files=(stored,))
        await asyncio.sleep(0)  # a signal is heard between two files


def _read(folder: Path, backup: Backup, stored: StoredFile, wrapping: Wrapping, kind: type[T]) -> T:
    path = path_of(folder, backup.name) / stored.file
    try:
        with usable(path), path.open("rb") as file, wrapping.unwrap(file) as plain:
            packed = plain.read()
        return msgspec.json.decode(zstandard.ZstdDecompressor().decompressobj().decompress(packed), type=kind)
    except (zstandard.ZstdError, msgspec.DecodeError) as exc:
        raise DamagedBackup(backup.name, stored.file, f"is not what a backup holds: {exc}") from exc
