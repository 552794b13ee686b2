"""How long a restore will take, so that a person knows whether to wait for it.

Rates were measured with the whole market of 2016 (494 payloads, 1.5 million bars) on two busy cores and a solid-state
disk, and are between those of the embedded server and those of TimescaleDB, which takes half as long again. Another
machine may take twice or half as long.
"""

from ops.backup.manifest import Backup

_CHECKED_BYTES_S = 400e6  # of files, read from disk and hashed
_APPENDED_BYTES_S = 80e6  # of bodies, unpacked: each is unpacked, checked and chained
_APPENDED_PAYLOADS_S = 1_000
_LOADED_BARS_S = 150_000  # with the index, and the proof of the hashes
_REBUILT_BARS_S = 130_000
_ALWAYS_S = 2.0


def expected_seconds(backup: Backup, *, loading: bool) -> float:
    """Return how long a restore of a backup takes, its dump loaded or its archive replayed."""
    file_bytes = sum(stored.file_bytes for stored in (backup.files if loading else backup.archive_files))
    bars = 0 if backup.projection is None else backup.projection.bars
    return (
        _ALWAYS_S
        + file_bytes / _CHECKED_BYTES_S
        + backup.body_bytes / _APPENDED_BYTES_S
        + backup.head / _APPENDED_PAYLOADS_S
        + bars / (_LOADED_BARS_S if loading else _REBUILT_BARS_S)
    )


def in_words(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
