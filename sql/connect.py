"""One pool of connections to the warehouse, in the role that the job needs and no stronger one.

Sessions speak UTC. `DATABASE_URL` names any PostgreSQL ≥ 15; where it is unset, the embedded server is started.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from urllib.parse import urlsplit

import asyncpg
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from sql.embedded import start_embedded
from sql.errors import DatabaseAway, DatabaseError
from sql.settings import DatabaseSettings

_OLDEST_MAJOR = 15
_CONNECT_TIMEOUT_S = 10.0
_STARTS_WITHIN_S, _LOOK_AGAIN_S = 30.0, 0.2
_LOOKS_AFTER_CLIENT = "client_connection_check_interval"
# Who holds locks and is killed, or whose machine is gone, must not hold them until a long statement has ended, or TCP
# has lost its patience. Units: as PostgreSQL reads them, milliseconds and seconds.
_NOTICES_A_LOST_CLIENT = {
    _LOOKS_AFTER_CLIENT: "250",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# What is said to be archived is on disk, however the server is tuned.
_DURABLE = {"synchronous_commit": "on"}
_UNREADABLE_URL = (
    "DATABASE_URL cannot be read as postgresql://user:password@host:port/database?option=value; "
    "in a password, characters such as @ : / % are written %40 %3A %2F %25"
)


class Role(StrEnum):
    """The roles of the warehouse (see roles.sql): each may do one job."""

    INGEST = "warehouse_ingest"
    PROJECT = "warehouse_project"
    READ = "warehouse_read"
    ACCESS = "warehouse_access"
    BACKUP = "warehouse_backup"


_LOCKING = (Role.INGEST, Role.PROJECT, Role.BACKUP)


def database_url(settings: DatabaseSettings) -> str:
    """Return the URL to connect to, starting the embedded server where no URL is set.

    Raises: EmbeddedServerError.
    """
    return settings.url or start_embedded(settings.folder)


def address(url: str) -> str:
    """Return host, port and database of a URL, without user and password: fit for a message."""
    parts = urlsplit(url)
    place = (parts.netloc + parts.path).rpartition("@")[2]
    return place if place and not place.startswith("/") else f"local socket{place}"


@asynccontextmanager
async def open_pool(
    url: str, role: Role, *, size: int = 4, statement_timeout_s: float | None = None, repeats: bool = False
) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool whose every session acts in `role`, speaks UTC and undoes its changes when it breaks.

    With `repeats` the pool is for few statements that are sent over and over, each by itself: a session is not reset
    when it comes back, which takes a statement of its own, and a statement is planned once for all its parameters.
    A session in a role that takes locks ends soon after its client does, even within a statement, where the server's
    platform can tell.

    Raises: DatabaseAway; DatabaseError for a database that was never migrated.
    """
    server_settings = {"timezone": "UTC", "role": role.value, "application_name": role.value}
    if statement_timeout_s is not None:
        server_settings["statement_timeout"] = str(int(statement_timeout_s * 1000))
    if repeats:
        server_settings["plan_cache_mode"] = "force_generic_plan"
    if role in _LOCKING:
        server_settings |= _NOTICES_A_LOST_CLIENT | _DURABLE
    with _clear_errors(url):
        try:
            pool = await _create_pool(url, size, server_settings, repeats)
        except asyncpg.InvalidParameterValueError as exc:
            if _LOOKS_AFTER_CLIENT not in str(exc):
                raise
            # A server on Windows cannot tell.
            del server_settings[_LOOKS_AFTER_CLIENT]
            pool = await _create_pool(url, size, server_settings, repeats)
    try:
        yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def open_owner(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yield one connection as the URL's own user: for migrations, or to take on a weaker role at once.

    A server that is starting, or replays its log after a crash, is waited for.

    Raises: DatabaseAway; DatabaseError for a server older than PostgreSQL 15.
    """
    with _clear_errors(url):
        connection = await _connect(url)
    try:
        major = connection.get_server_version().major
        if major < _OLDEST_MAJOR:
            raise DatabaseError(f"database {address(url)} is PostgreSQL {major}; {_OLDEST_MAJOR} or newer is needed")
        await _end_with_connection(connection)
        yield connection
    finally:
        await connection.close()


@retry(
    retry=retry_if_exception_type(asyncpg.CannotConnectNowError),
    wait=wait_fixed(_LOOK_AGAIN_S),
    stop=stop_after_delay(_STARTS_WITHIN_S),
    reraise=True,
)
async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S, server_settings={"timezone": "UTC"})


async def _create_pool(url: str, size: int, server_settings: dict[str, str], repeats: bool) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=_CONNECT_TIMEOUT_S,
        server_settings=server_settings,
        reset=_leave if repeats else None,
        init=_end_with_connection,
    )


async def _end_with_connection(connection: asyncpg.Connection) -> None:
    """Let whoever writes to a connection that is lost be told so.

    A COPY or an executemany waits until the server has read what was sent. asyncpg 0.32 does not wake it when the
    server is gone by then, and it would wait for ever.
    """
    protocol = connection._protocol
    connection.add_termination_listener(lambda _: protocol.resume_writing())


async def _leave(connection: object) -> None:
    """Leave a session as it is."""


@contextmanager
def _clear_errors(url: str) -> Iterator[None]:
    """Turn what asyncpg raises when it cannot connect into this room's errors."""
    try:
        yield
    except asyncpg.InvalidParameterValueError as exc:
        raise DatabaseError(f"database {address(url)} is not a warehouse yet: {exc.args[0]}") from exc
    except asyncpg.CannotConnectNowError as exc:
        raise DatabaseAway(address(url)) from exc
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as exc:
        raise DatabaseError(f"database {address(url)} refuses the user or password of DATABASE_URL") from exc
    except asyncpg.InsufficientPrivilegeError as exc:
        raise DatabaseError(
            f"database {address(url)} refuses the login of its URL: {exc.args[0]}; `ops logins` says what each may do"
        ) from exc
    except asyncpg.InvalidCatalogNameError as exc:
        raise DatabaseError(f"database {address(url)} does not exist") from exc
    except asyncpg.PostgresError as exc:
        raise DatabaseError(f"database {address(url)} refuses the session: {exc.args[0]}") from exc
    except (ValueError, asyncpg.InterfaceError) as exc:
        # What could not be read may be a piece of the password, so neither it nor the reason is shown.
        raise DatabaseError(_UNREADABLE_URL) from exc
    except (OSError, TimeoutError) as exc:
        raise DatabaseAway(address(url)) from exc


async def _close(pool: asyncpg.Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout=_CONNECT_TIMEOUT_S)
    except TimeoutError:
        pool.terminate()
