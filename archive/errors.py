"""What can go wrong in the archive.

ArchiveError
├── UnknownPayload      no payload has this archive_seq
├── DamagedPayload      a stored payload does not decompress, or its SHA-256 is not the recorded one
├── UnusableExport      a file of an export is missing, altered or out of order
├── FileNotWritten      the disk does not take a file
├── DifferentArchive    an export and the archive here do not begin alike
├── InvalidRunId        not the beginning of any run's id (archive/runs.py)
├── UnknownRun          no run's id begins so (archive/runs.py)
├── AmbiguousRun        several runs' ids begin so (archive/runs.py)
└── VerificationFailed  the archive is not whole (archive/verify.py)
"""

from pathlib import Path

from sql.errors import WarehouseError


class ArchiveError(WarehouseError):
    """The base of this room's errors."""


class UnknownPayload(ArchiveError):
    """No payload has this `archive_seq`."""

    def __init__(self, archive_seq: int) -> None:
        super().__init__(f"payload {archive_seq} is not in the archive")
        self.archive_seq = archive_seq


class DamagedPayload(ArchiveError):
    """The stored bytes of `archive_seq` are not those that were archived."""

    def __init__(self, archive_seq: int, why: str) -> None:
        super().__init__(f"payload {archive_seq} is damaged: {why}")
        self.archive_seq = archive_seq


class UnusableExport(ArchiveError):
    """The file at `path` is not what an export left there."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"export {path}: {why}")
        self.path = path


class FileNotWritten(ArchiveError):
    """The file that was to be at `path` is not there: the disk is full, read-only, gone or broken."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"file {path} cannot be written: {why}")
        self.path = path


class DifferentArchive(ArchiveError):
    """The archive here and the exported one differ at or before `archive_seq`; nothing was changed."""

    def __init__(self, archive_seq: int) -> None:
        super().__init__(f"the archive here is not the exported one: they differ at or before payload {archive_seq}")
        self.archive_seq = archive_seq
