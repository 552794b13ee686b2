"""Rebuilding: a whole new generation beside the live one, caught up and swapped in by one transaction; and back again.

It replays through the same code as a catch-up does. Until the swap nothing of it is seen, so a rebuild that is killed
leaves the live projection as it was, and the next one starts from nothing.
"""

import logging
import uuid

import asyncpg

from archive.calendar import calendar_version, exchange_calendar
from archive.read import archive_head
from project import content
from project.aggregates import refresh_aggregates
from project.bulk.replay import Progress, no_progress, replay_archive
from project.columnstore import compress_old_bars
from project.compare.budget import require_within_budget
from project.errors import NothingProjected
from project.factors.circumstances import write_factors
from project.generation import (
    SHAPE,
    Generation,
    complete_next,
    create_next,
    hold_appends,
    promote_next,
    retire_previous,
    roll_back,
)
from project.kinds import print_of, write_records
from project.replay import BATCH_PAYLOADS, Now, Replayed, catch_up, catch_up_to, projector
from project.ruleset import Ruleset
from project.store import write_bars, write_rejections, write_spoken, write_status

_LOGGER = logging.getLogger("project")
_PASSES = 2


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


async def rebuild_through(
    pool: asyncpg.Pool, ruleset: Ruleset, checkpoint: int, now: Now, *, progress: Progress = no_progress
) -> tuple[Generation, Replayed]:
    """Rebuild, and return beside what came of it the generation as it was when it had come to `checkpoint`.

    That is how a rebuild is held against a generation that has not come to the head of the archive.

    Raises: UndecodablePayload, ProjectorBusy; the live projection is untouched then.
    """
    async with projector(pool) as connection:
        await create_next(connection, ruleset, exchange_calendar())
        there = await _build(connection, ruleset, checkpoint, now, progress)
        return there, await go_live(connection, there, ruleset, now, progress=progress, max_change=None)


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
        generation = await catch_up_to(connection, generation, ruleset, head, now, BATCH_PAYLOADS, progress)
    changes = await require_within_budget(connection, generation, max_change)
    await retire_previous(connection)
    async with connection.transaction():
        # What came during the last pass is little; appends wait for it, so nothing can slip in before the swap.
        await hold_appends(connection)
        head = await archive_head(connection)
        generation = await catch_up_to(connection, generation, ruleset, head, now, BATCH_PAYLOADS, progress)
        await promote_next(connection)
    _LOGGER.info(
        "project.generation_promoted",
        extra={"generation_id": str(generation.generation_id), "content_hash": generation.content_hash},
    )
    # Readers have the bars already, and do without the aggregates meanwhile.
    await refresh_aggregates(connection, generation.checkpoint)
    await compress_old_bars(connection)
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
        fingerprint = print_of(replayed.records) + content.of_rejections(replayed.rejections)
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
        calendar_version=calendar_version(),
        checkpoint=head,
        content_hash=fingerprint.content_hash,
        provenance_hash=fingerprint.provenance_hash,
        built_at=now(),
        caught_up_at=now(),
    )
    await complete_next(connection, generation)
    return generation
