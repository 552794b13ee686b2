"""What a bench stands on, each in a process of its own: the fake vendor, and an embedded PostgreSQL with warehouses.

It knows how to start and end them, and how much CPU time each has used; it does not know what is measured.
"""

import asyncio
import datetime as dt
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psutil

from sql.connect import open_owner
from sql.embedded import release_embedded, start_embedded
from sql.migrate import migrate

ROOT = Path(__file__).parents[2]
KEY = "bench-key-0123456789"
_FINISH_WITHIN_S = 10.0
# The market of a long folder is one long line of symbols.
_LONGEST_LINE = 2**24


class _Ready(msgspec.Struct, frozen=True):
    url: str
    market: str
    symbols: tuple[str, ...]
    first: dt.date
    last: dt.date


class Vendor(msgspec.Struct, frozen=True):
    """The fake vendor as it runs: where it answers, what it serves, and its process."""

    url: str
    symbols: tuple[str, ...]
    pid: int

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used."""
        return _cpu_s(psutil.Process(self.pid))


@asynccontextmanager
async def fake_vendor(*arguments: str) -> AsyncIterator[Vendor]:
    """Serve a market while the context is open; `arguments` are those of `python -m tests.fake_polygon`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fake_polygon", "--key", KEY, "--exit-with-stdin", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    assert process.stdin
    assert process.stdout
    try:
        ready = msgspec.json.decode(await process.stdout.readline(), type=_Ready)
        yield Vendor(ready.url, ready.symbols, process.pid)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), _FINISH_WITHIN_S)


class Server:
    """An embedded PostgreSQL of this bench alone. Get one from `embedded_server`."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    async def new_warehouse(self) -> str:
        """Return the URL of a fresh, migrated warehouse."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        async with open_owner(self._url) as owner:
            await owner.execute(f"CREATE DATABASE {name}")
        url = urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))
        async with open_owner(url) as owner:
            await migrate(owner)
            # What making it left to be written is not to be written during what is measured.
            await owner.execute("CHECKPOINT")
        return url

    async def drop(self, url: str) -> None:
        """Remove a warehouse."""
        async with open_owner(self._url) as owner:
            await owner.execute(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")

    def cpu_s(self) -> float:
        """Return the CPU seconds of the server and of every backend it has had."""
        postmaster = psutil.Process(self._postmaster)
        ended = postmaster.cpu_times()
        return ended.children_user + ended.children_system + sum(map(_cpu_s, (postmaster, *postmaster.children())))


@contextmanager
def embedded_server() -> Iterator[Server]:
    """Start a PostgreSQL in a folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="warehouse-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        url = start_embedded(folder)
        try:
            yield Server(url, folder)
        finally:
            release_embedded(folder)


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # a backend that ended meanwhile; the postmaster has counted it
        return 0.0
    return float(times.user + times.system)
