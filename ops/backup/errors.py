"""What can go wrong with backups.

BackupError
├── FolderUnusable      the folder of backups cannot be read or written
├── FolderInUse         another backup, drill or restore is at work in the folder
├── OtherArchive        the folder holds backups of another archive (a DifferentArchive, too)
├── NotEnoughSpace      the backup is estimated to need more than what is free
├── NoBackup            the folder holds no backup
├── UnknownBackup       the folder holds no backup of this name
├── UnknownFormat       a backup was made by other software
├── DamagedBackup       a file of a backup is missing or altered
├── BackupsDamaged      one or several backups of a folder are damaged
├── BackupStopped       a signal ended it before its time
├── KeyMismatch         the folder is encrypted to another key, or to none
├── IdentityNeeded      a key file holds a recipient only, which opens nothing
├── NotDecrypted        a file does not open with the key
├── KeyFileExists       a key would be written over
└── InvalidKeyFile      a file holds no age key, or several (a Misuse)
"""

from collections.abc import Sequence
from pathlib import Path

from archive.errors import DifferentArchive
from ops.errors import OpsError
from sql.errors import Misuse


class BackupError(OpsError):
    """The base of what can go wrong with backups."""


class FolderUnusable(BackupError):
    """The folder of backups at `path` cannot be worked in; `why` is the system's word."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"backup folder {path}: {why}")
        self.path = path


class FolderInUse(BackupError):
    """Another process holds the lock of `folder`; `holder` is what it wrote of itself."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"backup folder {folder} is in use by {holder}; nothing was done")
        self.folder, self.holder = folder, holder


class OtherArchive(BackupError, DifferentArchive):
    """`folder` holds backups of another archive than the database here."""

    def __init__(self, folder: Path, archive_seq: int) -> None:
        super(DifferentArchive, self).__init__(
            f"backup folder {folder} holds another archive than this database: they differ at or before payload "
            f"{archive_seq}, or it is not here; give this one a folder of its own"
        )
        self.folder, self.archive_seq = folder, archive_seq


class NotEnoughSpace(BackupError):
    """`folder` has fewer bytes `free` than the backup is estimated to need."""

    def __init__(self, folder: Path, needed: int, free: int) -> None:
        super().__init__(
            f"backup folder {folder}: about {needed:,} bytes are needed, {free:,} are free; "
            "make room, or leave the projection out with --no-projection"
        )
        self.folder, self.needed, self.free = folder, needed, free


class NoBackup(BackupError):
    """`folder` holds no backup."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"backup folder {folder} holds no backup; `ops backup {folder}` makes one")
        self.folder = folder


class UnknownBackup(BackupError):
    """`folder` holds no backup called `name`."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(f"backup folder {folder} holds no backup {name}; `ops backups {folder}` lists those it holds")
        self.folder, self.name = folder, name


class UnknownFormat(BackupError):
    """Backup `name` has a format that this software does not read."""

    def __init__(self, name: str, found: int, known: int) -> None:
        super().__init__(f"backup {name} has format {found}, this software reads {known}")
        self.name, self.found = name, found


class DamagedBackup(BackupError):
    """`file` of backup `name` is not what the backup left there."""

    def __init__(self, name: str, file: str, why: str) -> None:
        super().__init__(f"backup {name} is damaged: {file}: {why}")
        self.name, self.file, self.why = name, file, why


class BackupsDamaged(BackupError):
    """A check of `folder` found `damages`."""

    def __init__(self, folder: Path, damages: Sequence[DamagedBackup]) -> None:
        named = "; ".join(f"{damage.name}: {damage.file}: {damage.why}" for damage in damages)
        super().__init__(f"backup folder {folder} is damaged: {named}")
        self.folder, self.damages = folder, tuple(damages)


class BackupStopped(BackupError):
    """The signal `name` ended a backup before its time."""

    def __init__(self, name: str) -> None:
        super().__init__(f"stopped by {name}: no backup was made; run the command again, it goes on where it stopped")
        self.name = name


class KeyMismatch(BackupError):
    """Backups `encrypted_to` a recipient (None: to nobody) met a key `given` (None: no key)."""

    def __init__(self, folder: Path, encrypted_to: str | None, given: str | None) -> None:
        if encrypted_to is None:
            why = "is not encrypted, and a key was given; encrypted backups need a folder of their own"
        elif given is None:
            why = f"is encrypted to {encrypted_to}, and no key was given: --key FILE or BACKUP_KEY_FILE"
        else:
            why = f"is encrypted to {encrypted_to}, and the key given is of {given}"
        super().__init__(f"backup folder {folder} {why}")
        self.folder, self.encrypted_to, self.given = folder, encrypted_to, given


class IdentityNeeded(BackupError):
    """The key given is of `recipient`, without the identity that opens what is encrypted to it."""

    def __init__(self, recipient: str) -> None:
        super().__init__(
            f"the key file holds only the recipient {recipient}; its identity (AGE-SECRET-KEY-1…) is needed"
        )
        self.recipient = recipient


class NotDecrypted(BackupError):
    """`file` does not open with the key: it is damaged, or encrypted to another one."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} does not open with the key: it is damaged, or encrypted to another one")
        self.file = file


class KeyFileExists(BackupError):
    """A key would be written over what is at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists and is left as it is; what it opens would be lost with it")
        self.path = path


class InvalidKeyFile(BackupError, Misuse):
    """The file at `path` holds no key that can be used; no line of it is shown."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"key file {path}: {why}")
        self.path = path
