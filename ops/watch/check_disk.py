"""Whether there is room: where the database keeps its data, if that is on this machine, and where backups go."""

import os
import shutil
from pathlib import Path

from api.watch.check import Check

_GIB = 2**30
_FAIL_BYTES, _WARN_BYTES = 1 * _GIB, 5 * _GIB


def check_disk(folder: Path, database_bytes: int | None) -> Check:
    """Judge the room in the folder of the database; a rebuild makes a second projection beside the first.

    Units: `database_bytes` on disk, None for unknown.
    """
    return _check(
        "disk", folder, max(_WARN_BYTES, database_bytes or 0), "free some, or move the folder to a larger disk"
    )


def disk_elsewhere() -> Check:
    """Return the check of a database whose disk cannot be seen from here."""
    return Check("disk", "ok", None, None, "the database's disk cannot be seen from here; look at it there")


def check_backup_disk(folder: Path) -> Check:
    """Judge the room where backups go, and whether this user may write there."""
    todo = "mount it, or set BACKUP_DIR to a folder that can be written"
    if not os.access(f"{folder}/", os.W_OK | os.X_OK):
        return Check("backup_disk", "failed", None, None, f"{folder} is no folder that this user may write in", todo)
    return _check("backup_disk", folder, _WARN_BYTES, "free some, keep fewer backups, or use a larger disk")


def _check(name: str, folder: Path, warn_bytes: int, todo: str) -> Check:
    try:
        free = shutil.disk_usage(_that_exists(folder)).free
    except OSError as exc:
        return Check(name, "failed", None, None, f"{folder} cannot be looked at: {exc.strerror}", todo)
    found = f"{free / _GIB:,.1f} GiB are free in {folder}"
    if free >= warn_bytes:
        return Check(name, "ok", _gib(free), _gib(warn_bytes), found)
    if free >= _FAIL_BYTES:
        return Check(name, "warn", _gib(free), _gib(warn_bytes), found, todo)
    return Check(name, "failed", _gib(free), _gib(_FAIL_BYTES), found, todo)


def _that_exists(folder: Path) -> Path:
    """Return a folder, or the nearest above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def _gib(size: int) -> float:
    return round(size / _GIB, 1)
