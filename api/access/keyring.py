"""The keys a server process knows: read from the database when what it remembers is a second old.

A key that is revoked opens nothing after REMEMBER_S at the latest, in every worker; a new one works at once. With the
database away nobody is let in.
"""

import asyncio
import time
from collections.abc import Callable

import asyncpg

from api.access.key import KnownKey, key_id_of
from api.access.store import keys_in_force
from api.generation import clear_database_errors

REMEMBER_S = 1.0
# A key that is not known may be a new one; this bounds how often strangers can make us look.
_LOOK_AGAIN_S = 0.1
_READ_WITHIN_S = 5.0


class KeyRing:
    """Says whose key a text is; `timer` is monotonic, in seconds."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._keys: dict[str, KnownKey] = {}
        self._read_at = -REMEMBER_S
        self._reading = asyncio.Lock()

    async def find(self, text: str, pool: asyncpg.Pool) -> KnownKey | None:
        """Return the key in force that `text` is, or None.

        Raises: DatabaseUnreachable and QueryTimedOut when the keys cannot be read.
        """
        key_id = key_id_of(text)
        if key_id is None:
            return None
        await self._be_at_most(REMEMBER_S, pool)
        if key_id not in self._keys:
            await self._be_at_most(_LOOK_AGAIN_S, pool)
        known = self._keys.get(key_id)
        return known if known is not None and known.is_of(text) else None

    async def _be_at_most(self, age_s: float, pool: asyncpg.Pool) -> None:
        if self._timer() - self._read_at <= age_s:
            return
        async with self._reading:
            began = self._timer()
            if began - self._read_at <= age_s:
                return
            with clear_database_errors():
                async with asyncio.timeout(_READ_WITHIN_S):
                    self._keys = await keys_in_force(pool)
            self._read_at = began
