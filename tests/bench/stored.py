"""What an archive takes on disk, and what was asked to fill it; read from outside, as anybody could with psql."""

import msgspec

from sql import load_queries
from sql.connect import Role, open_pool

_OF_LAST_RUN = """
SELECT request
FROM archive.payload
WHERE run_id = (SELECT run_id FROM archive.payload ORDER BY archive_seq DESC LIMIT 1)
ORDER BY archive_seq
"""
_STATS = load_queries("archive.sql")["archive_stats"]


class Stored(msgspec.Struct, frozen=True):
    """The size of an archive. Units: bytes; `disk_bytes` is the table with TOAST and indexes."""

    payloads: int
    body_bytes: int
    stored_bytes: int
    disk_bytes: int

    @property
    def ratio(self) -> float:
        """Compressed bodies over the JSON in them."""
        return self.stored_bytes / self.body_bytes

    @property
    def disk_ratio(self) -> float:
        """The table on disk over the JSON in it."""
        return self.disk_bytes / self.body_bytes


async def read_stored(database_url: str) -> Stored:
    """Return the size of an archive."""
    async with open_pool(database_url, Role.READ) as pool:
        row = await pool.fetchrow(_STATS)
    return Stored(**{name: row[name] for name in Stored.__struct_fields__})


async def targets_of(database_url: str) -> list[str]:
    """Return path and query of the requests of the run that ended last, in the order of the archive."""
    async with open_pool(database_url, Role.READ) as pool:
        return [row["request"] for row in await pool.fetch(_OF_LAST_RUN)]
