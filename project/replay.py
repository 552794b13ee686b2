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
from archive.read import archive_head, read_payloads
from project import content
from project.batch import Batch
from project.content import Fingerprint
from project.errors import NothingProjected, ProjectorBusy
from project.fold import EVERY_DAY, first_days, fold_actions, fold_bars
from project.generation import (
    SHAPE,
    Generation,
    advance,
    complete_next,
    create_next,
    hold_appends,
    live_generation,
    promote_next,
)
from project.judged import JudgedBars
from project.rows import BarRows, Ints, Tickers, join, no_rows
from project.ruleset import Ruleset
from project.series import Actions, actions_of
from project.store import (
    read_actions,
    read_bars,
    write_actions,
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
_PART_ROWS = 500_000
_PART_TICKERS = 2_000

Now = Callable[[], dt.datetime]
Progress = Callable[[int, int], None]


class Replayed(msgspec.Struct, frozen=True):
    """What a replay did: how many payloads it took in, and the generation that is live after it."""

    payloads: int
    rebuilt: bool
    generation: Generation


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


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


async def rebuild(pool: asyncpg.Pool, ruleset: Ruleset, now: Now, *, progress: Progress = no_progress) -> Replayed:
    """Build a generation from the whole archive beside the live one, catch it up, and swap it in.

    Raises: UndecodablePayload, ProjectorBusy; the live projection is untouched then.
    """
    async with projector(pool) as connection:
        await create_next(connection, ruleset, exchange_calendar())
        generation = await _build(connection, ruleset, await archive_head(connection), now, progress)
        for _ in range(_PASSES):
            head = await archive_head(connection)
            generation = await _catch_up_to(connection, generation, ruleset, head, now, BATCH_PAYLOADS, progress)
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
        return Replayed(generation.checkpoint, True, generation)


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
    """Fold the archive up to `head` onto nothing, into the empty tables of the next generation."""
    batch = await _decode(connection, ruleset, 0, head, progress)
    folded = fold_actions([], [], batch.splits, batch.dividends)
    fingerprint = folded.fingerprint + content.of_rejections(batch.rejections)
    await write_actions(connection, folded)
    await write_rejections(connection, batch.rejections)
    await write_spoken(connection, batch.spoken, batch.rejections)
    since = np.full(len(batch.tickers), EVERY_DAY)
    believed = _nothing_believed()
    actions = actions_of(folded.splits, folded.dividends, batch.tickers)
    for part, codes in _parts_of_rows(join(batch.bars), batch.tickers):
        fingerprint += await _fold_part(
            connection, ruleset, batch.tickers, actions, believed, [part], codes, since, empty=True
        )
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
    batch = await _decode(connection, ruleset, generation.checkpoint, upto, no_progress)
    tickers = batch.tickers
    async with connection.transaction():
        tickers.codes([split.ticker for split in batch.splits])
        tickers.codes([dividend.ticker for dividend in batch.dividends])
        folded = fold_actions(*await read_actions(connection, tickers.names), batch.splits, batch.dividends)
        fingerprint = generation.fingerprint + folded.fingerprint + content.of_rejections(batch.rejections)
        await write_actions(connection, folded)
        await write_rejections(connection, batch.rejections)
        await write_spoken(connection, batch.spoken, batch.rejections)
        rows = join(batch.bars)
        since = first_days([rows], folded.since, tickers)
        actions = actions_of(folded.splits, folded.dividends, tickers)
        for codes in _parts_of_tickers(since):
            believed = await read_bars(connection, tickers, codes, since[codes], ruleset.volume_window)
            new = rows.take(np.isin(rows.ticker, codes))
            fingerprint += await _fold_part(
                connection, ruleset, tickers, actions, believed, [new], codes, since, empty=False
            )
        await advance(connection, upto, fingerprint, now())
    _LOGGER.info(
        "project.batch_committed",
        extra={
            "from_seq": generation.checkpoint + 1,
            "to_seq": upto,
            "accepted": len(rows),
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


async def _fold_part(
    connection: asyncpg.Connection,
    ruleset: Ruleset,
    tickers: Tickers,
    actions: Actions,
    believed: JudgedBars,
    new: list[BarRows],
    codes: Ints,
    since: Ints,
    *,
    empty: bool,
) -> Fingerprint:
    folded = fold_bars(believed, new, since, tickers, actions, ruleset)
    await write_bars(connection, folded, tickers, empty=empty)
    await write_status(connection, folded, codes, tickers)
    return folded.fingerprint


async def _decode(connection: asyncpg.Connection, ruleset: Ruleset, after: int, upto: int, progress: Progress) -> Batch:
    batch = Batch(exchange_calendar(), ruleset)
    async for payload in read_payloads(connection, after, upto):
        batch.add(payload)
        progress(batch.payloads, upto - after)
    return batch


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


def _parts_of_tickers(since: Ints) -> Iterator[Ints]:
    """Yield the numbers of the tickers that are touched, a part at a time."""
    touched = np.flatnonzero(since < np.iinfo(np.int64).max)
    for start in range(0, len(touched), _PART_TICKERS):
        yield touched[start : start + _PART_TICKERS]


def _nothing_believed() -> JudgedBars:
    nothing = np.empty(0)
    return JudgedBars(no_rows(), nothing, nothing, nothing.astype(np.int64), nothing, nothing.astype(np.bool_))
