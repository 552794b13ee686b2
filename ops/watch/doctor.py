"""The doctor: everything the warehouse needs, looked at one by one; what cannot be looked at keeps nothing else back.

It changes nothing, but for one answer of the vendor, which is archived, sealed and projected like any other.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import asyncpg
import msgspec

from api.access.store import any_key_in_force
from api.errors import RefusedRequest
from api.settings import ApiSettings, is_loopback
from api.watch.check import Check
from api.watch.facts import ProjectionFacts
from api.watch.patience import DATABASE_ERRORS
from api.watch.ready import check_migrations
from api.watch.settings import WatchSettings
from archive.calendar import calendar_version
from ingest.patience import Patience
from ops.watch.check_backups import check_backup_folder
from ops.watch.check_chain import check_chain
from ops.watch.check_clock import check_clock
from ops.watch.check_database import Server, check_database_disk, check_server, read_server
from ops.watch.check_disk import check_backup_disk
from ops.watch.check_roles import can_take, check_append_only, check_roles
from ops.watch.check_settings import Settings, check_alerts, read_settings
from ops.watch.check_vendor import PATIENCE, Asked, ask_vendor, check_without_asking
from ops.watch.judge import Seen, judge_warehouse, unreadable
from ops.watch.look import read_seen
from ops.watch.settings import SafeguardSettings
from sql import load_queries
from sql.connect import Role, database_url, open_owner, open_pool
from sql.errors import DatabaseError, InvalidSetting

_ORDER = (
    *("settings", "vendor_key", "clock", "disk", "backup_disk", "database", "timescaledb", "migrations", "roles"),
    *("append_only", "chain", "projection", "calendar", "sessions", "projector", "nightly", "backup", "drill", "scrub"),
    *("backup_folder", "api_keys", "alerts"),
)
_CLOCK = load_queries("ops_watch.sql")["server_clock"]
_WITHIN_S = 60.0
_YEAR = dt.timedelta(days=365)

Now = Callable[[], dt.datetime]
Project = Callable[[], Awaitable[str | None]]
T = TypeVar("T")


class _Visit(msgspec.Struct, frozen=True):
    """What was learned of the database: its URL, its server and what a reader sees, None where it could not be."""

    url: str | None = None
    server: Server | None = None
    seen: Seen | None = None


async def examine(
    now: Now,
    *,
    offline: bool,
    project: Project,
    environ: Mapping[str, str] = os.environ,
    patience: Patience = PATIENCE,
) -> list[Check]:
    """Return every check that can be made.

    `offline` asks the vendor nothing. `project` brings the projection up to date with the vendor's answer, and returns
    why it could not; it is called only where nothing else waited.
    """
    settings, checks = read_settings(environ)
    visit, of_database = await _visit_database(settings, now)
    checks += of_database
    asked = await _ask(settings, visit, now, offline=offline, project=project, patience=patience)
    if asked is not None:
        checks.append(asked.check)
    checks.append(
        check_clock(
            None if visit.server is None else visit.server.clock_ahead_s, None if asked is None else asked.response
        )
    )
    if visit.url is not None and visit.seen is not None:
        checks += await _tried("chain", _check_end_of_chain(visit.url, visit.seen))
    checks += _check_places(settings, visit, now())
    return sorted(checks, key=lambda check: _ORDER.index(check.name))


async def _visit_database(settings: Settings, now: Now) -> tuple[_Visit, list[Check]]:
    """Return what the database told, and the checks of it."""
    if settings.database is None:
        return _Visit(), []
    try:
        url = await asyncio.to_thread(database_url, settings.database)
        async with open_owner(url) as owner:
            server = await read_server(owner, await _clock_ahead_s(owner, now))
            checks = [*check_server(server, url), *await _check_schema(owner, server)]
            may_read = await can_take(owner, Role.READ)
    except (DatabaseError, *DATABASE_ERRORS) as exc:
        found = str(exc) if isinstance(exc, DatabaseError) else f"the database failed: {type(exc).__name__}"
        todo = "start it, or see its log; what is in it was not looked at"
        return _Visit(), [Check("database", "failed", type(exc).__name__, None, found, todo)]
    if not any(check.name == "append_only" for check in checks):  # no warehouse is here yet
        return _Visit(url, server), checks
    if not may_read:
        found = f"not looked at: the login {server.login} cannot act as {Role.READ}"
        todo = "run this as the login that owns the warehouse"
        return _Visit(url, server), [*checks, Check("projection", "warn", None, None, found, todo)]
    seen, of_reader = await _see(url, settings, now)
    return _Visit(url, server, seen), checks + of_reader


async def _check_schema(owner: asyncpg.Connection, server: Server) -> list[Check]:
    """Return the checks of roles and migrations; that the archive is append-only, too, where there is one."""
    roles = await check_roles(owner, server.login)
    try:
        migrations = await check_migrations(owner)
    except asyncpg.InsufficientPrivilegeError:
        found = f"not looked at: the login {server.login} may not see them"
        return [roles, Check("migrations", "warn", None, None, found, "run this as the login that owns the warehouse")]
    if migrations.value is None:
        return [roles, migrations]
    return [roles, migrations, await check_append_only(owner, server)]


async def _clock_ahead_s(connection: asyncpg.Connection, now: Now) -> float:
    """Return how far the server's clock is ahead of ours, in seconds."""
    before = now()
    told: dt.datetime = await connection.fetchval(_CLOCK)
    return (told - before - (now() - before) / 2).total_seconds()


