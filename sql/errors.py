"""What can go wrong with the database itself.

WarehouseError
├── Misuse                    what a person gave cannot be used: a command leaves with 2 instead of 1
│   └── InvalidSetting        an environment variable has a value that cannot be used
└── DatabaseError
    ├── DatabaseAway          nothing answers at the address
    ├── EmbeddedServerError   the embedded PostgreSQL cannot start in its data folder
    ├── MigrationError        the schema cannot be brought up to date, or its history was edited
    ├── ArchiveGone           the archive's tables were dropped
    ├── NotMigrated           the schema is not up to date, and this login may not bring it there
    └── JobsRefused           TimescaleDB may not run jobs in the projector's name

Every room's error tree hangs under WarehouseError, so that a command can turn it into one clear line.
"""

from pathlib import Path

import asyncpg

CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InternalClientError,  # a query that meets the server's farewell on its way
)
"""What asyncpg raises when the server goes away in the middle of something."""
SERVER_FAILED = (
    asyncpg.InsufficientResourcesError,  # the disk is full
    asyncpg.PostgresSystemError,  # the disk does not read or write
    asyncpg.InternalServerError,  # a page fails its checksum
)
"""What asyncpg raises when the server cannot do its work, whatever it is asked for."""
_AFTER_THE_LOSS = ("connection is closed", "connection has been released back to the pool")


def is_connection_lost(exc: BaseException) -> bool:
    """Tell whether an exception says that the server went away: when it did so, or to whoever came a moment later."""
    if isinstance(exc, asyncpg.InterfaceError):
        return any(words in str(exc) for words in _AFTER_THE_LOSS)
    return isinstance(exc, (*CONNECTION_LOST, ConnectionError))


class WarehouseError(Exception):
    """The root of every error this software raises on purpose; its message is one clear line."""


class Misuse(WarehouseError):
    """What a person gave (a setting, a file, an argument) cannot be used; nothing was tried."""


class DatabaseError(WarehouseError):
    """The base of this room's errors."""


class DatabaseAway(DatabaseError):
    """Nothing answers at the database's address; `address` has no password in it."""

    def __init__(self, address: str) -> None:
        super().__init__(f"database {address} cannot be reached; is it running, and is DATABASE_URL right?")
        self.address = address


class EmbeddedServerError(DatabaseError):
    """The embedded PostgreSQL cannot run in `folder`; the message says why and what to do."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"embedded PostgreSQL in {folder}: {why}")
        self.folder = folder


class MigrationError(DatabaseError):
    """A migration cannot be applied, or an applied one was edited; `migration` is its file name."""

    def __init__(self, migration: str, why: str) -> None:
        super().__init__(f"migration {migration}: {why}")
        self.migration = migration


class ArchiveGone(DatabaseError):
    """The migrations are recorded and the archive is not there: somebody dropped it."""

    def __init__(self) -> None:
        super().__init__(
            "the database's migrations are recorded and schema archive, or its tables, are gone: restore a backup into "
            "a new database (`ops restore DIR`), and let DATABASE_URL or WAREHOUSE_DATA name that"
        )


class NotMigrated(DatabaseError):
    """The database lacks something, and the login of its URL may not add it; `why` is the server's word."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the database is not up to date, and the login of its URL may not bring it there ({why}): "
            "run `ops migrate` as its owner"
        )
        self.why = why


class JobsRefused(DatabaseError):
    """TimescaleDB may not run jobs in the projector's name; `why` is the server's word."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"TimescaleDB may not compress old bars by itself ({why}): run `ops migrate` as a superuser, or as who may "
            "alter the role warehouse_project"
        )
        self.why = why


class InvalidSetting(Misuse):
    """A setting of the environment cannot be used; `name` is the variable."""

    def __init__(self, name: str, value: str, bound: str) -> None:
        super().__init__(f"setting {name} is {value!r}: {bound}")
        self.name, self.value = name, value
