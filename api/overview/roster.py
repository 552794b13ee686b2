"""The roster: every symbol with its coverage as one table in memory, until the projection changes.

Eleven thousand symbols are read and joined in 60 ms, and sought in 2. Knows no route.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from api.formats.table import Values
from api.generation import Generation, Projection
from api.overview.memory import State, memory_of
from api.overview.reading import Reading, read_remembering
from sql import load_queries

_QUERIES = load_queries("api_overview.sql")
_SYMBOLS, _LISTINGS = _QUERIES["every_symbol"], _QUERIES["every_listing"]

_COUNTS = ("bars", "validated_bars", "gaps_flagged", "volume_anomalies", "revisions", "rejections")
_SPOKEN = ("name", "type", "primary_exchange", "active")

# A text that no ticker and no name has parts the two where they are sought, so that none is found across them.
_PARTED = "\0"

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


class Roster(Struct, frozen=True):
    """Symbols in byte order, those as well that are only listed.

    Shape: `columns` are of equal length; score is NaN without bars. `sought` is what a search looks through.
    """

    symbols: list[str]
    columns: dict[str, Values]
    sought: list[str]

    def matches(self, search: str) -> Bools:
        """Tell which symbols have a text in their ticker or their name, whatever the case."""
        wanted = search.casefold()
        return np.array([wanted in text for text in self.sought], np.bool_)

    def ranks(self, search: str, places: Ints) -> Ints:
        """Tell how well each of some symbols, that have the text, matches it: 0 for the ticker as it was written, 1 in
        another case, 2 for a ticker that begins so, 3 for a name in which a word does, 4 for the rest.
        """
        wanted = search.casefold()
        begins_word = f" {wanted}"

        def rank(place: int) -> int:
            ticker, _, name = self.sought[place].partition(_PARTED)
            if ticker == wanted:
                return 0 if self.symbols[place] == search else 1
            if ticker.startswith(wanted):
                return 2
            return 3 if name.startswith(wanted) or begins_word in name else 4

        return np.array([rank(place) for place in places.tolist()], np.intp)


async def read_roster(projection: Projection) -> tuple[Generation, Roster]:
    """Return the roster of the live generation.

    Raises: READ_ERRORS.
    """
    memory = memory_of(projection)
    generation = await projection.identity()
    known = memory.rosters.get(State.of(generation))
    if known is not None:
        return generation, known

    return await read_remembering(projection, _read)


async def _read(reading: Reading) -> tuple[Generation, Roster]:
    symbols = await reading.connection.fetch(_SYMBOLS)
    listings = await reading.connection.fetch(_LISTINGS)
    roster = await asyncio.to_thread(_joined, symbols, listings)
    return reading.generation, reading.keep(reading.memory.rosters, reading.state, roster)


def _joined(statuses: Sequence[asyncpg.Record], listings: Sequence[asyncpg.Record]) -> Roster:
    status_of = {row["ticker"]: row for row in statuses}
    listing_of = {row["ticker"]: row for row in listings}
    symbols = sorted(status_of.keys() | listing_of.keys())
    status = [status_of.get(symbol) for symbol in symbols]
    listing = [listing_of.get(symbol) for symbol in symbols]
    counts = {name: np.array([0 if row is None else row[name] for row in status], np.int64) for name in _COUNTS}
    spoken = {name: _objects([None if row is None else row[name] for row in listing]) for name in _SPOKEN}
    days = {
        name: np.array([None if row is None else row[name] for row in status], "datetime64[D]")
        for name in ("first_session", "last_session")
    }
    bars = counts["bars"]
    columns = {
        "symbol": _objects(symbols),
        **spoken,
        **days,
        "bars": bars,
        "validated_bars": counts["validated_bars"],
        "score": np.where(bars > 0, counts["validated_bars"] / np.maximum(bars, 1), np.nan),
        **{name: counts[name] for name in _COUNTS[2:]},
    }
    names = columns["name"].tolist()
    sought = [f"{symbol}{_PARTED}{name or ''}".casefold() for symbol, name in zip(symbols, names, strict=True)]
    return Roster(symbols, columns, sought)


def _objects(values: Sequence[object]) -> Values:
    made = np.empty(len(values), object)
    made[:] = values
    return made
