"""Replay: payloads in archive order become a projection, by catching up or by building a whole new generation.

Both decode, fold and write through the same code; they differ in what is believed before (the live tables, or
nothing) and in how much they take at once. A batch and its checkpoint are one transaction, so a kill at any moment
leaves the projection at the end of some batch.
"""

import datetime as dt
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.read import archive_head
from project import content
from project.batch import Batch
from project.build.build import Progress, decode_archive, no_progress, replay_archive
from project.compare.budget import require_within_budget
from project.compare.changes import Changes
from project.content import Fingerprint
from project.decide.override import overrides_of
from project.errors import NothingProjected, ProjectorBusy
from project.factors.circumstances import read_circumstances, write_factors
from project.fold import first_days, fold_bars
from project.generation import (
    SHAPE,
    Generation,
    advance,
    complete_next,
    create_next,
    hold_appends,
    live_generation,
    promote_next,
    roll_back,
)
from project.kinds import Folded, fold_kinds, read_believed, read_records, write_records
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

_LOGGER = logging.getLogger("project")
_TAKE_LOCK = load_queries("project.sql")["take_projector_lock"]
BATCH_PAYLOADS = 256
_PASSES = 2
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
        if not await connection.fetchval(_TAKE_LOCK):
            raise ProjectorBusy
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
        caught_up = await _catch_up_to(connection, generation, ruleset, head, now, batch_payloads, progress)
        return Replayed(caught_up.checkpoint - generation.checkpoint, False, caught_up)


async def rebuild(
    pool: asyncpg.Pool,
    ruleset: Ruleset,
    now: Now,
    *,
    progress: Progress = no_progress,
    max_change: float | None = None,
) -> Replayed:
    """Build a generation from the whole archive beside the live one, catch it up, and swap it in.

    `max_change` is the share of the live bars whose status may change, None for any.

    Raises: UndecodablePayload, ProjectorBusy, ChangeBudgetExceeded; the live projection is untouched then.
    """
    async with projector(pool) as connection:
        await create_next(connection, ruleset, exchange_calendar())
        generation = await _build(connection, ruleset, await archive_head(connection), now, progress)
        return await go_live(connection, generation, ruleset, now, progress=progress, max_change=max_change)


async def go_live(
    connection: asyncpg.Connection,
    generation: Generation,
    ruleset: Ruleset,
    now: Now,
    *,
    progress: Progress,
    max_change: float | None,
) -> Replayed:
    """Catch the next generation up and swap it in, in one transaction with the last payloads it lacked."""
    for _ in range(_PASSES):
        head = await archive_head(connection)
        generation = await _catch_up_to(connection, generation, ruleset, head, now, BATCH_PAYLOADS, progress)
    changes = await require_within_budget(connection, generation, max_change)
    async with connection.transaction():
        # What came during the last pass is little; appends wait for it, so nothing can slip in before the swap.
        await hold_appends(connection)
        head = await archive_head(connection)
        generation = await _catch_up_to(connection, generation, ruleset, head, now, BATCH_PAYLOADS, progress)
        await promote_next(connection)
    _LOGGER.info(
        "project.generation_promoted",
        extra={"generation_id": str(generation.generation_id), "content_hash": generation.content_hash},
    )
    return Replayed(generation.checkpoint, True, generation, changes)


async def rollback(pool: asyncpg.Pool) -> Generation:
    """Make the generation before live again, at once, and return it; what came since waits to be caught up.

    Raises: NothingProjected, NothingToRollBack, ProjectorBusy.
    """
    async with projector(pool) as connection:
        generation = await roll_back(connection)
        _LOGGER.info(
            "project.generation_rolled_back",
            extra={"generation_id": str(generation.generation_id), "checkpoint": generation.checkpoint},
        )
        return generation


async def catch_up_or_build(
    pool: asyncpg.Pool, ruleset: Ruleset, now: Now, *, progress: Progress = no_progress
) -> Replayed:
    """Catch up the live projection, or build the first one by `ruleset` where there is none."""
    try:
        return await catch_up(pool, now, progress=progress)
    except NothingProjected:
        return await rebuild(pool, ruleset, now, progress=progress)


async def _build(
    connection: asyncpg.Connection, ruleset: Ruleset, head: int, now: Now, progress: Progress
) -> Generation:
    """Write what the archive says up to `head` into the empty tables of the next generation."""
    async with replay_archive(connection, ruleset, head, progress=progress) as replayed:
        fingerprint = _print_of(replayed.records) + content.of_rejections(replayed.rejections)
        await write_records(connection, replayed.records)
        await write_rejections(connection, replayed.rejections)
        await write_spoken(connection, replayed.spoken, replayed.rejections)
        async for part in replayed.parts():
            await write_factors(connection, part.bars.weighed)
            await write_bars(connection, part.bars, replayed.tickers, empty=True)
            await write_status(connection, part.bars, part.codes, replayed.tickers)
            fingerprint += part.bars.fingerprint
    generation = Generation(
        generation_id=uuid.uuid4(),
        shape=SHAPE,
        ruleset_hash=ruleset.hash,
        calendar_version=exchange_calendar().version,
        checkpoint=head,
        content_hash=fingerprint.content_hash,
        provenance_hash=fingerprint.provenance_hash,
        built_at=now(),
        caught_up_at=now(),
    )
    await complete_next(connection, generation)
    return generation


async def _catch_up_to(
    connection: asyncpg.Connection,
    generation: Generation,
    ruleset: Ruleset,
    head: int,
    now: Now,
    batch_payloads: int,
    progress: Progress,
) -> Generation:
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
    tickers = batch.tickers
    records = fold_kinds(await read_believed(connection, batch.statements), batch.statements)
    changed = [record for folded in records.values() for record in folded.changed]
    tickers.codes([str(record.key[0]) for record in changed])
    fingerprint = _print_of(records) + content.of_rejections(batch.rejections)
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


def _print_of(records: Folded) -> Fingerprint:
    return sum((folded.fingerprint for folded in records.values()), Fingerprint())


def _parts_of_tickers(since: Ints) -> Iterator[Ints]:
    """Yield the numbers of the tickers that are touched, a part at a time."""
    touched = np.flatnonzero(since < np.iinfo(np.int64).max)
    for start in range(0, len(touched), _PART_TICKERS):
        yield touched[start : start + _PART_TICKERS]
