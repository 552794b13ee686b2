"""The whole archive as a projection would hold it: everything that is not bars, and the bars part by part.

One producer for all who replay from the beginning: a rebuild writes what comes, a dry run, a verification and an audit
compare it with what is live. It reads the archive and writes nothing. A part is all bars of some tickers, so what it
says depends on no other part. Payloads of bars are decoded on every core and their rows put aside on disk; a part is
read back and folded in a thread while the one before is made use of.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.payload import Endpoint
from archive.read import body_bytes, payload_of, read_payloads, read_rows
from project.batch import Batch, holds_bars
from project.bulk.bar_decoder import Decoded
from project.bulk.crew import Chunk, Spool, StoredRow, decode_chunks, workers_for
from project.bulk.spool import Spooled, count_rows, read_spooled
from project.decide.skip import read_skips
from project.factors.circumstances import AllCircumstances
from project.fold import EVERY_DAY, FoldedBars, fold_bars
from project.judged import nothing_judged
from project.kinds import Folded, fold_kinds
from project.rejection import Rejection
from project.rows import Ints, Tickers
from project.ruleset import Ruleset
from sql.errors import WarehouseError

_PART_ROWS = 100_000
_CHUNK_BYTES = 4 * 2**20

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

    def __init__(self, batch: Batch, spools: Sequence[Spool], ruleset: Ruleset, thread: ThreadPoolExecutor) -> None:
        self.tickers: Tickers = batch.tickers
        decoded: list[Batch | Decoded] = [batch, *(spool.decoded for spool in spools)]
        self.rejections: list[Rejection] = [row for part in decoded for row in part.rejections]
        self.spoken = _latest(part.spoken for part in decoded)
        self.records = _records_of(batch)
        codes = [self.tickers.codes(spool.decoded.tickers) for spool in spools]
        self._known = AllCircumstances(self.records, self.tickers)
        ranks = self.tickers.ranks()
        self._spooled = [
            Spooled(spool.file, run, ranks[numbers[run.codes]])
            for spool, numbers in zip(spools, codes, strict=True)
            for run in spool.decoded.runs
        ]
        self._counts = count_rows(self._spooled, len(self.tickers))
        self.raw_rows = int(self._counts.sum())
        self._ruleset, self._thread = ruleset, thread

    async def parts(self) -> AsyncIterator[FoldedPart]:
        """Yield the bars of whole tickers, a part at a time, in the order of tickers."""
        loop = asyncio.get_running_loop()
        ahead: asyncio.Future[FoldedPart] | None = None
        for first_rank, last_rank in _bounds_of_parts(self._counts):
            folding = loop.run_in_executor(self._thread, self._fold, first_rank, last_rank)
            if ahead is not None:
                yield await ahead
            ahead = folding
        if ahead is not None:
            yield await ahead

    def _fold(self, first_rank: int, last_rank: int) -> FoldedPart:
        by_rank = np.argsort(self.tickers.ranks())
        rows = read_spooled(self._spooled, by_rank, first_rank, last_rank)
        codes = by_rank[first_rank:last_rank]
        known = self._known.of(self.tickers.names[code] for code in codes.tolist())
        since = np.full(len(self.tickers), EVERY_DAY)
        return FoldedPart(fold_bars(nothing_judged(), [rows], since, self.tickers, known, self._ruleset), codes)


@asynccontextmanager
async def replay_archive(
    connection: asyncpg.Connection,
    ruleset: Ruleset,
    head: int,
    *,
    progress: Progress = no_progress,
    workers: int | None = None,
) -> AsyncIterator[ReplayedArchive]:
    """Yield what the payloads up to `head` say by a ruleset; whatever `workers` decode them, it is the same.

    Raises: UndecodablePayload, DamagedPayload, SpoolFull, WorkerFailed.
    """
    skips = await read_skips(connection)

    def blank() -> Batch:
        return Batch(exchange_calendar(), ruleset, skips)

    batch = blank()
    async with (
        aclosing(_chunks_of_bars(connection, head, batch, progress)) as chunks,
        decode_chunks(chunks, blank, workers or workers_for(await body_bytes(connection, head))) as spools,
    ):
        with ThreadPoolExecutor(1) as thread:
            try:
                yield ReplayedArchive(batch, spools, ruleset, thread)
            finally:
                thread.shutdown(cancel_futures=True)


async def _chunks_of_bars(
    connection: asyncpg.Connection, head: int, batch: Batch, progress: Progress
) -> AsyncGenerator[Chunk, None]:
    """Yield the payloads of bars up to `head`, a few at a time; all others go to `batch`."""
    chunk: list[StoredRow] = []
    async for row in read_rows(connection, 0, head):
        if holds_bars(row["source"], Endpoint(row["endpoint"])):
            chunk.append(dict(row))
        else:
            try:
                batch.add(payload_of(row))
            except WarehouseError:
                if chunk:  # of several payloads that cannot be decoded the first is to be named
                    yield chunk
                raise
        if sum(each["body_bytes"] for each in chunk) >= _CHUNK_BYTES:
            yield chunk
            chunk = []
        progress(row["archive_seq"], head)
    if chunk:
        yield chunk


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


def _latest(spoken: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return for each ticker the last payload that spoke of it, whoever decoded that."""
    latest: dict[str, int] = {}
    for part in spoken:
        latest |= {ticker: max(seq, latest.get(ticker, 0)) for ticker, seq in part.items()}
    return latest


def _bounds_of_parts(counts: Ints) -> Iterator[tuple[int, int]]:
    """Yield the ranks, from and up to, of the tickers of each part; `counts` has the rows of each ticker by rank."""
    ends = np.cumsum(counts)
    first_rank = 0
    while first_rank < len(counts):
        before = int(ends[first_rank - 1]) if first_rank else 0
        last_rank = max(int(np.searchsorted(ends, before + _PART_ROWS, side="right")), first_rank + 1)
        yield first_rank, last_rank
        first_rank = last_rank
