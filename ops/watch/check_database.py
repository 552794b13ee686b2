"""Whether the database is one that the warehouse can live in: its version, its extension, its jobs, its disk."""

from pathlib import Path

import asyncpg
import msgspec

from api.watch.check import Check
from ops.watch.check_disk import check_disk, disk_elsewhere
from sql import load_queries
from sql.connect import address
from sql.settings import DatabaseSettings
from sql.timescale import timescale_version

_QUERIES = load_queries("ops_watch.sql")
_FACTS, _DATA_DIRECTORY = _QUERIES["server_facts"], _QUERIES["data_directory"]
_FAILED_JOBS, _WORKERS = _QUERIES["failed_jobs"], _QUERIES["workers"]

OLDEST_MAJOR = 15
BAD_PAIRINGS = {("2.28.3", "15.20"): "marks background jobs failed that were not"}
"""Versions of TimescaleDB and PostgreSQL that do not go together, and what goes wrong."""


class Workers(msgspec.Struct, frozen=True):
    """How many worker processes a server has, how many TimescaleDB may take, and of how many `databases` it looks."""

    processes: int
    of_timescale: int
    databases: int

    @property
    def needed(self) -> int:
        """Return how many it takes for all that TimescaleDB may start: its launcher, a scheduler each, and jobs."""
        return self.of_timescale + 1 + self.databases


class Server(msgspec.Struct, frozen=True):
    """The server of a connection. `login` is the user of the connection; `clock_ahead_s` is in seconds."""

    version: str
    login: str
    clock_ahead_s: float
    replication_role: str
    database_bytes: int
    is_durable: bool
    is_local: bool
    data_directory: Path | None
    timescale: str | None
    failed_jobs: tuple[str, ...]
    workers: Workers | None = None


async def read_server(connection: asyncpg.Connection, clock_ahead_s: float) -> Server:
    """Return what the server tells of itself."""
    row = await connection.fetchrow(_FACTS)
    folder = await connection.fetchval(_DATA_DIRECTORY)
    timescale = await timescale_version(connection)
    jobs = await connection.fetch(_FAILED_JOBS) if timescale is not None else []
    workers = await connection.fetchrow(_WORKERS) if timescale is not None else None
    found = connection.get_server_version()
    return Server(
        version=f"{found.major}.{found.micro}",
        login=row["login"],
        clock_ahead_s=clock_ahead_s,
        replication_role=row["replication_role"],
        database_bytes=row["database_bytes"],
        is_durable=row["is_durable"],
        is_local=row["is_local"],
        data_directory=None if folder is None else Path(folder),
        timescale=timescale,
        failed_jobs=tuple(f"{job['name']} ({job['total_failures']:,} times)" for job in jobs),
        workers=None if workers is None or workers["of_timescale"] is None else Workers(**workers),
    )


def check_server(server: Server, url: str) -> list[Check]:
    """Judge versions and jobs; a server that is too old does not come here."""
    found = f"PostgreSQL {server.version} at {address(url)} answers"
    checks = [Check("database", "ok", server.version, OLDEST_MAJOR, found)]
    if not server.is_durable:
        lost = f"{found}; a power cut would lose or spoil what it has said is stored (fsync or full_page_writes is off)"
        checks = [Check("database", "failed", server.version, OLDEST_MAJOR, lost, "set both on, and restart it")]
    if server.timescale is not None:
        checks.append(_check_timescale(server, server.timescale))
    return checks


def _check_timescale(server: Server, timescale: str) -> Check:
    name, workers = f"TimescaleDB {timescale}", server.workers
    pairing = BAD_PAIRINGS.get((timescale, server.version))
    if pairing is not None:
        found = f"{name} with PostgreSQL {server.version} {pairing}"
        return Check("timescaledb", "warn", timescale, None, found, "update the extension: ALTER EXTENSION … UPDATE")
    if workers is not None and workers.processes < workers.needed:
        found = (
            f"{name} may start {workers.of_timescale} workers beside a launcher, and {workers.databases} databases "
            f"take one each; the server has {workers.processes} in all, so that jobs may not start"
        )
        todo = f"set max_worker_processes = {workers.needed}, or a smaller timescaledb.max_background_workers; restart"
        return Check("timescaledb", "warn", workers.processes, workers.needed, found, todo)
    if server.failed_jobs:
        found = f"{name}: background jobs failed when they last ran: {', '.join(server.failed_jobs)}"
        todo = "see timescaledb_information.job_errors"
        return Check("timescaledb", "warn", timescale, None, found, todo)
    return Check("timescaledb", "ok", timescale, None, f"{name}: no background job failed when it last ran")


def check_database_disk(settings: DatabaseSettings, server: Server | None) -> Check:
    """Judge the room where the database keeps its data; `server` is None where it does not answer."""
    if settings.url is None:
        return check_disk(settings.folder, None if server is None else server.database_bytes)
    folder = None if server is None or not server.is_local else server.data_directory
    try:
        is_here = folder is not None and folder.exists()
    except OSError:
        is_here = False
    if folder is None or server is None or not is_here:
        return disk_elsewhere()
    return check_disk(folder, server.database_bytes)
