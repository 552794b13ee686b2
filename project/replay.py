"""Replay: payloads in archive order are folded onto what a projection holds, batch by batch.

A rebuild (rebuild.py) folds and writes through the same code; it differs in what is believed before (nothing) and in
how much it takes at once. A batch and its checkpoint are one transaction, so a kill at any moment leaves the projection
at the end of some batch.
"""

import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import numpy as np

from archive.read import archive_head
from project import content
from project.aggregates import refresh_aggregates
from project.batch import Batch
from project.bulk.replay import Progress, decode_archive, no_progress
from project.columnstore import compress_old_bars
from project.compare.changes import Changes
from project.content import Fingerprint
from project.decide.override import overrides_of
from project.errors import ProjectorBusy
from project.factors.circumstances import read_circumstances, write_factors
from project.fold import first_days, fold_bars
from project.generation import Generation, advance, live_generation
from project.kinds import fold_kinds, print_of, read_believed, read_records, write_records
from project.rows import Ints, join
from project.ruleset import Ruleset
from project.store import (
    read_bars,
    write_bars,
    write_rejections,
    write_spoken,
    write_status,
)
from sql import load_queries
from sql.timescale import prepare_upserts

_LOGGER = logging.getLogger("project")
_QUERIES = load_queries("project.sql")
_TAKE_LOCK, _WAIT_SHORTLY = _QUERIES["take_projector_lock"], _QUERIES["wait_shortly"]
BATCH_PAYLOADS = 256
_PART_TICKERS = 2_000

Now = Callable[[], dt.datetime]


class Replayed(msgspec.Struct, frozen=True):
    """What a replay did: how many payloads it took in, and the generation that is live after it.

    `changes` is how a rebuild differs from what was live, where it was held to a budget and differs at all.
    """

    payloads: int
    rebuilt: bool
    generation: Generation
    changes: Changes | None = None


@asynccontextmanager
async def projector(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Yield the one connection that may project.

    Raises: ProjectorBusy while another process has it.
    """
    async with pool.acquire() as connection:
        try:
            async with connection.transaction():
                await connection.execute(_WAIT_SHORTLY)
                await connection.execute(_TAKE_LOCK)
        except asyncpg.LockNotAvailableError as exc:
            raise ProjectorBusy from exc
        yield connection  # the pool's reset gives the lock back


async def catch_up(
    pool: asyncpg.Pool, now: Now, *, batch_payloads: int = BATCH_PAYLOADS, progress: Progress = no_progress
) -> Replayed:
    """Bring the live projection up to the head of the archive, by the rules it was built with.

    Raises: NothingProjected, OutdatedProjection, UndecodablePayload, ProjectorBusy.
    """
    async with projector(pool) as connection:
        generation, ruleset = await live_generation(connection)
        head = await archive_head(connection)
        caught_up = await catch_up_to(connection, generation, ruleset, head, now, batch_payloads, progress)
        await refresh_aggregates(connection, caught_up.checkpoint)
        await compress_old_bars(connection)
        return Replayed(caught_up.checkpoint - generation.checkpoint, False, caught_up)


async def catch_up_to(
    connection: asyncpg.Connection,
    generation: Generation,
    ruleset: Ruleset,
    head: int,
    now: Now,
    batch_payloads: int,
    progress: Progress,
) -> Generation:
    """Fold the payloads after a generation's checkpoint up to `head` into the tables the connection means."""
    start = generation.checkpoint
    while generation.checkpoint < head:
        upto = min(generation.checkpoint + batch_payloads, head)
        generation = await _take_in(connection, generation, ruleset, upto, now)
        progress(generation.checkpoint - start, head - start)
    return generation


async def _take_in(
    connection: asyncpg.Connection, generation: Generation, ruleset: Ruleset, upto: int, now: Now
) -> Generation:
    """Fold the payloads after the checkpoint up to `upto` onto what is believed, in one transaction."""
    batch = await decode_archive(connection, ruleset, generation.checkpoint, upto)
    async with connection.transaction():
        fingerprint = generation.fingerprint + await fold_onto(connection, batch, ruleset)
        await advance(connection, upto, fingerprint, now())
    _LOGGER.info(
        "project.batch_committed",
        extra={
            "from_seq": generation.checkpoint + 1,
            "to_seq": upto,
            "accepted": sum(map(len, batch.bars)),
            "rejected": len(batch.rejections),
        },
    )
    return msgspec.structs.replace(
        generation,
        checkpoint=upto,
        content_hash=fingerprint.content_hash,
        provenance_hash=fingerprint.provenance_hash,
        caught_up_at=now(),
    )


async def fold_onto(connection: asyncpg.Connection, batch: Batch, ruleset: Ruleset) -> Fingerprint:
    """Fold a batch onto what the tables hold, and return by how much their fingerprint moves."""
    await prepare_upserts(connection)
    tickers = batch.tickers
    records = fold_kinds(await read_believed(connection, batch.statements), batch.statements)
    changed = [record for folded in records.values() for record in folded.changed]
    tickers.codes([str(record.key[0]) for record in changed])
    fingerprint = print_of(records) + content.of_rejections(batch.rejections)
    await write_records(connection, records)
    await write_rejections(connection, batch.rejections)
    await write_spoken(connection, batch.spoken, batch.rejections)
    rows = join(batch.bars)
    since = first_days([rows], changed, tickers)
    overrides = overrides_of(await read_records(connection, "override", tickers.names), tickers)
    for codes in _parts_of_tickers(since):
        known, since = await read_circumstances(connection, tickers, codes, since, overrides)
        believed = await read_bars(connection, tickers, codes, since[codes], ruleset.volume_window)
        new = rows.take(np.isin(rows.ticker, codes))
        folded = fold_bars(believed, [new], since, tickers, known, ruleset)
        await write_factors(connection, folded.weighed)
        await write_bars(connection, folded, tickers, empty=False)
        await write_status(connection, folded, codes, tickers)
        fingerprint += folded.fingerprint
    return fingerprint


def _parts_of_tickers(since: Ints) -> Iterator[Ints]:
    """Yield the numbers of the tickers that are touched, a part at a time."""
    touched = np.flatnonzero(since < np.iinfo(np.int64).max)
    for start in range(0, len(touched), _PART_TICKERS):
        yield touched[start : start + _PART_TICKERS]
