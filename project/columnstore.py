"""Old bars compressed by the database, where it can: on TimescaleDB, by a policy that is part of the generation.

Nothing relies on it: the same bars are read and written over, compressed or not. The policy comes when the generation
is live and its aggregates have read the bars, so that its job meets neither; whoever is killed before leaves it to the
next catch-up. It goes before its generation is dropped, which would have to wait for the job else.
"""

import logging

import asyncpg

from sql import timescale
from sql.errors import JobsRefused

_LOGGER = logging.getLogger("project")


async def compress_old_bars(connection: asyncpg.Connection) -> None:
    """Have the database compress the old bars of the generation that the connection means, soon and from then on."""
    try:
        if await timescale.compress_by_policy(connection):
            _LOGGER.info("project.compression_scheduled")
    except JobsRefused as exc:
        _LOGGER.warning("project.not_compressed", extra={"because": str(exc)})
