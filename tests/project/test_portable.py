"""A generation out into files and in again: every row of it, on whichever engine; what is not whole never goes live."""

import asyncio
import datetime as dt
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import asyncpg
import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from archive.calendar import calendar_version
from archive.payload import Response
from project.errors import DamagedDump, NothingProjected, OutdatedDump
from project.portable import Dump, dump_generation, load_generation
from project.rebuild import catch_up_or_build, rebuild
from project.replay import catch_up, projector
from sql.connect import Role, open_owner, open_pool
from sql.embedded import release_embedded, start_embedded
from sql.migrate import migrate
from tests.payloads import archive_all, bar, dividend, dividends_response, range_response, split, splits_response
from tests.project.conftest import Empty
from tests.project.random_archive import SESSIONS, responses, small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables, the_generation

RULESET = small_ruleset()
ROWS = [bar(day, 20.0 if place % 2 else 10.0) for place, day in enumerate(SESSIONS)]
SAID = [
    range_response("AAPL", ROWS),
    range_response("BCpC", [*ROWS, bar(dt.date(2024, 1, 1))]),
    splits_response([split("AAPL", SESSIONS[4], 1, 2, "s")]),
    dividends_response([dividend("AAPL", SESSIONS[6], 0.5, "d")]),
]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


class _Files:
    """Files of a dump in memory."""

    def __init__(self) -> None:
        self.held: dict[str, io.BytesIO] = {}
        self.created: list[str] = []

    def create(self, name: str) -> BinaryIO:
        self.created.append(name)
        self.held[name] = _Kept()
        return self.held[name]

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.held[name].getvalue())


class _Kept(io.BytesIO):
    """A file that can be looked at when it is closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def _dump(url: str, files: _Files) -> Dump:
    async with open_pool(url, Role.BACKUP) as pool, pool.acquire() as connection:
        return await dump_generation(connection, files.create)


async def _load(pool: asyncpg.Pool, dump: Dump, files: _Files) -> None:
    async with projector(pool) as connection:
        await load_generation(connection, dump, files.open, RULESET, _now)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_what_is_loaded_is_what_was_dumped_and_is_caught_up_as_it_would_have_been(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    files, third = _Files(), len(sent) // 3
    for some in (sent[:third], sent[third : 2 * third]):
        await archive_all(ingest_pool, some)
        await catch_up_or_build(project_pool, RULESET, _now)
    dumped, live = await all_tables(project_pool), await the_generation(project_pool)
    dump = await _dump(database_url, files)
    assert dump.generation == live
    assert all(file.is_closed for file in files.held.values() if isinstance(file, _Kept))
    await empty()
    await archive_all(ingest_pool, sent[: 2 * third])
    await _load(project_pool, dump, files)
    loaded = await the_generation(project_pool)
    assert await all_tables(project_pool) == dumped
    assert (loaded.fingerprint, loaded.checkpoint) == (live.fingerprint, live.checkpoint)
    assert await fingerprint_of_tables(project_pool) == live.fingerprint
    assert loaded.generation_id != live.generation_id
    await archive_all(ingest_pool, sent[2 * third :])
    await catch_up(project_pool, _now)
    caught_up = await all_tables(project_pool)
    await rebuild(project_pool, RULESET, _now)
    assert await all_tables(project_pool) == caught_up


@pytest.fixture
async def files(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> _Files:
    """Return no files yet, of a warehouse in which something is projected."""
    await archive_all(ingest_pool, SAID)
    await rebuild(project_pool, RULESET, _now)
    return _Files()


async def test_a_dump_that_is_behind_the_archive_is_caught_up_before_it_goes_live(
    database_url: str, files: _Files, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    dump = await _dump(database_url, files)
    await archive_all(ingest_pool, [range_response("MSFT", ROWS)])
    await _load(project_pool, dump, files)
    loaded = await all_tables(project_pool)
    assert (await the_generation(project_pool)).checkpoint == len(SAID) + 1
    await rebuild(project_pool, RULESET, _now)
    assert await all_tables(project_pool) == loaded


async def test_a_rebuild_that_goes_live_in_the_middle_of_a_dump_is_in_it_whole_or_not_at_all(
    database_url: str, files: _Files, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The swap renames the schema between two tables: what was written of the first is void."""
    await archive_all(ingest_pool, [range_response("MSFT", ROWS)])

    async def swap() -> None:
        async with open_pool(database_url, Role.PROJECT) as pool:
            await rebuild(pool, RULESET, _now)

    def create(name: str) -> BinaryIO:
        if files.created == ["bar.copy.zst"]:
            thread = threading.Thread(target=lambda: asyncio.run(swap()))
            thread.start()
            thread.join()
        return files.create(name)

    async with open_pool(database_url, Role.BACKUP) as pool, pool.acquire() as connection:
        dump = await dump_generation(connection, create)
    assert files.created.count("bar.copy.zst") == 2
    assert dump.generation == await the_generation(project_pool)
    tables = await all_tables(project_pool)
    await _load(project_pool, dump, files)
    assert await all_tables(project_pool) == tables


async def test_nothing_projected_is_nothing_to_dump(database_url: str) -> None:
    files = _Files()
    with pytest.raises(NothingProjected):
        await _dump(database_url, files)
    assert files.created == []


