"""`ops drill`: the newest backup of a folder restored beside the live warehouse, to know that it can be.

The archive goes into a scratch database and is verified in full; a replay of it must give what the live projection
says of itself and what its tables hold, or else what the backup recorded of it; the dump must load and be the same. How
it ended is in the run ledger of the live warehouse, whatever happens: what watches over the warehouse asks there.
"""

from functools import partial
from pathlib import Path

import asyncpg
import msgspec

from archive.errors import DifferentArchive
from archive.portable import require_same_archive
from archive.read import archive_head
from archive.runs import list_runs
from archive.verify import VerificationFailed, verify_archive
from ops.backup.duration import expected_seconds, in_words
from ops.backup.encryption import AgeKey
from ops.backup.folder import hold_folder
from ops.backup.manifest import Backup
from ops.backup.opened import OpenedBackup, choose_backup, open_backup
from ops.backup.put_back import (
    PutBack,
    load_projection,
    put_archive_back,
    put_keys_back,
    rebuild_projection,
    ruleset_of,
    why_not_loadable,
)
from ops.backup.restore_errors import DrillFailed, DrillRunning
from ops.backup.scratch import Place, scratch_database
from ops.backup.surroundings import Laps, Surroundings
from ops.ledger import Entry, in_ledger
from project.content import Fingerprint
from project.errors import DamagedDump, NothingProjected, OutdatedProjection
from project.generation import LIVE, Generation, live_generation
from project.ruleset import Ruleset
from project.steady import read_steadily
from project.unload import fingerprint_of
from sql import load_queries
from sql.connect import Role, open_owner, open_pool

_QUERIES = load_queries("drill.sql")
_TAKE_LOCK, _COUNT_BARS = _QUERIES["take_drill_lock"], _QUERIES["count_bars"]
_KIND = "drill"
_LOOK_BACK = 12
# Of a scratch database: what an empty one takes, and a bar with its index, in two generations and on its way there.
_ALWAYS_BYTES = 300 * 2**20
_BAR_BYTES = 1_000


class Plan(msgspec.Struct, frozen=True):
    """What a drill means to do, as the ledger has it."""

    folder: str
    scratch: str | None


class Reference(msgspec.Struct, frozen=True):
    """What a replay must give: `generation` by `ruleset`; `name` says whose it is.

    `stored` is what its tables hold at the same moment, None for a generation that is not live.
    """

    name: str
    generation: Generation
    ruleset: Ruleset
    stored: Fingerprint | None


class Drilled(msgspec.Struct, frozen=True):
    """What a drill that passed did. `compared_with` is live, backed up, or nothing, and `why` says why not live.

    `dump` is loaded, or why there was none to load.
    """

    passed: bool
    backup: str
    compared_with: str
    checkpoint: int | None
    content_hash: str | None
    dump: str
    payloads: int
    chain_hash: str
    api_keys: int
    bars: int
    seconds: dict[str, float]
    why: str | None = None
    scratch: Place | None = None


class Failed(msgspec.Struct, frozen=True):
    """What a drill that did not pass leaves in the ledger."""

    passed: bool
    backup: str | None
    error: str


class Drill(msgspec.Struct, frozen=True):
    """What to drill with: the newest backup of `folder`, in a scratch database at `place`, None for where it may be."""

    folder: Path
    key: AgeKey | None
    place: Place | None


async def drill(url: str, wanted: Drill, around: Surroundings) -> Drilled:
    """Restore the newest backup beside the live database at `url`, compare it, and record how that ended.

    Raises: DrillRunning; what is wrong with the backup; DrillFailed where it restores to something else.
    """
    async with open_owner(url) as live:
        # Held by this session until the end, so that nothing of a drill that runs is swept by another.
        if not await live.fetchval(_TAKE_LOCK):
            raise DrillRunning
        async with (
            open_pool(url, Role.BACKUP) as pool,
            in_ledger(
                pool, _KIND, Plan(str(wanted.folder), wanted.place), partial(Failed, False, None), around.now
            ) as entry,
        ):
            entry.result = drilled = await _drill(live, pool, url, wanted, entry, around)
    return drilled


