"""Export and import: the archive as files, whole and in order, or not at all."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from archive import portable
from archive.chain import GENESIS, seal_archive
from archive.errors import DamagedPayload, DifferentArchive, UnusableExport
from archive.portable import check_segment, export_archive, import_archive, write_segment
from archive.runs import finish_run, start_run
from archive.verify import verify_archive
from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.payloads import archive_all, bar, range_response

NOW = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)
SESSION = dt.date(2024, 6, 28)


@pytest.fixture
async def elsewhere(empty_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool of ingest in a second, empty warehouse."""
    async with open_owner(empty_database_url) as owner:
        await migrate(owner)
    async with open_pool(empty_database_url, Role.INGEST) as pool:
        yield pool


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make segments of two payloads."""
    monkeypatch.setattr(portable, "_SEGMENT_PAYLOADS", 2)


async def _archive(pool: asyncpg.Pool, first: int, last: int) -> None:
    await archive_all(pool, [range_response(f"T{n}", [bar(SESSION, 10.0 + n)]) for n in range(first, last + 1)])


async def _rows(pool: asyncpg.Pool, table: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in await pool.fetch(f"SELECT * FROM archive.{table}"))


@pytest.mark.usefixtures("small_segments")
async def test_an_import_is_the_archive_that_was_exported(
    ingest_pool: asyncpg.Pool, elsewhere: asyncpg.Pool, tmp_path: Path
) -> None:
    run_id = await start_run(ingest_pool, "backfill", {"plan": 1}, NOW)
    await _archive(ingest_pool, 1, 5)
    await finish_run(ingest_pool, run_id, "backfill", {"done": True}, NOW)
    await seal_archive(ingest_pool, NOW)
    manifest, added = await export_archive(ingest_pool, tmp_path / "out")
    assert (manifest.head, added, len(manifest.segments)) == (5, 5, 3)
    assert (await import_archive(elsewhere, tmp_path / "out"))[1] == 5
    for table in ("payload", "seal", "run", "ruleset"):
        assert await _rows(elsewhere, table) == await _rows(ingest_pool, table), table
    assert (await verify_archive(elsewhere)).problem is None


@pytest.mark.usefixtures("small_segments")
async def test_a_second_export_and_import_carry_only_what_is_new(
    ingest_pool: asyncpg.Pool, elsewhere: asyncpg.Pool, tmp_path: Path
) -> None:
    await _archive(ingest_pool, 1, 3)
    await export_archive(ingest_pool, tmp_path)
    await import_archive(elsewhere, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.tar")}
    await _archive(ingest_pool, 4, 6)
    assert (await export_archive(ingest_pool, tmp_path))[1] == 3
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.tar") if path.name in before} == before
    assert (await import_archive(elsewhere, tmp_path))[1] == 3
    assert (await import_archive(elsewhere, tmp_path))[1] == 0
    assert await _rows(elsewhere, "payload") == await _rows(ingest_pool, "payload")


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "reorder", "relabel"])
async def test_a_damaged_export_is_refused_by_the_name_of_its_file(
    ingest_pool: asyncpg.Pool, elsewhere: asyncpg.Pool, tmp_path: Path, damage: str
) -> None:
    await _archive(ingest_pool, 1, 4)
    await export_archive(ingest_pool, tmp_path)
    segment, manifest = sorted(tmp_path.glob("*.tar"))[1], tmp_path / "manifest.json"
    data, document = segment.read_bytes(), json.loads(manifest.read_text())
    blamed = segment.name
    match damage:
        case "flip":
            segment.write_bytes(data[:700] + bytes([data[700] ^ 1]) + data[701:])
        case "cut":
            segment.write_bytes(data[: len(data) // 2])
        case "remove":
            segment.unlink()
        case "reorder":
            document["segments"].reverse()
            manifest.write_text(json.dumps(document))
            blamed = "manifest.json"
        case "relabel":
            document["segments"][1]["chain_hash"] = "00" * 32
            manifest.write_text(json.dumps(document))
    with pytest.raises(UnusableExport, match=blamed):
        await import_archive(elsewhere, tmp_path)
    assert (await verify_archive(elsewhere)).problem is None


async def test_an_import_refuses_an_archive_that_began_differently(
    ingest_pool: asyncpg.Pool, elsewhere: asyncpg.Pool, tmp_path: Path
) -> None:
    await _archive(ingest_pool, 1, 2)
    await export_archive(ingest_pool, tmp_path)
    await _archive(elsewhere, 7, 7)
    before = await _rows(elsewhere, "payload")
    with pytest.raises(DifferentArchive):
        await import_archive(elsewhere, tmp_path)
    assert await _rows(elsewhere, "payload") == before


async def test_an_export_refuses_a_folder_of_another_archive(
    ingest_pool: asyncpg.Pool, elsewhere: asyncpg.Pool, tmp_path: Path
) -> None:
    await _archive(ingest_pool, 1, 2)
    await _archive(elsewhere, 3, 6)
    await export_archive(ingest_pool, tmp_path)
    with pytest.raises(DifferentArchive):
        await export_archive(elsewhere, tmp_path)


async def test_the_same_payloads_give_the_same_file(ingest_pool: asyncpg.Pool, tmp_path: Path) -> None:
    """So a damaged file can be written anew, and its SHA-256 is the recorded one again."""
    await _archive(ingest_pool, 1, 4)
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = await write_segment(ingest_pool, tmp_path / "first", 1, 4, GENESIS)
    assert await write_segment(ingest_pool, tmp_path / "second", 1, 4, GENESIS) == first
    check_segment(tmp_path / "second", first)


async def test_a_missing_payload_is_not_exported(
    ingest_pool: asyncpg.Pool, tamper: Callable[[str], Awaitable[None]], tmp_path: Path
) -> None:
    await _archive(ingest_pool, 1, 3)
    await tamper("DELETE FROM archive.payload WHERE archive_seq = 2")
    with pytest.raises(DamagedPayload, match="payload 2 is damaged: it is missing"):
        await export_archive(ingest_pool, tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_an_altered_payload_is_not_exported(
    ingest_pool: asyncpg.Pool, tamper: Callable[[str], Awaitable[None]], tmp_path: Path
) -> None:
    await _archive(ingest_pool, 1, 2)
    await tamper("UPDATE archive.payload SET ticker = 'X' WHERE archive_seq = 2")
    with pytest.raises(DamagedPayload, match="payload 2"):
        await export_archive(ingest_pool, tmp_path)


async def test_a_folder_that_is_no_export_is_refused(elsewhere: asyncpg.Pool, tmp_path: Path) -> None:
    with pytest.raises(UnusableExport, match=r"manifest\.json"):
        await import_archive(elsewhere, tmp_path)