def _unpacked(files: _Files, name: str) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(files.held[name].getvalue())


def _packed(content: bytes) -> _Kept:
    kept = _Kept()
    kept.write(zstandard.ZstdCompressor().compress(content))
    return kept


def _flip(files: _Files) -> None:
    packed = bytearray(files.held["bar.copy.zst"].getvalue())
    packed[len(packed) // 2] ^= 1
    files.held["bar.copy.zst"] = io.BytesIO(bytes(packed))


def _cut(files: _Files) -> None:
    files.held["bar.copy.zst"] = io.BytesIO(files.held["bar.copy.zst"].getvalue()[:-20])


def _alter(files: _Files) -> None:
    rows = bytearray(_unpacked(files, "bar.copy.zst"))
    place = rows.index(b"AAPL")
    rows[place : place + 4] = b"AAPM"
    files.held["bar.copy.zst"] = _packed(bytes(rows))


def _repeat(files: _Files) -> None:
    rows = _unpacked(files, "symbol_status.copy.zst")
    files.held["symbol_status.copy.zst"] = _packed(rows[:-2] + rows[19:])


def _exchange(files: _Files) -> None:
    files.held["bar.copy.zst"] = files.held["split.copy.zst"]


def _lose_rows(files: _Files) -> None:
    rows = _unpacked(files, "symbol_status.copy.zst")
    files.held["symbol_status.copy.zst"] = _packed(rows[:19] + rows[-2:])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_flip, "bar.copy.zst does not (decompress|hold rows of bar)"),
        (_cut, "bar.copy.zst (does not hold rows of bar|holds)"),
        (_alter, "its rows give content .* recorded are"),
        (_repeat, "symbol_status.copy.zst does not hold rows of symbol_status"),
        (_exchange, "bar.copy.zst does not hold rows of bar"),
        (_lose_rows, "symbol_status.copy.zst holds 0 rows, recorded are 2"),
    ],
)
async def test_a_damaged_dump_never_goes_live(
    database_url: str,
    files: _Files,
    project_pool: asyncpg.Pool,
    damage: Callable[[_Files], None],
    why: str,
) -> None:
    dump = await _dump(database_url, files)
    live, tables = await the_generation(project_pool), await all_tables(project_pool)
    damage(files)
    with pytest.raises(DamagedDump, match=why):
        await _load(project_pool, dump, files)
    assert (await the_generation(project_pool), await all_tables(project_pool)) == (live, tables)


async def test_a_dump_without_a_table_or_ahead_of_the_archive_is_refused(
    database_url: str, files: _Files, project_pool: asyncpg.Pool
) -> None:
    dump = await _dump(database_url, files)
    live = await the_generation(project_pool)
    ahead = msgspec.structs.replace(dump.generation, checkpoint=9)
    for changes, why in (
        ({"tables": dump.tables[1:]}, "its tables should be bar, "),
        ({"generation": ahead}, "it is of 9 payloads, the archive has 4"),
    ):
        with pytest.raises(DamagedDump, match=why):
            await _load(project_pool, msgspec.structs.replace(dump, **changes), files)
    assert await the_generation(project_pool) == live


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shape": "older"}, "its tables have another shape than this software's"),
        ({"calendar_version": "3.1"}, f"its calendar is 3.1, here is {calendar_version()}"),
    ],
)
async def test_a_dump_of_other_software_is_refused(
    database_url: str, files: _Files, project_pool: asyncpg.Pool, changes: dict[str, str], why: str
) -> None:
    dump = await _dump(database_url, files)
    outdated = msgspec.structs.replace(dump, generation=msgspec.structs.replace(dump.generation, **changes))
    with pytest.raises(OutdatedDump, match=why):
        await _load(project_pool, outdated, files)


async def test_rules_that_are_written_anew_since_are_refused(
    database_url: str, files: _Files, project_pool: asyncpg.Pool
) -> None:
    dump = await _dump(database_url, files)
    first, *others = RULESET.rules
    changed = msgspec.structs.replace(RULESET, rules=(msgspec.structs.replace(first, version=99), *others))
    async with projector(project_pool) as connection:
        with pytest.raises(OutdatedDump, match="the code of its rules has changed"):
            await load_generation(connection, dump, files.open, changed, _now)


@asynccontextmanager
async def _embedded_warehouse() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="warehouse-other-", ignore_cleanup_errors=True) as folder:
        url = start_embedded(Path(folder))
        async with open_owner(url) as owner:
            await migrate(owner)
        yield url
        release_embedded(Path(folder))


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="needs a second engine (TEST_DATABASE_URL)")
async def test_one_engine_loads_what_the_other_dumped(
    database_url: str, files: _Files, project_pool: asyncpg.Pool
) -> None:
    """From the server of the tests to plain PostgreSQL, and from there back."""
    tables = await all_tables(project_pool)
    there, back = await _dump(database_url, files), _Files()
    async with _embedded_warehouse() as url:
        async with open_pool(url, Role.INGEST) as ingest, open_pool(url, Role.PROJECT) as project:
            await archive_all(ingest, SAID)
            await _load(project, there, files)
            assert await all_tables(project) == tables
        dump = await _dump(url, back)
    await _load(project_pool, dump, back)
    assert await all_tables(project_pool) == tables
    assert (await the_generation(project_pool)).fingerprint == there.generation.fingerprint
