"""Bring a database up to date: numbered migrations, each applied once, in order, under a lock, with its checksum.

The projection is not migrated: it is disposable, and a new shape is a new generation (see generation.sql).
"""

import hashlib
import re
from pathlib import Path

import asyncpg
import msgspec

from sql import ROOM, load_queries
from sql.errors import ArchiveGone, MigrationError, NotMigrated

_QUERIES = load_queries("migrate.sql")
_LOCK = _QUERIES["take_migration_lock"]
_CREATE_LEDGER = _QUERIES["create_ledger"]
_HAS_LEDGER = _QUERIES["has_ledger"]
_HAS_ARCHIVE = _QUERIES["has_archive"]
_APPLIED = _QUERIES["applied_migrations"]
_RECORD = _QUERIES["record_migration"]
_MAY_CREATE = _QUERIES["projector_may_create"]
_LET_CREATE = _QUERIES["let_projector_create"]
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema's history: its number, file name, full text and the SHA-256 of that text."""

    number: int
    name: str
    text: str
    checksum: str


def read_migrations(folder: Path = ROOM / "migrations") -> list[Migration]:
    """Return the migrations of a folder in order.

    Raises: MigrationError for a name that is not NNNN_verb_noun.sql, or a number that is missing or stands twice.
    """
    migrations = []
    for expected, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(path.name, "its name is not of the form NNNN_verb_noun.sql")
        if int(match[1]) != expected:
            raise MigrationError(path.name, f"its number should be {expected:04d}")
        text = path.read_text()
        migrations.append(Migration(expected, path.name, text, hashlib.sha256(text.encode()).hexdigest()))
    return migrations


async def migrate(connection: asyncpg.Connection, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing and return the names of what was applied; safe to run again, and by several at once.

    A login without the owner's rights finds a database that is up to date to be so.

    Raises: MigrationError when an applied migration was edited or is unknown here, or when one fails; each migration
    is one transaction, so a failed one leaves nothing behind. NotMigrated when something is missing and this
    connection's user may not add it. ArchiveGone when it was applied and somebody dropped the archive.
    """
    wanted = read_migrations() if migrations is None else migrations
    try:
        return await _migrate(connection, wanted)
    except asyncpg.InsufficientPrivilegeError as exc:
        raise NotMigrated(exc.args[0]) from exc


async def _migrate(connection: asyncpg.Connection, wanted: list[Migration]) -> list[str]:
    applied_now = []
    for migration in await _missing(connection, wanted):
        async with connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute(_CREATE_LEDGER)
            # Another process may have applied it while this one waited for the lock.
            if migration in await _missing(connection, wanted):
                await _apply(connection, migration)
                applied_now.append(migration.name)
    if not await connection.fetchval(_MAY_CREATE):
        async with connection.transaction():
            await connection.execute(_LOCK)  # PostgreSQL refuses two grants on one object at the same moment
            await connection.execute(_LET_CREATE)
    return applied_now


async def _missing(connection: asyncpg.Connection, wanted: list[Migration]) -> list[Migration]:
    if not await connection.fetchval(_HAS_LEDGER):
        return wanted
    applied = {row["number"]: row for row in await connection.fetch(_APPLIED)}
    _require_same_history(applied, wanted)
    if applied and not await connection.fetchval(_HAS_ARCHIVE):
        raise ArchiveGone
    return [migration for migration in wanted if migration.number not in applied]


def _require_same_history(applied: dict[int, asyncpg.Record], wanted: list[Migration]) -> None:
    known = {migration.number: migration for migration in wanted}
    for number, row in applied.items():
        if number not in known:
            raise MigrationError(row["name"], "the database has it and this software does not; it is too old")
        if row["checksum"] != known[number].checksum:
            raise MigrationError(row["name"], "its text was edited after it was applied; add a new one instead")


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.text)
    except asyncpg.PostgresError as exc:
        raise MigrationError(migration.name, f"the database refuses it: {exc}") from exc
    await connection.execute(_RECORD, migration.number, migration.name, migration.checksum)
