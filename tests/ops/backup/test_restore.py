"""`ops restore`: everything comes back, nothing is written over, and nothing is written that was not proved."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from archive.read import archive_head
from archive.verify import verify_archive
from ops.backup.encryption import AgeKey, make_key
from ops.backup.errors import (
    BackupError,
    DamagedBackup,
    FolderUnusable,
    IdentityNeeded,
    KeyMismatch,
    NoBackup,
    UnknownBackup,
    UnknownFormat,
)
from ops.backup.folder import path_of, read_backup
from ops.backup.manifest import BACKUP_FILE, FORMAT, SUMS_FILE
from ops.backup.opened import open_backup
from ops.backup.restore import Restored, Wanted, choose_way, restore
from ops.backup.restore_errors import NotEmpty, NotThisBackup, RestoredOtherwise
from ops.backup.revise import write_backup
from ops.backup.surroundings import Progress, Surroundings
from project.compare.verify import verify
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_owner, open_pool
from tests.command import complaint, run_command
from tests.ops.backup.backed_up import RULESET, Warehouse, a_database, back_up, backed_up, everything, now
from tests.ops.commands import start_command
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS

HEAD, FIRST_HEAD = 5, 2
_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'archive.payload'::regclass AND NOT granted)"
_CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'"


@pytest.fixture(scope="module")
async def original(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Warehouse]:
    """Yield a warehouse with two backups; no test changes it."""
    async with backed_up(server_url, template, tmp_path_factory.mktemp("backups")) as warehouse:
        yield warehouse


@pytest.fixture
def spoilt(original: Warehouse, tmp_path: Path) -> Warehouse:
    """Return the warehouse with a copy of its backups, for a test to spoil."""
    folder = tmp_path / "spoilt"
    shutil.copytree(original.folder, folder)
    return msgspec.structs.replace(original, folder=folder)


@pytest.fixture
def target(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a database that was never migrated, and let it be the one that is restored into."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    return empty_database_url


class _Killed(Exception):
    pass


def _around(said: list[str], killed_at: str | None = None) -> Surroundings:
    """Return surroundings in which a restore is broken off as soon as there is progress with a part."""

    @contextmanager
    def show(doing: str, unit: str) -> Iterator[Progress]:
        def progress(done: int, total: int) -> None:
            assert 0 <= done <= total, (doing, unit)
            if doing == killed_at:
                raise _Killed

        yield progress

    return Surroundings(now, said.append, show)


async def _restore(
    folder: Path,
    name: str | None = None,
    *,
    key: AgeKey | None = None,
    rebuilding: bool = False,
    resuming: bool = False,
    killed_at: str | None = None,
) -> Restored:
    return await restore(Wanted(folder, name, key, rebuilding, resuming), _around([], killed_at))


async def _is_untouched(url: str) -> bool:
    async with open_owner(url) as owner:
        return not await owner.fetchval("SELECT to_regnamespace('archive') IS NOT NULL")


async def test_a_backup_made_and_restored_on_the_command_line_is_the_warehouse_again(
    original: Warehouse, empty_database_url: str, command_environ: dict[str, str], tmp_path: Path
) -> None:
    folder = str(tmp_path / "made")
    made = run_command(command_environ, "ops", "backup", folder, DATABASE_URL=original.url)
    assert made.returncode == 0, made.stderr
    done = run_command(command_environ, "ops", "restore", folder, DATABASE_URL=empty_database_url)
    assert done.returncode == 0, done.stderr
    announced, summary = done.stdout.decode().splitlines()
    assert "5 payloads" in announced
    assert announced.endswith("from their dump; expected to take 2 s")
    assert f"{HEAD} payloads ({HEAD} appended), 1 API keys" in summary
    assert "bars loaded; chain " in summary
    assert await everything(empty_database_url) == await everything(original.url)
    async with open_pool(empty_database_url, Role.READ) as pool, pool.acquire() as connection:
        assert (await verify_archive(pool)).first_bad is None
        assert (await verify(connection)).agrees


async def test_a_projection_is_rebuilt_where_that_is_asked_for(original: Warehouse, target: str) -> None:
    restored = await _restore(original.folder, rebuilding=True)
    assert (restored.projection, restored.why) == ("rebuilt", "as asked")
    assert restored.verified is not None
    assert await everything(target) == await everything(original.url)


async def test_an_older_backup_is_restored_by_its_name(original: Warehouse, target: str) -> None:
    restored = await _restore(original.folder, original.names[0])
    assert (restored.backup, restored.payloads, restored.checkpoint) == (original.names[0], FIRST_HEAD, FIRST_HEAD)
    assert restored.bars == len(SESSIONS) + 5
    older = read_backup(path_of(original.folder, original.names[0]))
    assert older.projection is not None
    assert restored.content_hash == older.projection.generation.content_hash


async def test_a_warehouse_that_holds_something_is_refused_and_left_as_it_is(
    original: Warehouse, database_url: str, ingest_pool: asyncpg.Pool, command_environ: dict[str, str]
) -> None:
    await archive_all(ingest_pool, [range_response("MSFT", [bar(SESSIONS[0])])])
    done = run_command(command_environ, "ops", "restore", str(original.folder))
    assert "is not empty: it holds 1 payloads; nothing was changed" in complaint(done)
    assert await archive_head(ingest_pool) == 1


@pytest.mark.parametrize("resuming", [False, True])
async def test_a_projection_without_payloads_is_refused(
    original: Warehouse, database_url: str, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, resuming: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    await owner.execute("CREATE SCHEMA projection")
    with pytest.raises((NotEmpty, NotThisBackup), match=r"0 payloads and a projection|is projected, and has not"):
        await _restore(original.folder, resuming=resuming)


def _segment(warehouse: Warehouse) -> Path:
    return warehouse.folder / "archive" / warehouse.newest.archive.segments[0].file


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _ledger(warehouse: Warehouse) -> Path:
    return warehouse.home / "ledger.json.zst"


def _bars(warehouse: Warehouse) -> Path:
    return warehouse.home / "projection" / "bar.copy.zst"


@pytest.mark.parametrize(
    ("file", "damage", "named"),
    [
        (_segment, _flip, "archive/payloads-0000000001-0000000002.tar: SHA-256 is"),
        (_segment, _cut, "archive/payloads-0000000001-0000000002.tar: has"),
        (_segment, Path.unlink, "archive/payloads-0000000001-0000000002.tar: is missing"),
        (_ledger, _flip, "ledger.json.zst: SHA-256 is"),
        (lambda warehouse: warehouse.home / "keys.json.zst", _cut, "keys.json.zst: has"),
        (_bars, _flip, "projection/bar.copy.zst: SHA-256 is .*; `--rebuild` restores without it"),
        (_bars, Path.unlink, "projection/bar.copy.zst: is missing; `--rebuild` restores without it"),
        (lambda warehouse: warehouse.home / BACKUP_FILE, _flip, "backup.json: its SHA-256 is not"),
        (lambda warehouse: warehouse.home / SUMS_FILE, Path.unlink, "SHA256SUMS: is missing"),
    ],
)
async def test_a_damaged_backup_is_refused_by_the_name_of_the_file_before_anything_is_written(
    spoilt: Warehouse,
    target: str,
    file: Callable[[Warehouse], Path],
    damage: Callable[[Path], None],
    named: str,
) -> None:
    damage(file(spoilt))
    with pytest.raises(DamagedBackup, match=f"backup {spoilt.names[1]} is damaged: {named}"):
        await _restore(spoilt.folder)
    assert await _is_untouched(target)


async def test_a_damaged_dump_stops_no_restore_that_has_no_use_for_it(
    spoilt: Warehouse, original: Warehouse, target: str
) -> None:
    _bars(spoilt).unlink()
    assert (await _restore(spoilt.folder, rebuilding=True)).projection == "rebuilt"
    assert await everything(target) == await everything(original.url)
    assert (await _restore(spoilt.folder, resuming=True)).projection == "found"


async def test_where_there_is_no_such_backup_it_is_said(original: Warehouse, target: str, tmp_path: Path) -> None:
    for folder, name, error in (
        (tmp_path / "missing", None, FolderUnusable),
        (tmp_path, None, NoBackup),
        (original.folder, "2020-01-01T000000Z", UnknownBackup),
    ):
        with pytest.raises(error):
            await _restore(folder, name)
    assert await _is_untouched(target)


async def test_a_backup_of_newer_software_is_refused(spoilt: Warehouse, target: str) -> None:
    write_backup(spoilt.home, msgspec.structs.replace(spoilt.newest, format=FORMAT + 1))
    with pytest.raises(UnknownFormat):
        await _restore(spoilt.folder)
    assert await _is_untouched(target)


async def test_an_encrypted_backup_opens_with_its_own_key_only(
    original: Warehouse, target: str, tmp_path: Path
) -> None:
    key, other = make_key(tmp_path / "key", now()), make_key(tmp_path / "other", now())
    folder = tmp_path / "sealed"
    await back_up(original.url, folder, AgeKey(key.recipient))
    wrong: tuple[tuple[AgeKey | None, type[BackupError]], ...] = (
        (None, KeyMismatch),
        (other, KeyMismatch),
        (AgeKey(key.recipient), IdentityNeeded),
    )
    for given, error in wrong:
        with pytest.raises(error):
            await _restore(folder, key=given)
    with pytest.raises(KeyMismatch):
        await _restore(original.folder, key=key)
    assert await _is_untouched(target)
    restored = await _restore(folder, key=key)
    assert restored.projection == "loaded"
    assert await everything(target) == await everything(original.url)


@pytest.mark.parametrize(("killed_at", "left"), [("archive", FIRST_HEAD), ("projection", HEAD), ("projecting", HEAD)])
async def test_a_restore_that_was_killed_goes_on_where_it_stopped(
    original: Warehouse, target: str, killed_at: str, left: int
) -> None:
    with pytest.raises(_Killed):
        await _restore(original.folder, rebuilding=killed_at == "projecting", killed_at=killed_at)
    async with open_owner(target) as owner:
        assert await archive_head(owner) == left
    with pytest.raises(NotEmpty, match="--resume"):
        await _restore(original.folder)
    restored = await _restore(original.folder, resuming=True)
    assert restored.appended == HEAD - left
    assert await everything(target) == await everything(original.url)
    again = await _restore(original.folder, resuming=True)
    assert (again.projection, again.appended) == ("found", 0)
    assert again.verified == restored.verified is not None


async def test_killed_at_any_moment_a_restore_ends_up_the_same(
    original: Warehouse,
    server_url: str,
    template: str,
    command_environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A moment is how much a restore has written, in parts of all that one writes."""
    draw = random.Random(6)
    moments = [draw.uniform(*between) for between in ((0, 0.02), (0.02, 0.4), (0.4, 0.8))]
    wanted = await everything(original.url)
    async with open_owner(server_url) as server:
        async with a_database(server_url, template) as url:
            monkeypatch.setenv("DATABASE_URL", url)
            before = await _written(server)
            await _restore(original.folder)
            total = await _written(server) - before
        for moment in moments:
            async with a_database(server_url, template) as url:
                environ = command_environ | {"DATABASE_URL": url}
                process = await start_command(environ, "ops", "restore", str(original.folder))
                until = await _written(server) + moment * total
                while await _written(server) < until and process.returncode is None:
                    await asyncio.sleep(0)
                process.kill()
                assert await process.wait() == -signal.SIGKILL
                await _alone(server, url)
                monkeypatch.setenv("DATABASE_URL", url)
                restored = await _restore(original.folder, resuming=True)
                assert restored.verified is not None
                assert await everything(url) == wanted


