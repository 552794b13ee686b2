"""A reading of the projection that remembers: what it finds is kept once it is proved to be of one generation."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import asyncpg

from api.generation import Generation, Projection
from api.kept import Kept
from api.overview.memory import Memory, State, memory_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class Reading:
    """One try to read a generation; a swap may yet show that its rows are of two."""

    def __init__(self, connection: asyncpg.Connection, generation: Generation, memory: Memory) -> None:
        self.connection = connection
        self.generation = generation
        self.memory = memory
        self._found: dict[tuple[int, Hashable], tuple[Kept[Any, Any], Any, int]] = {}

    @property
    def state(self) -> State:
        """The state that the generation is in."""
        return State.of(self.generation)

    def get(self, kept: Kept[K, V], key: K) -> V | None:
        """Return what is remembered, or was found by this reading."""
        if (id(kept), key) in self._found:
            found: V = self._found[id(kept), key][1]
            return found
        return kept.get(key)

    def keep(self, kept: Kept[K, V], key: K, value: V, weight: int = 1) -> V:
        """Return a value, which will be remembered if the reading is proved."""
        self._found[id(kept), key] = kept, value, weight
        return value

    def remember(self) -> None:
        """Remember what was found."""
        for (_, key), (kept, value, weight) in self._found.items():
            kept.keep(key, value, weight)


async def read_remembering(projection: Projection, read: Callable[[Reading], Awaitable[T]]) -> T:
    """Return what `read` makes of one generation; it may be called again, so it must only read.

    Raises: what `read` raises, and READ_ERRORS.
    """
    memory = memory_of(projection)

    async def once(connection: asyncpg.Connection, generation: Generation) -> tuple[Reading, T]:
        reading = Reading(connection, generation, memory)
        return reading, await read(reading)

    reading, answer = await projection.read(once)
    reading.remember()
    return answer