async def _drill(
    live: asyncpg.Connection,
    pool: asyncpg.Pool,
    url: str,
    wanted: Drill,
    entry: Entry,
    around: Surroundings,
) -> Drilled:
    laps = Laps(around.now)

    with hold_folder(wanted.folder, "ops drill", around.now(), alone=False):
        backup = choose_backup(wanted.folder, None, wanted.key)
        entry.failed = partial(Failed, False, backup.name)
        around.say(_announcement(backup, await _last_took(pool)))
        opened = await open_backup(wanted.folder, backup, wanted.key)
        await opened.check_dump()
        laps.end("check")
        await _require_of_this_archive(pool, opened.backup)
        reference, why = await _reference(pool, opened)
        laps.end("live")
        async with scratch_database(live, url, wanted.place, _needed_bytes(opened)) as (scratch, place):
            drilled = await _drill_in(scratch, opened, reference, laps, around)
            return msgspec.structs.replace(drilled, why=why, scratch=place)


async def _drill_in(
    url: str, opened: OpenedBackup, reference: Reference | None, laps: Laps, around: Surroundings
) -> Drilled:
    backup = opened.backup
    with around.show("archive", "bytes") as progress:
        await put_archive_back(url, opened, progress)
    api_keys = await put_keys_back(url, opened)
    laps.end("archive")
    await _require_whole_archive(url, backup)
    laps.end("verify")
    rebuilt = None
    if reference is not None:
        with around.show("projecting", "payloads") as progress:
            rebuilt = await rebuild_projection(
                url, reference.ruleset, reference.generation.checkpoint, around.now, progress
            )
        _require_same(backup, "a replay", rebuilt.there, reference.generation, f"the {reference.name} projection")
        _require_unaltered(backup, reference)
    laps.end("rebuild")
    dump = await _load_dump(url, opened, rebuilt, around)
    laps.end("dump")
    return Drilled(
        passed=True,
        backup=backup.name,
        compared_with="nothing" if reference is None else reference.name,
        checkpoint=None if reference is None else reference.generation.checkpoint,
        content_hash=None if reference is None else reference.generation.content_hash,
        dump=dump,
        payloads=backup.head,
        chain_hash=backup.archive.chain.hex(),
        api_keys=api_keys,
        bars=0 if rebuilt is None else await _count_bars(url),
        seconds=laps.seconds,
    )


async def _reference(pool: asyncpg.Pool, opened: OpenedBackup) -> tuple[Reference | None, str | None]:
    """Return what the replay is held against, and why that is not the live projection where it is not."""
    part = opened.backup.projection
    try:
        live = await _read_live(pool, opened.backup)
    except (NothingProjected, OutdatedProjection) as exc:
        why = f"not with the live projection: {exc}"
    else:
        if isinstance(live, Reference):
            return live, None
        why = live
    if part is None:
        return None, f"{why}; nothing was projected when the backup was made"
    ruleset = ruleset_of(opened, part)
    outdated = why_not_loadable(part, ruleset)
    if outdated is not None:
        return None, f"{why}; not with what the backup recorded: {outdated}"
    return Reference("backed up", part.generation, ruleset, None), why


async def _read_live(pool: asyncpg.Pool, backup: Backup) -> Reference | str:
    """Return the live generation and what its tables hold, in one snapshot; or why a replay is not held against it."""
    async with pool.acquire() as connection:

        async def read() -> Reference | str:
            generation, ruleset = await live_generation(connection)
            why = _why_not_live(generation, backup)
            return why or Reference("live", generation, ruleset, await fingerprint_of(connection, LIVE))

        return await read_steadily(connection, read)


def _why_not_live(live: Generation, backup: Backup) -> str | None:
    if live.checkpoint > backup.head:
        return f"not with the live projection: it is of {live.checkpoint:,} payloads, the backup has {backup.head:,}"
    if backup.projection is not None and live.ruleset_hash != backup.projection.generation.ruleset_hash:
        return "not with the live projection: it is judged by other rules than at the time of the backup"
    return None


