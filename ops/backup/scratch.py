"""A database for a drill to restore into, gone when the drill is over: however that ends, SIGKILL aside.

It is a new database on the server of the live one, where the login may make one, or else an embedded server of its own
in a temporary folder. What a drill that was killed left behind is swept by the next one. It knows nothing of what is
restored.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from ops.backup.restore_errors import NoRoomForDrill, ScratchRefused
from sql import load_queries
from sql.connect import open_owner
from sql.embedded import release_embedded, start_embedded
from sql.migrate import migrate
from sql.timescale import enable_timescale

_QUERIES = load_queries("drill.sql")
_MAY_MAKE = _QUERIES["may_make_databases"]
_PREFIX = _QUERIES["scratch_prefix"]
_NAMED = _QUERIES["databases_named"]
_DATA_DIRECTORY = load_queries("ops_watch.sql")["data_directory"]
_CREATE, _DROP = _QUERIES["create_database_statement"], _QUERIES["drop_database_statement"]

_FOLDERS = "warehouse-drill-"
_IN_USE = ".in-use"
_STOP_WITHIN_S = 20.0


class Place(StrEnum):
    """Where a scratch database is made."""

    SERVER = "server"
    EMBEDDED = "embedded"


@asynccontextmanager
async def scratch_database(
    live: asyncpg.Connection, live_url: str, place: Place | None, needed_bytes: int
) -> AsyncIterator[tuple[str, Place]]:
    """Yield the URL of a migrated, empty database and where it is; None as a place takes the server where it may.

    `live` is a connection to the live database as its own user, and the only one that has a scratch database of it.
    `needed_bytes` must be free where the database will be; of a server elsewhere nobody here can tell.

    Raises: NoRoomForDrill, ScratchRefused.
    """
    await _sweep_databases(live)
    await asyncio.to_thread(_sweep_folders)
    if place is None:
        place = Place.SERVER if await live.fetchval(_MAY_MAKE) else Place.EMBEDDED
    if place is Place.SERVER:
        _require_room(await live.fetchval(_DATA_DIRECTORY), needed_bytes, "--scratch embedded")
        made = _on_the_server(live, live_url)
    else:
        _require_room(tempfile.gettempdir(), needed_bytes, "TMPDIR set to another folder")
        made = _embedded()
    async with made as url:
        async with open_owner(url) as owner:
            await enable_timescale(owner)
            await migrate(owner)
        yield url, place


@asynccontextmanager
async def _on_the_server(live: asyncpg.Connection, live_url: str) -> AsyncIterator[str]:
    name = f"{await live.fetchval(_PREFIX)}{uuid.uuid4().hex[:8]}"
    try:
        try:
            await live.execute(await live.fetchval(_CREATE, name))
        except asyncpg.PostgresError as exc:
            raise ScratchRefused(name, exc.args[0]) from exc
        yield urlunsplit(urlsplit(live_url)._replace(path=f"/{name}"))
    finally:
        # Also where this was stopped while the database was being made: the server may have made it all the same.
        await live.execute(await live.fetchval(_DROP, name))


async def _sweep_databases(live: asyncpg.Connection) -> None:
    """Drop the scratch databases of this database that drills before left."""
    for row in await live.fetch(_NAMED, await live.fetchval(_PREFIX)):
        # Another login's cannot be dropped by this one, and is in nobody's way.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await live.execute(await live.fetchval(_DROP, row["datname"]))


@asynccontextmanager
async def _embedded() -> AsyncIterator[str]:
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS))
    with (folder / _IN_USE).open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        starting = asyncio.ensure_future(asyncio.to_thread(start_embedded, folder))
        try:
            yield await asyncio.shield(starting)
        finally:
            await asyncio.wait([starting])  # whoever is stopped meanwhile must not leave a server behind
            release_embedded(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _require_room(folder: str | None, needed_bytes: int, instead: str) -> None:
    """Refuse a folder of this machine with too little space: the disk may be the one that the live database is on."""
    try:
        free = shutil.disk_usage(folder or "").free
    except OSError:  # of another machine, or hidden from this user
        return
    if free < needed_bytes:
        raise NoRoomForDrill(str(folder), needed_bytes, free, instead)


def _sweep_folders() -> None:
    """Stop the embedded servers of drills that were killed, and remove their folders."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        with suppress(OSError), (folder / _IN_USE).open() as mark:
            if folder.stat().st_uid == os.getuid():
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop_servers(folder / "postgres")
                shutil.rmtree(folder, ignore_errors=True)


def _stop_servers(cluster: Path) -> None:
    """End every process of PostgreSQL that works in `cluster`; nothing there is worth a checkpoint."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name().startswith("postgres") and process.cwd() == str(cluster):
                process.send_signal(signal.SIGQUIT)
                found.append(process)
    psutil.wait_procs(found, timeout=_STOP_WITHIN_S)
