"""What the overview remembers of one projection from request to request, each part by the state that it is true of."""

import datetime as dt
import uuid
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from msgspec import Struct

from api.generation import Generation, Projection
from api.kept import Kept
from archive.calendar import Calendar
from project.gaps.gap_search import SymbolGaps

if TYPE_CHECKING:
    from api.overview.changed import Changed
    from api.overview.market_gaps import KnownMarket
    from api.overview.quality import QualityRow
    from api.overview.roster import Roster

_GENERATIONS = 3
_ROSTERS = 2
_CHANGES = 8
_SESSIONS = 2_000  # some 2 MB
_SPANS = 20_000  # some 5 MB


class State(Struct, frozen=True):
    """What all rows of a projection depend on."""

    generation_id: uuid.UUID
    checkpoint: int

    @classmethod
    def of(cls, generation: Generation) -> "State":
        """Return the state that a generation is in."""
        return cls(generation.generation_id, generation.checkpoint)


class GapsKey(Struct, frozen=True):
    """All that the gaps of a symbol depend on."""

    state: State
    judged_up_to: dt.date
    symbol: str


class SessionsKey(Struct, frozen=True):
    """All that the counts of some sessions on end depend on."""

    state: State
    first: dt.date
    last: dt.date


class MarketKey(Struct, frozen=True):
    """All that the gaps of every symbol depend on."""

    state: State
    judged_up_to: dt.date


class ChangesKey(Struct, frozen=True):
    """All that what came since an instant depends on."""

    state: State
    since: dt.datetime
    after: int


class KnownGaps(Struct, frozen=True):
    """The gaps of a symbol, and from when until when it has bars."""

    found: SymbolGaps
    first_bar: dt.date | None
    last_bar: dt.date | None


class Memory:
    """The memory of one projection."""

    def __init__(self) -> None:
        self.calendars: Kept[uuid.UUID, Calendar] = Kept(_GENERATIONS)
        self.changes: Kept[ChangesKey, Changed] = Kept(_CHANGES)
        self.gaps: Kept[GapsKey, KnownGaps] = Kept(_SPANS)
        self.markets: Kept[MarketKey, KnownMarket] = Kept(1)
        self.qualities: Kept[SessionsKey, list[QualityRow]] = Kept(_SESSIONS)
        self.rosters: Kept[State, Roster] = Kept(_ROSTERS)


_MEMORIES: WeakKeyDictionary[Projection, Memory] = WeakKeyDictionary()


def memory_of(projection: Projection) -> Memory:
    """Return what is remembered of a projection; it is forgotten with it."""
    return _MEMORIES.setdefault(projection, Memory())
