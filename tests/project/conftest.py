"""What the tests of the projection share: an archive that can be emptied, which only a test may do."""

from collections.abc import Awaitable, Callable

import pytest

from sql.connect import open_owner

Empty = Callable[[], Awaitable[None]]

# Schemas go first, while triggers are still on: TimescaleDB learns by one that its hypertables are gone.
_EMPTY = """
    DROP SCHEMA IF EXISTS projection CASCADE;
    DROP SCHEMA IF EXISTS projection_next CASCADE;
    DROP SCHEMA IF EXISTS projection_previous CASCADE;
    SET LOCAL session_replication_role = replica;
    TRUNCATE archive.payload, archive.seal, archive.assessment, archive.run, archive.ruleset CASCADE;
"""


@pytest.fixture
def empty(database_url: str) -> Empty:
    """Return a function that takes the warehouse back to its beginning, so that examples do not meet."""

    async def run() -> None:
        async with open_owner(database_url) as owner, owner.transaction():
            await owner.execute(_EMPTY)

    return run
