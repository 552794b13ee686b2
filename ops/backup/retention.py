"""Which backups of a folder stay: the newest good ones, and of these the newest with the dump of the projection.

A backup is good when every file of it is what it was. Segments of the archive are never removed: all backups share
them, and the archive forgets nothing.
"""

import shutil
from pathlib import Path

import msgspec

from archive.durable import sync_folder
from ops.backup.errors import DamagedBackup
from ops.backup.folder import Checker, check_backup, list_backups, read_backup, usable
from ops.backup.manifest import PROJECTION, Backup
from ops.backup.revise import revise_backup


class Kept(msgspec.Struct, frozen=True):
    """What became of the backups of a folder, by name; `damages` are of those that stayed and are not good."""

    good: tuple[str, ...]
    removed: tuple[str, ...]
    projections_removed: tuple[str, ...]
    damages: tuple[DamagedBackup, ...]


def retire_backups(folder: Path, keep: int, keep_projections: int, checker: Checker) -> Kept:
    """Remove what is older than the newest `keep` good backups, and all but the newest dumps; both are at least 1.

    So the last good one always stays, and one that is damaged takes no good one's place.

    Raises: FolderUnusable, FileNotWritten.
    """
    good: list[Backup] = []
    removed, damages = [], []
    for home in reversed(list_backups(folder)):
        if len(good) == keep:
            remove_backup(home)
            removed.append(home.name)
            continue
        try:
            backup = read_backup(home)
            check_backup(folder, backup, checker)
            good.append(backup)
        except DamagedBackup as damage:
            damages.append(damage)
    dumped = [backup for backup in good if backup.projection and backup.projection.files is not None]
    for backup in dumped[keep_projections:]:
        _forget_projection(folder, backup)
    _remove_forgotten(list_backups(folder))
    return Kept(
        tuple(backup.name for backup in good),
        tuple(removed),
        tuple(backup.name for backup in dumped[keep_projections:]),
        tuple(damages),
    )


def remove_backup(home: Path) -> None:
    """Remove the folder of a backup; a kill leaves it whole, or as one that is no backup any more."""
    with usable(home):
        doomed = home.with_name(f".{home.name}.part")
        home.rename(doomed)
        sync_folder(home.parent)
        shutil.rmtree(doomed)


def _forget_projection(folder: Path, backup: Backup) -> None:
    assert backup.projection is not None
    part = msgspec.structs.replace(backup.projection, files=None, tables=())
    revise_backup(folder, msgspec.structs.replace(backup, projection=part))


def _remove_forgotten(homes: list[Path]) -> None:
    """Remove the dumps that their backups do not name any more, those that a kill left too."""
    for home in homes:
        if (home / PROJECTION).exists() and not _has_dump(home):
            with usable(home):
                shutil.rmtree(home / PROJECTION)


def _has_dump(home: Path) -> bool:
    try:
        projection = read_backup(home).projection
    except DamagedBackup:
        return True  # nobody can tell, and so it stays
    return projection is not None and projection.files is not None
