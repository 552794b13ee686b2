"""The whole archive as a projection would hold it: everything that is not bars, and the bars part by part.

One producer for all who replay from the beginning: a rebuild writes what comes, a dry run, a verification and an audit
compare it with what is live. It reads the archive and writes nothing. A part is all bars of some tickers, so what it
says depends on no other part.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.read import read_payloads
from project.batch import Batch
from project.circumstances import AllCircumstances
from project.fold import EVERY_DAY, FoldedBars, fold_bars
from project.judged import nothing_judged
from project.kinds import Folded, fold_kinds
from project.rejection import Rejection
from project.rows import BarRows, Ints, Tickers, join
from project.ruleset import Ruleset
from project.skip import read_skips

_PART_ROWS = 500_000

Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


class FoldedPart(msgspec.Struct, frozen=True):
    """All bars of some tickers, folded onto nothing; `codes` are the numbers of these tickers."""

    bars: FoldedBars
    codes: Ints


class ReplayedArchive:
    """What the archive says by some ruleset. Get one from `replay_archive`.

    `spoken` maps every ticker named or asked for to its last archive_seq; `raw_rows` counts the rows that are bars,
    before it is settled which of them are believed.
    """

    def __init__(self, batch: Batch, ruleset: Ruleset) -> None:
        self.tickers: Tickers = batch.tickers
        self.rejections: list[Rejection] = batch.rejections
        self.spoken: dict[str, int] = batch.spoken
        self.records = _records_of(batch)
        self._known = AllCircumstances(self.records, self.tickers)
        self._rows = join(batch.bars)
        self._ruleset = ruleset
        self.raw_rows = len(self._rows)

    async def parts(self) -> AsyncIterator[FoldedPart]:
        """Yield the bars of whole tickers, a part at a time, in the order of tickers."""
        since = np.full(len(self.tickers), EVERY_DAY)
        for rows, codes in _parts_of_rows(self._rows, self.tickers):
            known = self._known.of(self.tickers.names[code] for code in codes.tolist())
            bars = fold_bars(nothing_judged(), [rows], since, self.tickers, known, self._ruleset)
            yield FoldedPart(bars, codes)


@asynccontextmanager
async def replay_archive(
    connection: asyncpg.Connection, ruleset: Ruleset, head: int, *, progress: Progress = no_progress
) -> AsyncIterator[ReplayedArchive]:
    """Yield what the payloads up to `head` say by a ruleset.

    Raises: UndecodablePayload, DamagedPayload.
    """
    yield ReplayedArchive(await decode_archive(connection, ruleset, 0, head, progress), ruleset)


async def decode_archive(
    connection: asyncpg.Connection, ruleset: Ruleset, after: int, upto: int, progress: Progress = no_progress
) -> Batch:
    """Return what the payloads with after < archive_seq ≤ upto say.

    Raises: UndecodablePayload, DamagedPayload.
    """
    batch = Batch(exchange_calendar(), ruleset, await read_skips(connection))
    async for payload in read_payloads(connection, after, upto):
        batch.add(payload)
        progress(batch.payloads, upto - after)
    return batch


def _records_of(batch: Batch) -> Folded:
    """Fold all that is not bars onto nothing."""
    return fold_kinds({}, batch.statements)


def _parts_of_rows(rows: BarRows, tickers: Tickers) -> Iterator[tuple[BarRows, Ints]]:
    """Yield the rows of whole tickers, a part at a time, in the order of tickers; each part with its tickers."""
    ranks = tickers.ranks()
    order = np.argsort(ranks[rows.ticker], kind="stable")
    by_rank = np.argsort(ranks)
    ends = np.cumsum(np.bincount(ranks[rows.ticker], minlength=len(tickers)))
    first_rank = 0
    while first_rank < len(tickers):
        start = int(ends[first_rank - 1]) if first_rank else 0
        last_rank = max(int(np.searchsorted(ends, start + _PART_ROWS, side="right")), first_rank + 1)
        stop = int(ends[last_rank - 1])
        yield rows.take(order[start:stop]), by_rank[first_rank:last_rank]
        first_rank = last_rank
