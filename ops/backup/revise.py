"""Changes of a backup that is made: a part of it removed, or a segment that was written anew.

backup.json and SHA256SUMS change together, though they are two files: what backup.json will be is put beside it, then
SHA256SUMS is renamed into place, and from then on it is so; whoever reads knows (`folder.read_backup`), and the next
backup puts it in place.
"""

import hashlib
from pathlib import Path

import msgspec

from archive.durable import sync_folder, write_file
from archive.portable import Manifest
from ops.backup.errors import DamagedBackup
from ops.backup.folder import NEXT_BACKUP_FILE, list_backups, path_of, read_backup, usable
from ops.backup.manifest import BACKUP_FILE, SUMS_FILE, Backup


def encode_backup(backup: Backup) -> bytes:
    """Return the text of backup.json."""
    return msgspec.json.format(msgspec.json.encode(backup)) + b"\n"


def write_backup(home: Path, backup: Backup) -> None:
    """Write backup.json and SHA256SUMS of a backup that is being made in `home`."""
    text = encode_backup(backup)
    write_file(home / BACKUP_FILE, text)
    write_file(home / SUMS_FILE, _sums(backup, text))


def revise_backup(folder: Path, backup: Backup) -> None:
    """Let a backup say from now on what `backup` says; a kill leaves the one or the other."""
    home, text = path_of(folder, backup.name), encode_backup(backup)
    write_file(home / NEXT_BACKUP_FILE, text)
    write_file(home / SUMS_FILE, _sums(backup, text))
    _put_in_place(home)


def finish_revisions(folder: Path) -> None:
    """Put in place what a kill left beside it."""
    for home in list_backups(folder):
        if (home / NEXT_BACKUP_FILE).exists():
            _finish(home)


def replace_segments(folder: Path, archive: Manifest) -> None:
    """Let every backup know what the files of its segments are now: encrypted anew, they have other bytes.

    What a backup recorded of a file does not matter, since a kill may have left it behind or ahead of the others: the
    same name and chain hash are the same payloads.
    """
    anew = {(segment.file, segment.chain_hash): segment for segment in archive.segments}
    for home in list_backups(folder):
        try:
            backup = read_backup(home)
        except DamagedBackup:
            continue
        segments = tuple(anew.get((old.file, old.chain_hash), old) for old in backup.archive.segments)
        if segments != backup.archive.segments:
            revise_backup(folder, msgspec.structs.replace(backup, archive=Manifest(segments)))


def _finish(home: Path) -> None:
    with usable(home):
        digest = hashlib.sha256((home / NEXT_BACKUP_FILE).read_bytes()).hexdigest()
        sums = (home / SUMS_FILE).read_text() if (home / SUMS_FILE).exists() else ""
    if f"{digest}  {BACKUP_FILE}\n" in sums:
        _put_in_place(home)
    else:
        with usable(home):
            (home / NEXT_BACKUP_FILE).unlink()


def _put_in_place(home: Path) -> None:
    with usable(home):
        (home / NEXT_BACKUP_FILE).replace(home / BACKUP_FILE)
        sync_folder(home)


def _sums(backup: Backup, text: bytes) -> bytes:
    return backup.sums(hashlib.sha256(text).hexdigest()).encode()
