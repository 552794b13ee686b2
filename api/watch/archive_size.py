"""How much the archive holds: sums that are counted once and then added to, since nothing in it changes."""

import asyncio

import asyncpg

from sql import load_queries

_BETWEEN = load_queries("api_watch.sql")["bytes_between"]
# So many rows are summed within the statement timeout on any disk.
_AT_ONCE = 100_000


class ArchiveSize:
    """The bytes of all payloads up to the newest that was asked about."""

    def __init__(self) -> None:
        self._upto = self._body_bytes = self._stored_bytes = 0
        self._one_at_a_time = asyncio.Lock()

    async def upto(self, connection: asyncpg.Connection, head: int) -> tuple[int, int]:
        """Return the bytes of the payloads up to `head`: of their bodies, and as they are stored."""
        async with self._one_at_a_time:
            if head < self._upto:  # another archive was put in its place
                self._upto = self._body_bytes = self._stored_bytes = 0
            while self._upto < head:
                upto = min(self._upto + _AT_ONCE, head)
                row = await connection.fetchrow(_BETWEEN, self._upto, upto)
                self._body_bytes += row["body_bytes"]
                self._stored_bytes += row["stored_bytes"]
                self._upto = upto
            return self._body_bytes, self._stored_bytes
