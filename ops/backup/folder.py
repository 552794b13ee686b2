"""A folder of backups: who may work in it, which backups it holds, and whether their files are what they were.

    DIR/
      .lock                       held by a backup for itself, by drills and restores together
      .unfinished.json            which segments an unfinished backup has written, for the next one to go on from
      archive/payloads-….tar      segments of the archive, shared by all backups
      backups/NAME/               one backup: backup.json, ledger, keys, projection/, SHA256SUMS
      backups/.NAME.part/         one that is being made, or removed

It makes no backup and asks no database.
"""

import datetime as dt
import fcntl
import hashlib
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from archive.durable import Fingerprint, fingerprint
from archive.errors import UnusableExport
from archive.portable import require_unbroken
from ops.backup.errors import DamagedBackup, FolderInUse, FolderUnusable, NoBackup, UnknownBackup, UnknownFormat
from ops.backup.manifest import ARCHIVE, BACKUP_FILE, BACKUPS, FORMAT, SUMS_FILE, Backup, StoredFile

_LOCK = ".lock"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
NEXT_BACKUP_FILE = f".{BACKUP_FILE}.next"
"""What backup.json will be, once SHA256SUMS says so: see `ops/backup/revise.py`."""


class Holder(msgspec.Struct, frozen=True):
    """Who works in a folder, as written into its lock."""

    command: str
    pid: int
    host: str
    since: dt.datetime

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid} on {self.host} since {self.since:%Y-%m-%d %H:%M:%S} UTC)"


class _Format(msgspec.Struct, frozen=True):
    format: int


class Checker:
    """Compares files with what is recorded of them, each file on disk once however many backups need it."""

    def __init__(self) -> None:
        self._found: dict[Path, Fingerprint | str] = {}

    def problem(self, path: Path, recorded: Fingerprint) -> str | None:
        """Return what is wrong with a file, None for nothing."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = _fingerprint(path)
        if isinstance(found, str):
            return found
        if found.file_bytes != recorded.file_bytes:
            return f"has {found.file_bytes:,} bytes, recorded are {recorded.file_bytes:,}"
        if found.sha256 != recorded.sha256:
            return f"SHA-256 is {found.sha256[:12]}…, recorded is {recorded.sha256[:12]}…"
        return None

    def know(self, path: Path, written: Fingerprint) -> None:
        """Remember what a file is that was read back just now."""
        self._found[path] = written


@contextmanager
def usable(place: Path) -> Iterator[None]:
    """Say of what the system refuses in the block that it is about `place`.

    Raises: FolderUnusable.
    """
    try:
        yield
    except OSError as exc:
        raise FolderUnusable(place, exc.strerror or "cannot be used") from exc


def archive_of(folder: Path) -> Path:
    """Return where the segments of a folder of backups are."""
    return folder / ARCHIVE


def path_of(folder: Path, name: str) -> Path:
    """Return where the backup of that name is, or would be."""
    return folder / BACKUPS / name


def list_backups(folder: Path) -> list[Path]:
    """Return the folders of the whole backups, the one that holds most last; unfinished ones are not among them.

    A backup whose backup.json cannot be read stands where its name puts it.

    Raises: FolderUnusable.
    """
    try:
        found = [path for path in (folder / BACKUPS).iterdir() if _NAME.fullmatch(path.name)]
    except FileNotFoundError:
        _require_there(folder)
        return []
    except OSError as exc:
        raise FolderUnusable(folder, exc.strerror or "cannot be read") from exc
    heads, head = {}, 0
    for path in sorted(found):
        with suppress(DamagedBackup):
            head = read_backup(path).head
        heads[path] = head
    return sorted(found, key=lambda path: (heads[path], path.name))


def newest_backup(folder: Path) -> Backup:
    """Return the backup that holds most.

    Raises: NoBackup; DamagedBackup when its backup.json is not what it was; FolderUnusable.
    """
    found = list_backups(folder)
    if not found:
        raise NoBackup(folder)
    return read_backup(found[-1])


def named_backup(folder: Path, name: str) -> Backup:
    """Return the backup of that name.

    Raises: UnknownBackup; DamagedBackup; FolderUnusable.
    """
    path = next((path for path in list_backups(folder) if path.name == name), None)
    if path is None:
        raise UnknownBackup(folder, name)
    return read_backup(path)


def read_backup(path: Path) -> Backup:
    """Return what the backup at `path` says of itself, proved by its SHA256SUMS; its other files are not looked at.

    Raises: DamagedBackup.
    """
    sums = _read(path, SUMS_FILE)
    text = _read(path, BACKUP_FILE)
    digest = hashlib.sha256(text).hexdigest()
    if f"{digest}  {BACKUP_FILE}\n".encode() not in sums:
        # A change of it that was broken off when only SHA256SUMS had it is as good as done.
        with suppress(DamagedBackup):
            text = _read(path, NEXT_BACKUP_FILE)
        digest = hashlib.sha256(text).hexdigest()
    if f"{digest}  {BACKUP_FILE}\n".encode() not in sums:
        raise DamagedBackup(path.name, BACKUP_FILE, f"its SHA-256 is not the one in {SUMS_FILE}")
    backup = _decode(path, text)
    if backup.sums(digest).encode() != sums:
        raise DamagedBackup(path.name, SUMS_FILE, f"does not list the files of {BACKUP_FILE}")
    return backup


def find_damage(
    folder: Path, backup: Backup, checker: Checker | None = None, files: Iterable[StoredFile] | None = None
) -> Iterator[DamagedBackup]:
    """Yield each of a backup's files, all for None, that is missing or altered, as the error that names it."""
    checker = checker or Checker()
    home = path_of(folder, backup.name)
    for stored in backup.files if files is None else files:
        problem = checker.problem((home / stored.file).resolve(), _recorded(stored))
        if problem is not None:
            yield DamagedBackup(backup.name, stored.file.removeprefix("../../"), problem)


