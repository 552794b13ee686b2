"""What can go wrong in the archive.

ArchiveError
├── UnknownPayload    no payload has this archive_seq
└── DamagedPayload    a stored payload does not decompress, or its SHA-256 is not the recorded one
"""

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
