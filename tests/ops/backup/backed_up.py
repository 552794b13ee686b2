"""A warehouse with two backups of it, made once for many tests: each restores into a database of its own."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from archive.runs import finish_run, start_run
from ops.backup.encryption import AgeKey
from ops.backup.folder import list_backups, path_of, read_backup
from ops.backup.make import Wanted, make_backup
from ops.backup.manifest import Backup
from ops.backup.revise import revise_backup
from project.rebuild import catch_up_or_build
from sql import load_queries
from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.payloads import archive_all, bar, dividend, dividends_response, range_response, split, splits_response
from tests.project.random_archive import SESSIONS, small_ruleset
from tests.project.tables import all_tables

RULESET = small_ruleset()
_ROWS = [bar(day, 20.0 if place % 2 else 10.0) for place, day in enumerate(SESSIONS)]
_LEDGER = ("archive.run", "archive.seal", "archive.ruleset", "access.api_key")


class Warehouse(msgspec.Struct, frozen=True):
    """A database with backups of it in `folder`, from the older to the newer."""

    url: str
    folder: Path
    names: tuple[str, ...]

    @property
    def newest(self) -> Backup:
        """What the newest backup says of itself."""
        return read_backup(list_backups(self.folder)[-1])

    @property
    def home(self) -> Path:
        """Where the newest backup is."""
        return path_of(self.folder, self.newest.name)

    def revise(self, **changes: object) -> None:
        """Let the newest backup say something else of its projection."""
        backup = self.newest
        assert backup.projection is not None
        revise_backup(
            self.folder,
            msgspec.structs.replace(backup, projection=msgspec.structs.replace(backup.projection, **changes)),
        )

    def revise_generation(self, **changes: object) -> None:
        """Let the newest backup say something else of the generation."""
        projection = self.newest.projection
        assert projection is not None
        self.revise(generation=msgspec.structs.replace(projection.generation, **changes))


def now() -> dt.datetime:
    """Return the one instant of these tests."""
    return dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)


@asynccontextmanager
async def backed_up(
    server_url: str, template: str, folder: Path, key: AgeKey | None = None
) -> AsyncIterator[Warehouse]:
    """Yield a warehouse whose second backup has payloads more than the first, and so a segment more."""
    async with a_database(server_url, template) as url:
        async with open_pool(url, Role.INGEST) as ingest, open_pool(url, Role.PROJECT) as project:
            run_id = await start_run(ingest, "nightly", {}, now())
            await finish_run(ingest, run_id, "nightly", {"failures": 0}, now())
            await archive_all(ingest, [range_response("AAPL", _ROWS), range_response("BCpC", _ROWS[:5])])
            await catch_up_or_build(project, RULESET, now)
            async with open_pool(url, Role.ACCESS) as access:
                add = load_queries("access.sql")["add_key"]
                await access.execute(add, "0123456789ab", "notebook", bytes(32), 60, now())
            names = [await back_up(url, folder)]
            await archive_all(
                ingest,
                [
                    range_response("BCpC", [*_ROWS, bar(dt.date(2024, 1, 1))]),
                    splits_response([split("AAPL", SESSIONS[4], 1, 2, "s")]),
                    dividends_response([dividend("AAPL", SESSIONS[6], 0.5, "d")]),
                ],
            )
            await catch_up_or_build(project, RULESET, now)
            names.append(await back_up(url, folder))
        yield Warehouse(url, folder, tuple(names))


@asynccontextmanager
async def a_database(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a fresh, migrated warehouse, as the fixture `database_url` does for one test."""
    name = f"backed_up_{uuid.uuid4().hex[:8]}"
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        async with open_owner(url) as owner:
            await migrate(owner)
        yield url
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def back_up(url: str, folder: Path, key: AgeKey | None = None) -> str:
    """Make a backup and return its name."""
    async with open_pool(url, Role.BACKUP) as pool:
        return (await make_backup(pool, folder, Wanted(key, True, 12, 3), now)).name


async def everything(url: str) -> dict[str, list[str]]:
    """Return every row of a warehouse that a backup must bring back, as text."""
    async with open_pool(url, Role.PROJECT) as pool:
        projected = await all_tables(pool)
        payloads = await pool.fetch("SELECT * FROM archive.payload ORDER BY archive_seq")
    async with open_owner(url) as owner:
        ledger = {table: await _rows(owner, table) for table in _LEDGER}
    ledger["archive.run"] = [row for row in ledger["archive.run"] if "'backup'" not in row and "'drill'" not in row]
    return projected | ledger | {"payload": [repr(tuple(row)) for row in payloads]}


async def _rows(owner: asyncpg.Connection, table: str) -> list[str]:
    return sorted(repr(tuple(row)) for row in await owner.fetch(f"SELECT * FROM {table}"))
