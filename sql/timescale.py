"""The one place that knows whether the database is TimescaleDB, and what is different there."""

from typing import Any

import asyncpg

from sql import load_queries
from sql.errors import JobsRefused

_QUERIES = load_queries("timescale.sql")
_CAN_BE_CREATED = _QUERIES["timescale_can_be_created"]
_LOCK = _QUERIES["take_extension_lock"]
_CREATE = _QUERIES["create_timescale"]
_VERSION = _QUERIES["timescale_version"]
_MAKE_HYPERTABLE = _QUERIES["make_hypertable"]
_IS_COMMUNITY = _QUERIES["timescale_is_community"]
_LET_JOBS_RUN = _QUERIES["let_jobs_run"]
_ENABLE_COLUMNSTORE = _QUERIES["enable_columnstore"]
_LACKS_POLICY = _QUERIES["lacks_policy"]
_ADD_POLICY = _QUERIES["add_policy"]
_REMOVE_POLICY = _QUERIES["remove_policy"]
_PREPARE_UPSERTS = _QUERIES["prepare_upserts"]
_GENERATION_BYTES = _QUERIES["generation_bytes"]
_CHUNK_BYTES = _QUERIES["chunk_bytes"]
_COLUMNSTORE_BYTES = _QUERIES["columnstore_bytes"]

_AGGREGATES = load_queries("aggregates.sql")
_MAKE_AGGREGATES = _AGGREGATES["make_aggregates"]
_ARE_MADE = _AGGREGATES["aggregates_are_made"]
_NOTICE_CLIENT = _AGGREGATES["notice_a_client_that_is_gone"]
_REFRESHES = (_AGGREGATES["refresh_week"], _AGGREGATES["refresh_month"])


async def enable_timescale(owner: asyncpg.Connection) -> None:
    """Create the extension in this database where the server has it loaded; do nothing elsewhere."""
    if await owner.fetchval(_CAN_BE_CREATED):
        async with owner.transaction():
            await owner.execute(_LOCK)
            await owner.execute(_CREATE)


async def timescale_version(connection: asyncpg.Connection) -> str | None:
    """Return the version of TimescaleDB in this database, or None on plain PostgreSQL."""
    version: str | None = await connection.fetchval(_VERSION)
    return version


async def make_hypertable(connection: asyncpg.Connection, table: str) -> None:
    """Make a table with a `session` column a hypertable with chunks of a year; do nothing on plain PostgreSQL."""
    if await timescale_version(connection) is not None:
        await connection.execute(_MAKE_HYPERTABLE, table)


async def make_aggregates(connection: asyncpg.Connection) -> None:
    """Make empty continuous aggregates of the hypertable `bar`; do nothing where they cannot be had.

    That is on plain PostgreSQL, and where TimescaleDB is under the Apache licence only.
    """
    if await connection.fetchval(_IS_COMMUNITY):
        await connection.execute(_MAKE_AGGREGATES)


async def refresh_aggregates(connection: asyncpg.Connection) -> bool:
    """Bring the continuous aggregates up to date with their bars, and tell whether there are any.

    TimescaleDB does so in several transactions of its own, so this cannot be part of one.
    """
    if not await connection.fetchval(_ARE_MADE):
        return False
    await connection.execute(_NOTICE_CLIENT)
    for refresh in _REFRESHES:
        await connection.execute(refresh)
    return True


async def let_jobs_run(owner: asyncpg.Connection) -> None:
    """Let TimescaleDB run the jobs of the projector's tables, where there are such and this login may allow it.

    The database must have been migrated: it has the projector's role from then on.
    """
    if await owner.fetchval(_IS_COMMUNITY):
        await owner.execute(_LET_JOBS_RUN)


async def make_columnstore(connection: asyncpg.Connection) -> None:
    """Let chunks of the hypertable `bar` be compressed; do nothing where that cannot be had, as with aggregates."""
    if await connection.fetchval(_IS_COMMUNITY):
        await connection.execute(_ENABLE_COLUMNSTORE)


async def compress_by_policy(connection: asyncpg.Connection) -> bool:
    """Have a job of the database compress chunks of `bar` older than a year, and tell whether it was not so before.

    The first run begins soon after the commit. It does nothing where `bar` has no columnstore.

    Raises: JobsRefused where its owner may not run jobs.
    """
    if not (await connection.fetchval(_IS_COMMUNITY) and await connection.fetchval(_LACKS_POLICY)):
        return False
    try:
        await connection.execute(_ADD_POLICY)
    except asyncpg.InvalidAuthorizationSpecificationError as exc:
        raise JobsRefused(exc.args[0]) from exc
    return True


async def stop_compressing(connection: asyncpg.Connection, table: str) -> None:
    """Take the policy of a table away, if it has one, and cancel its job if that is running."""
    if await connection.fetchval(_IS_COMMUNITY):
        await connection.execute(_REMOVE_POLICY, table)


async def prepare_upserts(connection: asyncpg.Connection) -> None:
    """Let this transaction write as many bars over compressed ones as it has to, and no job compress any meanwhile.

    It comes before the transaction reads bars.
    """
    if await connection.fetchval(_IS_COMMUNITY):
        await connection.execute(_PREPARE_UPSERTS)


async def generation_bytes(connection: asyncpg.Connection) -> dict[str, Any]:
    """Return what the generation that the connection means takes on disk, and what compression has to do with it.

    Units: bytes, with indexes. Of compressed chunks: what they took before and take now, and the ratio of the two, None
    where nothing is compressed yet. Without a columnstore there is only `disk_bytes`.
    """
    disk_bytes = await connection.fetchval(_GENERATION_BYTES)
    if await timescale_version(connection) is not None:
        disk_bytes += await connection.fetchval(_CHUNK_BYTES)
    columnstore = await connection.fetchrow(_COLUMNSTORE_BYTES) if await connection.fetchval(_IS_COMMUNITY) else None
    return {"disk_bytes": disk_bytes} | dict(columnstore or {})
