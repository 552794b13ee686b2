"""The dry run: what a ruleset would change, told before anything is built.

The archive is replayed by the ruleset up to where the live projection has come, and every part is set beside the live
tables. Nothing is written, not even the ruleset; catch-ups may go on meanwhile.
"""

import asyncpg
import msgspec

from archive.calendar import calendar_version
from archive.read import archive_head
from project.bulk.replay import Progress, no_progress, replay_archive
from project.compare.beside import parts_beside
from project.compare.changes import Changes, Comparison
from project.errors import IncomparableProjection, NothingProjected
from project.generation import Generation, read_generation
from project.ruleset import Ruleset
from project.rulesets import recorded_ruleset
from project.steady import read_steadily

OTHER_SHAPE = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)


class DryRun(msgspec.Struct, frozen=True):
    """What would change; the live projection has taken in the archive up to `checkpoint` of `archive_head`."""

    checkpoint: int
    archive_head: int
    calendar_before: str
    calendar_after: str
    changes: Changes


async def dry_run(connection: asyncpg.Connection, ruleset: Ruleset, *, progress: Progress = no_progress) -> DryRun:
    """Return what a rebuild by `ruleset` would change in the live projection as it is now.

    The live projection may be of other rule code or another calendar than this software's.

    Raises: NothingProjected, IncomparableProjection, UndecodablePayload, GenerationChanging.
    """

    async def run() -> DryRun:
        generation = await read_generation(connection)
        if generation is None:
            raise NothingProjected
        return await _beside_live(connection, generation, ruleset, progress)

    try:
        return await read_steadily(connection, run)
    except OTHER_SHAPE as exc:
        raise IncomparableProjection from exc


async def _beside_live(
    connection: asyncpg.Connection, live: Generation, ruleset: Ruleset, progress: Progress
) -> DryRun:
    comparison = Comparison(await recorded_ruleset(connection, live.ruleset_hash), ruleset)
    async with replay_archive(connection, ruleset, live.checkpoint, progress=progress) as replayed:
        async for part in parts_beside(connection, replayed):
            comparison.add(part.live, part.replayed, part.tickers)
    return DryRun(
        checkpoint=live.checkpoint,
        archive_head=await archive_head(connection),
        calendar_before=live.calendar_version,
        calendar_after=calendar_version(),
        changes=comparison.changes(),
    )
