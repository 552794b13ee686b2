"""Backups in tests: a small archive that grows, a clock that is set, and backups of them in the role of backups."""

import datetime as dt
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec

from archive.payload import Response
from ops.backup.folder import list_backups, read_backup
from ops.backup.make import Made, Wanted, make_backup
from ops.backup.manifest import Backup
from project.rebuild import catch_up_or_build
from sql.connect import Role, open_pool
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import small_ruleset

START = dt.datetime(2026, 11, 22, 3, tzinfo=dt.UTC)
WANTED = Wanted(key=None, projection=True, keep=12, keep_projections=3)
SESSION = dt.date(2024, 6, 28)
NOISE_BYTES = 20_000


class Clock:
    """A clock that stands still until it is set, and then goes on by a week with each backup."""

    def __init__(self) -> None:
        self.instant = START

    def __call__(self) -> dt.datetime:
        return self.instant

    def next_week(self) -> None:
        """Let a week pass."""
        self.instant += dt.timedelta(days=7)


class Warehouse:
    """A warehouse to back up, and the folder to back it up into."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.clock = url, folder, Clock()
        self.held = 0

    async def archive(self, count: int, *, noise: bool = False) -> None:
        """Append answers: a bar each or, as `noise`, bytes that do not compress and are projected to nothing."""
        more = range(self.held + 1, self.held + count + 1)
        self.held += count
        async with open_pool(self.url, Role.INGEST) as pool:
            await archive_all(pool, [_noise(n) if noise else _answer(n) for n in more])

    async def project(self) -> None:
        """Bring the projection up to date."""
        async with open_pool(self.url, Role.PROJECT) as pool:
            await catch_up_or_build(pool, small_ruleset(), self.clock)

    async def back_up(self, *, free: Callable[[Path], int] = lambda folder: 10**12, **changes: object) -> Made:
        """Make a backup, a week after the last."""
        wanted = msgspec.structs.replace(WANTED, **changes)
        self.clock.next_week()
        async with open_pool(self.url, Role.BACKUP) as pool:
            return await make_backup(pool, self.folder, wanted, self.clock, free=free)

    def backups(self) -> list[Backup]:
        """Return the backups of the folder."""
        return [read_backup(home) for home in list_backups(self.folder)]

    async def results(self) -> list[dict[str, object]]:
        """Return what the run ledger says of backups, the newest last."""
        async with open_pool(self.url, Role.READ) as pool:
            rows = await pool.fetch(
                "SELECT detail FROM archive.run WHERE kind = 'backup' AND phase = 'finished' ORDER BY at"
            )
        return [msgspec.json.decode(row["detail"]) for row in rows]


def flip(path: Path, at: int) -> None:
    """Flip a bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def files_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every file of a folder: whether it was written anew shows there."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def coreutils_agree(folder: Path, backup: Backup) -> bool:
    """Tell whether `sha256sum -c SHA256SUMS` finds a backup whole."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=folder / "backups" / backup.name,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


async def rows_of(pool: asyncpg.Pool, table: str) -> list[tuple[object, ...]]:
    """Return all rows of a table of the archive."""
    return sorted(tuple(row) for row in await pool.fetch(f"SELECT * FROM archive.{table}"))


def _answer(number: int) -> Response:
    return range_response(f"T{number}", [bar(SESSION, 10.0 + number)])


def _noise(number: int) -> Response:
    return range_response(f"T{number}", os.urandom(NOISE_BYTES))
