"""A bounded memory: what was used last is kept, as far as it goes. It knows nothing of what it keeps."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, of which those used longest ago are forgotten once all together weigh more than `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.weight = 0
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return a value that is still kept."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def keep(self, key: K, value: V, weight: int = 1) -> V:
        """Keep a value, and return it; one that outweighs all of the memory is not kept."""
        if weight > self.most:
            return value
        _, replaced = self._values.pop(key, (value, 0))
        self._values[key] = value, weight
        self.weight += weight - replaced
        while self.weight > self.most:
            _, (_, freed) = self._values.popitem(last=False)
            self.weight -= freed
        return value