async def test_a_restore_that_is_asked_to_end_says_how_to_go_on(
    original: Warehouse, database_url: str, command_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_owner(database_url) as owner, owner.transaction():
        await owner.execute("LOCK TABLE archive.payload IN SHARE MODE")
        process = await start_command(command_environ, "ops", "restore", str(original.folder))
        while not await owner.fetchval(_WAITS):
            assert process.returncode is None
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().startswith("error: the restore was stopped by SIGTERM; the same command with --resume goes on")
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert (await _restore(original.folder, resuming=True)).appended == HEAD


async def test_who_is_told_to_stop_does_not_read_all_files_first(spoilt: Warehouse) -> None:
    _flip(spoilt.folder / "archive" / spoilt.newest.archive.segments[-1].file)
    opening = asyncio.ensure_future(open_backup(spoilt.folder, spoilt.newest, None))
    asyncio.get_running_loop().call_soon(opening.cancel)  # when it has begun
    with pytest.raises(asyncio.CancelledError):
        await opening


async def _written(server: asyncpg.Connection) -> int:
    """Return how many bytes a server has written into its log since it was made."""
    written: int = await server.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    return written


async def _alone(server: asyncpg.Connection, url: str) -> None:
    """Wait until the server has noticed that nobody uses a database any more."""
    name = urlsplit(url).path.removeprefix("/")
    while await server.fetchval(_CLIENTS, name):
        await asyncio.sleep(0.01)


async def test_what_another_warehouse_holds_is_not_gone_on_from(
    original: Warehouse, database_url: str, ingest_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for payloads in range(1, 4):
        await archive_all(ingest_pool, [range_response("MSFT", [bar(SESSIONS[0])])])
        with pytest.raises(NotThisBackup, match=f"its {payloads} payloads are not the first ones of the backup"):
            await _restore(original.folder, resuming=True)
    assert await archive_head(ingest_pool) == 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shape": "older"}, "its tables have another shape than this software's"),
        ({"calendar_version": "older"}, "its calendar is older, here is"),
    ],
)
async def test_a_dump_of_other_software_is_not_loaded_but_the_archive_replayed(
    spoilt: Warehouse, original: Warehouse, target: str, changes: dict[str, str], why: str
) -> None:
    spoilt.revise_generation(**changes)
    restored = await _restore(spoilt.folder)
    assert (restored.projection, restored.verified) == ("rebuilt", None)
    assert restored.why is not None
    assert why in restored.why
    assert await everything(target) == await everything(original.url)


