"""One look at the warehouse: what its database tells, read as a reader, and what of it is trouble.

A database that is away is a finding like any other. It is asked for a few times, since a restart is no trouble.
"""

import asyncio
import datetime as dt
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity.wait import wait_fixed

from api.errors import RefusedRequest
from api.generation import Projection
from api.warehouse import Warehouse
from api.watch.check import Check
from api.watch.facts import Watch
from api.watch.patience import DATABASE_ERRORS
from api.watch.safeguards import Safeguard
from api.watch.settings import WatchSettings
from archive.runs import lock_is_held
from ops.watch.judge import Seen, judge_warehouse, unreadable
from ops.watch.settings import SafeguardSettings
from sql import load_queries
from sql.connect import Role, address, database_url, open_pool
from sql.errors import DatabaseError
from sql.settings import DatabaseSettings

_QUERIES = load_queries("ops_watch.sql")
_SINCE, _SESSIONS_OF = _QUERIES["warehouse_since"], _QUERIES["sessions_of"]
_HAS_LEDGER = load_queries("migrate.sql")["has_ledger"]
_DRILL_LOCK, _SCRUB_LOCK = "warehouse.drill", "warehouse.scrub"
_TRIES = 3
_WAIT = wait_fixed(2)
_MEND = "start the database, or see its log; ops doctor looks at it more closely"

Now = Callable[[], dt.datetime]


async def look(
    database: DatabaseSettings,
    fresh: WatchSettings,
    safeguards: SafeguardSettings,
    now: Now,
    *,
    wait: Callable[[RetryCallState], float] = _WAIT,
) -> tuple[Check, ...]:
    """Return the checks of a warehouse; of one whose database is away, that it is."""

    async def once() -> tuple[Check, ...]:
        return await _look_once(database, fresh, safeguards, now)

    tries = AsyncRetrying(
        stop=stop_after_attempt(_TRIES),
        wait=wait,
        retry=retry_if_result(lambda checks: checks[0].status == "failed"),
        retry_error_callback=lambda state: None if state.outcome is None else state.outcome.result(),
    )
    checks: tuple[Check, ...] = await tries(once)
    return checks


async def _look_once(
    database: DatabaseSettings, fresh: WatchSettings, safeguards: SafeguardSettings, now: Now
) -> tuple[Check, ...]:
    """Return the checks, that of the database first."""
    try:
        url = await asyncio.to_thread(database_url, database)
        async with open_pool(url, Role.READ, size=2) as pool:
            await _require_warehouse(pool, url)
            seen = await read_seen(pool, fresh, safeguards.folder, now)
    except DatabaseError as exc:
        return (Check("database", "failed", type(exc).__name__, None, str(exc), _MEND),)
    if isinstance(seen, RefusedRequest):
        return (unreadable(seen),)
    answers = Check("database", "ok", None, None, "the database answers")
    return (answers, *judge_warehouse(seen, fresh, safeguards, now()))


async def _require_warehouse(pool: asyncpg.Pool, url: str) -> None:
    """Refuse a database that was never migrated.

    Raises: DatabaseError.
    """
    with clear_database_errors():
        if await pool.fetchval(_HAS_LEDGER):
            return
    raise DatabaseError(f"database {address(url)} is not a warehouse yet; run: ops migrate")


@contextmanager
def clear_database_errors() -> Iterator[None]:
    """Turn what the database raises while it is looked at into one line."""
    try:
        yield
    except DATABASE_ERRORS as exc:
        raise DatabaseError(f"the database failed while it was looked at ({type(exc).__name__})") from exc


async def read_seen(pool: asyncpg.Pool, fresh: WatchSettings, folder: Path | None, now: Now) -> Seen | RefusedRequest:
    """Return what a reader sees of the warehouse, or why the database does not tell it.

    `folder` is where backups are, None for unknown.

    Raises: DatabaseError when it goes away in the middle.
    """
    facts = await Watch(fresh).read(Warehouse(Projection(pool), now))
    if isinstance(facts, RefusedRequest):
        return facts
    with clear_database_errors():
        since: dt.datetime | None = await pool.fetchval(_SINCE)
        is_drilling, is_scrubbing = [await lock_is_held(pool, name) for name in (_DRILL_LOCK, _SCRUB_LOCK)]
        is_connected = bool(await pool.fetchval(_SESSIONS_OF, Role.BACKUP.value))
    backup = facts.archive.safeguards.get("backup")
    # A drill connects in the role of backups, too.
    backs_up = (is_connected and not is_drilling) or _is_held(folder, backup)
    at_work = {"backup": backs_up, "drill": is_drilling, "scrub": is_scrubbing}
    return Seen(facts, since, frozenset(kind for kind, is_alive in at_work.items() if is_alive))


def _is_held(folder: Path | None, backup: Safeguard | None) -> bool:
    """Tell whether the folder of an unfinished backup, or the one where backups are, is held for a backup alone."""
    if backup is None or backup.finished_at is not None:
        return False
    places = {folder, None if backup.folder is None else Path(backup.folder)}
    return any(_is_locked(place / ".lock") for place in places if place is not None)


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