def check_backup(
    folder: Path, backup: Backup, checker: Checker | None = None, files: Iterable[StoredFile] | None = None
) -> None:
    """Prove a backup's files, all for None, to be what they were when it was made. Each is read.

    Raises: DamagedBackup naming the first that is not.
    """
    for damage in find_damage(folder, backup, checker, files):
        raise damage


@contextmanager
def hold_folder(folder: Path, command: str, now: dt.datetime, *, alone: bool) -> Iterator[None]:
    """Hold a folder's lock for the block: `alone` to change what is in it, else together with others who read it.

    A kill lets go of it. A folder that nobody can write to needs no lock to be read.

    Raises: FolderInUse naming who holds it; FolderUnusable.
    """
    descriptor = _open_lock(folder, alone)
    if descriptor is None:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise FolderInUse(folder, _holder(folder)) from exc
        except OSError as exc:
            raise FolderUnusable(folder, f"cannot be locked: {exc.strerror}") from exc
        _sign(descriptor, Holder(command, os.getpid(), socket.gethostname(), now))
        yield
    finally:
        os.close(descriptor)


def _require_there(folder: Path) -> None:
    if not folder.is_dir():
        raise FolderUnusable(folder, "is not there; is its disk mounted?")


def _open_lock(folder: Path, alone: bool) -> int | None:
    _require_there(folder)
    path = folder / _LOCK
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as exc:
        if alone:
            raise FolderUnusable(folder, f"cannot be written: {exc.strerror}") from exc
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _sign(descriptor: int, holder: Holder) -> None:
    with suppress(OSError):  # read-only, or a full disk: the lock holds without a name
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder), 0)


def _holder(folder: Path) -> str:
    try:
        return str(msgspec.json.decode((folder / _LOCK).read_bytes(), type=Holder))
    except (OSError, msgspec.DecodeError):
        return "another process"


def _fingerprint(path: Path) -> Fingerprint | str:
    try:
        return fingerprint(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as exc:
        return exc.strerror or "cannot be read"


def _recorded(stored: StoredFile) -> Fingerprint:
    return Fingerprint(stored.file_bytes, stored.sha256)


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except FileNotFoundError as exc:
        raise DamagedBackup(path.name, name, "is missing") from exc
    except OSError as exc:
        raise DamagedBackup(path.name, name, exc.strerror or "cannot be read") from exc


def _decode(path: Path, text: bytes) -> Backup:
    try:
        written_by = msgspec.json.decode(text, type=_Format)
        if written_by.format != FORMAT:
            raise UnknownFormat(path.name, written_by.format, FORMAT)
        backup = msgspec.json.decode(text, type=Backup)
        require_unbroken(backup.archive, path / BACKUP_FILE)
    except msgspec.DecodeError as exc:
        raise DamagedBackup(path.name, BACKUP_FILE, f"is not what a backup says of itself: {exc}") from exc
    except UnusableExport as exc:
        raise DamagedBackup(path.name, BACKUP_FILE, str(exc)) from exc
    if backup.name != path.name:
        raise DamagedBackup(path.name, BACKUP_FILE, f"is that of backup {backup.name}; was the folder renamed?")
    return backup
