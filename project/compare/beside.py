"""The live projection beside what a replay of the archive says of the same tickers, a part at a time.

A dry run and a verification look at the two in the same way; what they look for is theirs. It writes nothing.
"""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import numpy as np

from project.bulk.replay import FoldedPart, ReplayedArchive
from project.content import Fingerprint
from project.factors.factor import Factor
from project.generation import LIVE
from project.judged import JudgedBars, nothing_judged
from project.rows import BarRows, Ints, Tickers, no_rows
from project.unload import Revisions, parts_of, read_part, read_tickers


class Beside(msgspec.Struct, frozen=True):
    """All bars of some tickers, live and replayed, both in order and numbered by `tickers`.

    What else a replay says of them: revisions, factors, and the fingerprint of bars and both.
    """

    tickers: Tickers
    live: JudgedBars
    replayed: JudgedBars
    revised: Revisions
    factors: list[Factor]
    fingerprint: Fingerprint


async def parts_beside(connection: asyncpg.Connection, replayed: ReplayedArchive) -> AsyncIterator[Beside]:
    """Yield every ticker of either side once, whole."""
    unread = await read_tickers(connection, LIVE)
    async for part in replayed.parts():
        names = [replayed.tickers.names[code] for code in part.codes.tolist()]
        for name in names:
            unread.pop(name, None)
        live = await read_part(connection, LIVE, names)
        yield _renumbered(part, names, live, len(replayed.tickers))
    for names in parts_of(unread):
        live = await read_part(connection, LIVE, names)
        yield Beside(Tickers(names), live, nothing_judged(), Revisions(no_rows(), _none(), _none()), [], Fingerprint())


def _renumbered(part: FoldedPart, names: list[str], live: JudgedBars, ticker_count: int) -> Beside:
    places = np.full(ticker_count, -1)
    places[part.codes] = np.arange(len(names))
    folded = part.bars
    return Beside(
        Tickers(names),
        live,
        msgspec.structs.replace(folded.bars, bars=_with_numbers(folded.bars.bars, places)),
        Revisions(_with_numbers(folded.revised, places), folded.known_to, folded.superseded_by),
        folded.weighed.factors,
        folded.fingerprint,
    )


def _with_numbers(bars: BarRows, places: Ints) -> BarRows:
    return msgspec.structs.replace(bars, ticker=places[bars.ticker])


def _none() -> Ints:
    return np.empty(0, np.int64)