async def _see(url: str, settings: Settings, now: Now) -> tuple[Seen | None, list[Check]]:
    """Return what a reader sees, and the judgement of it."""
    fresh, safeguards = settings.fresh or WatchSettings(), settings.safeguards or SafeguardSettings()
    try:
        async with open_pool(url, Role.READ, size=2) as pool:
            seen = await read_seen(pool, fresh, safeguards.folder, now)
            keys = [] if settings.api is None else [await _check_keys(pool, settings.api)]
    except (DatabaseError, *DATABASE_ERRORS) as exc:
        found = f"it cannot be read: {exc if isinstance(exc, DatabaseError) else type(exc).__name__}"
        return None, [Check("projection", "failed", type(exc).__name__, None, found, "see the log of the database")]
    if isinstance(seen, RefusedRequest):
        return None, [msgspec.structs.replace(unreadable(seen), name="projection"), *keys]
    judged = judge_warehouse(seen, fresh, safeguards, now())
    return seen, [*(_looked_ahead(check, seen, now()) for check in judged), *keys]


def _looked_ahead(check: Check, seen: Seen, now: dt.datetime) -> Check:
    """Return a check of the calendar that also looks at what is still to come; another one as it is."""
    projection = seen.facts.projection
    if check.name != "calendar" or check.status != "ok" or not isinstance(projection, ProjectionFacts):
        return check
    todo = "update this software and run: project --rebuild"
    if projection.generation.calendar_version != calendar_version():
        found = (
            f"the projection has the calendar {projection.generation.calendar_version}, here is {calendar_version()}"
        )
        return Check("calendar", "failed", check.value, calendar_version(), found, "run: project --rebuild")
    bound = (now + _YEAR).date().isoformat()
    if str(check.value) < bound:
        todo = "update this software and run: project --rebuild"
        return Check("calendar", "warn", check.value, bound, check.message, todo)
    return msgspec.structs.replace(check, bound=bound)


async def _check_keys(pool: asyncpg.Pool, api: ApiSettings) -> Check:
    try:
        is_open = is_loopback(api) and not api.require_keys
    except InvalidSetting as exc:
        return Check("api_keys", "failed", None, None, str(exc), "set API_HOST to an address of this machine")
    async with pool.acquire() as connection:
        has_key = await any_key_in_force(connection)
    if has_key or is_open:
        found = "a key is in force" if has_key else f"none is needed: only this machine reaches {api.host}"
        return Check("api_keys", "ok", None, None, found)
    found = f"keys are asked for at {api.host} and none is in force, so the API does not start"
    return Check("api_keys", "failed", 0, 1, found, "run: api keys create NAME")


async def _ask(
    settings: Settings, visit: _Visit, now: Now, *, offline: bool, project: Project, patience: Patience
) -> Asked | None:
    """Return what came of asking the vendor, None where the settings for it cannot be used."""
    if settings.ingest is None:
        return None
    if offline:
        return Asked(check_without_asking(settings.ingest, "--offline"))
    if visit.url is None or visit.seen is None:
        return Asked(check_without_asking(settings.ingest, "its answer could not be archived and projected"))
    asked = await ask_vendor(visit.url, settings.ingest, now, patience)
    facts = visit.seen.facts
    was_current = isinstance(facts.projection, ProjectionFacts) and facts.checkpoint == facts.archive.head
    if asked.response is None or not was_current:
        return asked
    # Else /fresh would soon say that the answer waits to be projected.
    why = await project()
    if why is None:
        return asked
    found = f"{asked.check.message}; the answer waits to be projected: {why}"
    level = "warn" if asked.check.status == "ok" else asked.check.status
    check = msgspec.structs.replace(asked.check, status=level, message=found, todo=asked.check.todo or "run: project")
    return Asked(check, asked.response)


async def _check_end_of_chain(url: str, seen: Seen) -> list[Check]:
    async with open_pool(url, Role.READ, size=1) as pool:
        return [await check_chain(pool, is_fetching=seen.facts.archive.is_fetching)]


async def _tried(name: str, job: Awaitable[list[Check]]) -> list[Check]:
    """Return what a job finds, or that it could not look."""
    try:
        return await asyncio.wait_for(job, _WITHIN_S)
    except (DatabaseError, *DATABASE_ERRORS) as exc:
        return [Check(name, "failed", None, None, f"it cannot be looked at ({type(exc).__name__})", "see its log")]


def _check_places(settings: Settings, visit: _Visit, now: dt.datetime) -> list[Check]:
    """Return the checks of what is beside the database: disks, the folder of backups, who hears of trouble."""
    checks = [] if settings.database is None else [check_database_disk(settings.database, visit.server)]
    safeguards = settings.safeguards
    if safeguards is not None and safeguards.folder is not None:
        checks.append(check_backup_disk(safeguards.folder))
        last = None if visit.seen is None else visit.seen.facts.archive.safeguards.get("backup")
        is_new = visit.seen is not None and (last is None or last.passed_at is None)
        checks.append(check_backup_folder(safeguards.folder, last, safeguards.backup_max_age, now, is_new=is_new))
    if settings.alert is not None:
        checks.append(check_alerts(settings.alert))
    return checks
