"""The one place that knows whether the database is TimescaleDB, and what is different there."""

import asyncpg

from sql import load_queries

_QUERIES = load_queries("timescale.sql")
_CAN_BE_CREATED = _QUERIES["timescale_can_be_created"]
_LOCK = _QUERIES["take_extension_lock"]
_CREATE = _QUERIES["create_timescale"]
_VERSION = _QUERIES["timescale_version"]
_MAKE_HYPERTABLE = _QUERIES["make_hypertable"]
_CAN_AGGREGATE = _QUERIES["timescale_can_aggregate"]

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
    if await connection.fetchval(_CAN_AGGREGATE):
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
