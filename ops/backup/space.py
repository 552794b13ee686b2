"""How much room a backup will take, and whether it is there. Estimates err on the large side."""

import shutil
from pathlib import Path

from ops.backup.errors import FolderUnusable, NotEnoughSpace

# A tar has two headers of 512 bytes a payload and fills up its members to 512; what a payload is, is a KB of JSON.
_BESIDES_BODY_BYTES = 4096
# Measured on grouped days of the whole market: about 60 bytes a bar are left of a dump, all tables together.
_DUMPED_BAR_BYTES = 100
_SPARE_BYTES = 2**20


def free_bytes(folder: Path) -> int:
    """Return how many bytes are free for this user on the disk of a folder.

    Raises: FolderUnusable.
    """
    try:
        return shutil.disk_usage(folder).free
    except OSError as exc:
        raise FolderUnusable(folder, exc.strerror or "cannot be read") from exc


def segment_bytes(payloads: int, stored_bytes: int) -> int:
    """Return about how many bytes payloads take as segments, whose bodies are stored in so many."""
    return stored_bytes + payloads * _BESIDES_BODY_BYTES


def dump_bytes(bars: int, before: tuple[int, int] | None) -> int:
    """Return about how many bytes a dump with so many bars takes; `before` is what one took: (bars, bytes)."""
    if before is None or not before[0]:
        return bars * _DUMPED_BAR_BYTES
    return bars * before[1] * 5 // (before[0] * 4)


def require_space(folder: Path, needed: int, free: int) -> None:
    """Refuse to begin what would not fit.

    Raises: NotEnoughSpace.
    """
    if free < needed + _SPARE_BYTES:
        raise NotEnoughSpace(folder, needed + _SPARE_BYTES, free)