async def _require_of_this_archive(pool: asyncpg.Pool, backup: Backup) -> None:
    if await archive_head(pool) >= backup.head:
        try:
            await require_same_archive(pool, backup.archive)
        except DifferentArchive as exc:
            raise DrillFailed(backup.name, f"it is of another archive than this one: {exc}") from exc


async def _require_whole_archive(url: str, backup: Backup) -> None:
    async with open_pool(url, Role.READ) as pool:
        verification = await verify_archive(pool)
    if verification.first_bad is not None:
        raise DrillFailed(backup.name, str(VerificationFailed(verification)))
    if verification.payloads != backup.head:
        raise DrillFailed(backup.name, f"{verification.payloads:,} payloads came of it, it has {backup.head:,}")


async def _load_dump(url: str, opened: OpenedBackup, rebuilt: PutBack | None, around: Surroundings) -> str:
    """Load the dump of the projection and require it to be what the replay gave; return that, or why there is none."""
    part = opened.backup.projection
    if part is None or part.files is None:
        return "the backup holds none"
    ruleset = ruleset_of(opened, part)
    outdated = why_not_loadable(part, ruleset)
    if outdated is not None:
        return f"cannot be loaded here: {outdated}"
    try:
        with around.show("projection", "bytes") as progress:
            loaded = await load_projection(url, opened, part, ruleset, around.now, progress)
    except DamagedDump as exc:
        raise DrillFailed(opened.backup.name, str(exc)) from exc
    if rebuilt is not None and loaded.live.ruleset_hash == rebuilt.live.ruleset_hash:
        _require_same(opened.backup, "its dump", loaded.live, rebuilt.live, "the replay")
    return "loaded"


def _require_same(backup: Backup, what: str, found: Generation, wanted: Generation, whose: str) -> None:
    for name, one, other in (
        ("content", found.content_hash, wanted.content_hash),
        ("provenance", found.provenance_hash, wanted.provenance_hash),
    ):
        if one != other:
            raise DrillFailed(
                backup.name,
                f"{what} has {name} {one[:12]} at payload {found.checkpoint:,}, {whose} has {other[:12]}; "
                "`project --verify` names the first row of the live one that is not what its archive says",
            )


def _require_unaltered(backup: Backup, reference: Reference) -> None:
    """Refuse live tables that do not hold what their generation recorded, and so not what the replay gave."""
    if reference.stored is None:
        return
    recorded = reference.generation
    for name, held, wanted in (
        ("content", reference.stored.content_hash, recorded.content_hash),
        ("provenance", reference.stored.provenance_hash, recorded.provenance_hash),
    ):
        if held != wanted:
            raise DrillFailed(
                backup.name,
                f"its archive restores as it should, but the live tables hold {name} {held[:12]}, recorded is "
                f"{wanted[:12]}; `project --verify` names the first row that is wrong, `project --rebuild` mends it",
            )


async def _count_bars(url: str) -> int:
    async with open_pool(url, Role.READ) as pool:
        bars: int = await pool.fetchval(_COUNT_BARS)
    return bars


async def _last_took(pool: asyncpg.Pool) -> float | None:
    """Return how many seconds the last drill that passed took, as far as the ledger tells."""
    for run in await list_runs(pool, _LOOK_BACK, [_KIND]):
        if run.result is not None and run.result.get("passed"):
            return float(sum(run.result.get("seconds", {}).values()))
    return None


def _announcement(backup: Backup, last_took: float | None) -> str:
    expected = expected_seconds(backup, loading=True) + expected_seconds(backup, loading=False)
    last = "" if last_took is None else f", the last one took {in_words(last_took)}"
    return f"drilling with backup {backup.name}: {backup.head:,} payloads; expected to take {in_words(expected)}{last}"


def _needed_bytes(opened: OpenedBackup) -> int:
    bars = 0 if opened.backup.projection is None else opened.backup.projection.bars
    return 2 * opened.stored_bytes + _BAR_BYTES * bars + _ALWAYS_BYTES