async def test_a_backup_whose_dump_was_removed_is_replayed_by_its_own_rules(
    spoilt: Warehouse, original: Warehouse, target: str
) -> None:
    assert read_ruleset(DEFAULT_RULES).hash != RULESET.hash
    spoilt.revise(files=None)
    shutil.rmtree(spoilt.home / "projection")
    restored = await _restore(spoilt.folder)
    assert (restored.projection, restored.why) == ("rebuilt", "the backup holds no dump of it")
    assert restored.verified is not None
    assert await everything(target) == await everything(original.url)


async def test_rules_that_this_software_has_written_anew_give_way_to_its_own(original: Warehouse) -> None:
    opened = await open_backup(original.folder, original.newest, None)
    first, *others = RULESET.rules
    older = msgspec.structs.replace(RULESET, rules=(msgspec.structs.replace(first, version=99), *others))
    ledger = msgspec.structs.replace(opened.ledger, rulesets=[(RULESET.hash, older.body, now())])
    way = choose_way(msgspec.structs.replace(opened, ledger=ledger), rebuilding=False)
    assert (way.loading, way.comparable, way.ruleset) == (False, False, read_ruleset(DEFAULT_RULES))
    assert way.why == "the code of its rules has changed; judged by the rules file of this software"


async def test_a_dump_that_is_not_what_it_says_is_replayed_and_that_is_said(spoilt: Warehouse, target: str) -> None:
    """Its files are those that were written, so the projection was not what its archive says."""
    spoilt.revise_generation(content_hash="0" * 32)
    with pytest.raises(RestoredOtherwise, match=r"its first 5 payloads gives content .* recorded 000000000000"):
        await _restore(spoilt.folder)
    async with open_pool(target, Role.READ) as pool:
        assert await pool.fetchval("SELECT checkpoint FROM projection.generation") == HEAD


async def test_where_nothing_was_projected_nothing_is(
    database_url: str, ingest_pool: asyncpg.Pool, target: str, tmp_path: Path
) -> None:
    await archive_all(ingest_pool, [range_response("MSFT", [bar(SESSIONS[0])])])
    await back_up(database_url, tmp_path / "bare")
    restored = await _restore(tmp_path / "bare")
    assert (restored.projection, restored.content_hash, restored.payloads) == ("none", None, 1)
    again = await _restore(tmp_path / "bare", resuming=True, rebuilding=True)
    assert (again.projection, again.bars, again.appended) == ("rebuilt", 1, 0)
