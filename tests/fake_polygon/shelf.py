"""Values made on demand and kept, the least recently used dropped beyond a budget of bytes.

It must not know what it keeps. A key must name everything its value depends on.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """A cache bounded in bytes. `size` says how many bytes a value counts for."""

    def __init__(self, budget_bytes: int, size: Callable[[T], int]) -> None:
        self._budget = budget_bytes
        self._size = size
        self._held = 0
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value kept under a key, made now if there is none."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
            return found
        made = make()
        self._values[key] = made
        self._held += self._size(made)
        while self._held > self._budget and len(self._values) > 1:
            _, dropped = self._values.popitem(last=False)
            self._held -= self._size(dropped)
        return made
