"""How far a backup came that did not end: the next one goes on from there instead of writing the archive anew."""

from pathlib import Path

import msgspec

from archive.durable import write_file
from archive.portable import Manifest
from ops.backup.folder import usable

_FILE = ".unfinished.json"


class Unfinished(msgspec.Struct, frozen=True):
    """The segments that a folder holds, and what they are encrypted to."""

    encrypted_to: str | None
    archive: Manifest


def note_unfinished(folder: Path, unfinished: Unfinished) -> None:
    """Remember which segments are there."""
    write_file(folder / _FILE, msgspec.json.encode(unfinished))


def read_unfinished(folder: Path) -> Unfinished | None:
    """Return what was remembered, None where nothing was or it cannot be read."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Unfinished)
    except (OSError, msgspec.DecodeError):
        return None


def forget_unfinished(folder: Path) -> None:
    """Forget it: a backup has these segments now."""
    with usable(folder):
        (folder / _FILE).unlink(missing_ok=True)
