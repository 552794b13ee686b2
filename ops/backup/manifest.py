"""What a backup says of itself: backup.json, and the files that it names. Values only; it opens no file."""

import datetime as dt
import uuid

import msgspec

from archive.portable import Manifest
from project.generation import Generation
from project.portable import Dump, DumpedTable

FORMAT = 1
ARCHIVE, BACKUPS, PROJECTION = "archive", "backups", "projection"
"""Folders: of segments and of backups in the folder of all, and of a dump in that of a backup."""

BACKUP_FILE, SUMS_FILE = "backup.json", "SHA256SUMS"
LEDGER_FILE, KEYS_FILE = "ledger.json.zst", "keys.json.zst"
"""Names within a backup's folder; an encrypted file ends in .age besides."""


class StoredFile(msgspec.Struct, frozen=True):
    """A file of a backup as it is on disk: its path from the backup's own folder, size and SHA-256 (hex)."""

    file: str
    file_bytes: int
    sha256: str


class ProjectionPart(msgspec.Struct, frozen=True):
    """The live generation at the time of a backup. `files` are its dump, None where it was not dumped or is removed."""

    generation: Generation
    bars: int
    files: tuple[StoredFile, ...] | None
    tables: tuple[DumpedTable, ...] = ()

    @property
    def dump(self) -> Dump:
        """What the dump holds, as `load_generation` takes it; its files are in the folder `projection`."""
        return Dump(self.generation, self.bars, self.tables)

    @property
    def file_bytes(self) -> int:
        """What the dump takes on disk."""
        return sum(stored.file_bytes for stored in self.files or ())


class StoredKey(msgspec.Struct, frozen=True):
    """A row of access.api_key; there is no secret in it."""

    key_id: str
    name: str
    secret_sha256: bytes
    per_minute: int
    created_at: dt.datetime
    revoked_at: dt.datetime | None


class Backup(msgspec.Struct, frozen=True):
    """A backup. `archive` names its segments, `body_bytes` is what their bodies have unpacked.

    `name` sorts by what a backup holds; `started_at` is what the clock said. `encrypted_to` is a recipient or None.
    """

    format: int
    name: str
    started_at: dt.datetime
    finished_at: dt.datetime
    run_id: uuid.UUID
    software: str
    engine: str
    encrypted_to: str | None
    archive: Manifest
    body_bytes: int
    ledger: StoredFile
    keys: StoredFile
    projection: ProjectionPart | None

    @property
    def head(self) -> int:
        """The last payload that it holds."""
        return self.archive.head

    @property
    def archive_files(self) -> tuple[StoredFile, ...]:
        """What every restore of it needs besides backup.json: ledger, keys, segments."""
        segments = (
            StoredFile(f"../../{ARCHIVE}/{segment.file}", segment.file_bytes, segment.sha256)
            for segment in self.archive.segments
        )
        return (self.ledger, self.keys, *segments)

    @property
    def dump_files(self) -> tuple[StoredFile, ...]:
        """The dump of the projection, which the archive can be replayed in the place of."""
        return (self.projection.files or ()) if self.projection else ()

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file that it holds besides backup.json."""
        ledger, keys, *segments = self.archive_files
        return (ledger, keys, *self.dump_files, *segments)

    def sums(self, sha256: str) -> str:
        """Return the text of SHA256SUMS, where `sha256` is that of backup.json."""
        lines = [(sha256, BACKUP_FILE), *((stored.sha256, stored.file) for stored in self.files)]
        return "".join(f"{digest}  {file}\n" for digest, file in lines)
