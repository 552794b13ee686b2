"""Backups: what they hold, what a second one adds, who is refused, and which ones stay."""

import asyncio
import datetime as dt
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest

from archive import portable
from archive.chain import seal_archive
from archive.errors import DamagedPayload, DifferentArchive
from archive.portable import import_ledger, import_segments, require_same_archive
from archive.verify import verify_archive
from ops.backup.encryption import AgeKey, make_key, wrapping_of
from ops.backup.errors import FolderInUse, FolderUnusable, KeyMismatch, NotEnoughSpace
from ops.backup.folder import archive_of, check_backup, hold_folder, list_backups, newest_backup, path_of, read_backup
from ops.backup.make import make_backup
from ops.backup.manifest import StoredKey
from ops.backup.opened import open_backup
from ops.backup.revise import encode_backup, write_backup
from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.ops.backup.making import NOISE_BYTES, START, WANTED, Warehouse, coreutils_agree, files_in, flip, rows_of


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make segments of two payloads."""
    monkeypatch.setattr(portable, "_SEGMENT_PAYLOADS", 2)


@pytest.fixture
def warehouse(database_url: str, tmp_path: Path) -> Warehouse:
    """Return an empty warehouse."""
    return Warehouse(database_url, tmp_path / "usb")


@pytest.fixture
async def elsewhere(empty_database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Yield a pool of ingest in a second, empty warehouse."""
    async with open_owner(empty_database_url) as owner:
        await migrate(owner)
    async with open_pool(empty_database_url, Role.INGEST) as pool:
        yield pool


@pytest.fixture
def key(tmp_path: Path) -> AgeKey:
    """Return a key, identity and all."""
    return make_key(tmp_path / "key", START)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_what_a_backup_holds_is_the_archive(
    warehouse: Warehouse, elsewhere: asyncpg.Pool, key: AgeKey, encrypted: bool
) -> None:
    chosen = key if encrypted else None
    await warehouse.archive(5)
    await warehouse.project()
    made = await warehouse.back_up(key=chosen)
    opened = await open_backup(warehouse.folder, newest_backup(warehouse.folder), chosen)
    added = [
        new
        async for _, new in import_segments(
            elsewhere, archive_of(warehouse.folder), opened.backup.archive, wrapping_of(chosen)
        )
    ]
    await import_ledger(elsewhere, opened.ledger)
    async with open_pool(warehouse.url, Role.READ) as here:
        for table in ("payload", "seal", "ruleset"):
            assert await rows_of(elsewhere, table) == await rows_of(here, table), table
    assert await rows_of(elsewhere, "run") == []  # but for the backup's own, which is not over
    assert (await verify_archive(elsewhere)).problem is None
    assert added == [2, 2, 1]
    assert (made.head, made.new_payloads, made.bars, made.checkpoint) == (5, 5, 5, 5)
    assert opened.backup.projection is not None
    assert opened.backup.projection.generation.content_hash == made.content_hash
    assert made.encrypted_to == (key.recipient if encrypted else None)


async def test_a_segment_import_goes_on_where_it_stopped(warehouse: Warehouse, elsewhere: asyncpg.Pool) -> None:
    await warehouse.archive(5)
    await warehouse.back_up()
    [backup] = warehouse.backups()
    importing = import_segments(elsewhere, archive_of(warehouse.folder), backup.archive)
    await anext(importing)
    await importing.aclose()  # type: ignore[attr-defined]
    added = [new async for _, new in import_segments(elsewhere, archive_of(warehouse.folder), backup.archive)]
    assert added == [0, 2, 1]


async def test_a_backup_ends_in_a_seal(warehouse: Warehouse) -> None:
    await warehouse.archive(3)
    async with open_pool(warehouse.url, Role.INGEST) as ingest:
        await seal_archive(ingest, START)
    await warehouse.archive(1)
    await warehouse.back_up()
    opened = await open_backup(warehouse.folder, newest_backup(warehouse.folder), None)
    assert [to_seq for to_seq, _, _ in opened.ledger.seals] == [3, 4]
    assert opened.ledger.seals[-1][1] == opened.backup.archive.chain


async def test_keys_of_the_api_are_kept_as_hashes(warehouse: Warehouse) -> None:
    row = StoredKey("0123456789ab", "laptop", b"\x07" * 32, 60, START, None)
    async with open_owner(warehouse.url) as owner:
        await owner.execute("INSERT INTO access.api_key VALUES ($1, $2, $3, $4, $5, $6)", *msgspec.structs.astuple(row))
    await warehouse.back_up()
    opened = await open_backup(warehouse.folder, newest_backup(warehouse.folder), None)
    assert opened.keys == [row]


async def test_a_second_backup_adds_only_what_is_new(warehouse: Warehouse) -> None:
    await warehouse.archive(20, noise=True)
    first = await warehouse.back_up()
    before = files_in(warehouse.folder / "archive")
    await warehouse.archive(1, noise=True)
    second = await warehouse.back_up()
    after = files_in(warehouse.folder / "archive")
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert (second.head, second.new_payloads) == (21, 1)
    assert NOISE_BYTES < second.new_bytes < first.new_bytes / 10
    assert all(coreutils_agree(warehouse.folder, backup) for backup in warehouse.backups())


async def test_where_nothing_is_projected_there_is_no_projection(warehouse: Warehouse) -> None:
    await warehouse.archive(1)
    made = await warehouse.back_up()
    [backup] = warehouse.backups()
    assert (made.bars, backup.projection) == (None, None)
    assert not (path_of(warehouse.folder, backup.name) / "projection").exists()


async def test_a_projection_that_is_left_out_is_still_described(warehouse: Warehouse) -> None:
    await warehouse.archive(2)
    await warehouse.project()
    made = await warehouse.back_up(projection=False)
    [backup] = warehouse.backups()
    assert backup.projection is not None
    assert (backup.projection.files, backup.projection.bars, made.projection_bytes) == (None, 2, 0)


async def test_an_empty_warehouse_has_a_backup_too(warehouse: Warehouse) -> None:
    made = await warehouse.back_up()
    assert (made.head, made.kept) == (0, 1)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("damage", ["altered", "missing"])
async def test_a_damaged_segment_is_written_anew_for_all_backups(
    warehouse: Warehouse, key: AgeKey, encrypted: bool, damage: str
) -> None:
    recipient = AgeKey(key.recipient) if encrypted else None
    await warehouse.archive(4)
    await warehouse.back_up(key=recipient)
    await warehouse.archive(1)
    await warehouse.back_up(key=recipient)
    segment = sorted((warehouse.folder / "archive").iterdir())[0]
    if damage == "missing":
        segment.unlink()
    else:
        flip(segment, 700)
    made = await warehouse.back_up(key=recipient)
    assert made.healed == (segment.name,)
    assert made.kept == 3
    for backup in warehouse.backups():
        check_backup(warehouse.folder, backup)
        assert coreutils_agree(warehouse.folder, backup)


async def test_the_newest_stay_and_of_these_the_newest_with_their_dumps(warehouse: Warehouse) -> None:
    await warehouse.archive(1)
    await warehouse.project()
    made = [await warehouse.back_up(keep=4, keep_projections=2) for _ in range(6)]
    backups = warehouse.backups()
    assert [backup.name for backup in backups] == [each.name for each in made[2:]]
    assert [each.removed for each in made[3:]] == [(), (made[0].name,), (made[1].name,)]
    dumped = [backup.projection is not None and backup.projection.files is not None for backup in backups]
    assert dumped == [False, False, True, True]
    for backup, has_dump in zip(backups, dumped, strict=True):
        assert (path_of(warehouse.folder, backup.name) / "projection").exists() == has_dump
        check_backup(warehouse.folder, backup)
        assert coreutils_agree(warehouse.folder, backup)


async def test_a_damaged_backup_takes_no_good_ones_place(warehouse: Warehouse) -> None:
    await warehouse.archive(1)
    good = await warehouse.back_up(keep=2)
    for name in ("ledger.json.zst", "backup.json"):
        bad = await warehouse.back_up(keep=2)
        flip(path_of(warehouse.folder, bad.name) / name, 8)
    last = await warehouse.back_up(keep=2)
    assert last.removed == ()
    assert [home.name for home in list_backups(warehouse.folder)][:1] == [good.name]
    assert [damage.split()[1] for damage in last.damaged] == [home.name for home in list_backups(warehouse.folder)][
        2:0:-1
    ]
    assert (await warehouse.back_up(keep=2)).removed[-1] == good.name


@pytest.mark.parametrize("jump", [dt.timedelta(0), dt.timedelta(days=-400)], ids=["same second", "back by a year"])
async def test_names_sort_by_what_is_in_them_whatever_the_clock_does(warehouse: Warehouse, jump: dt.timedelta) -> None:
    await warehouse.archive(1)
    first = await warehouse.back_up()
    await warehouse.archive(1)
    warehouse.clock.instant += jump - dt.timedelta(days=7)
    second = await warehouse.back_up()
    assert first.name < second.name
    assert [backup.head for backup in warehouse.backups()] == [1, 2]
    assert warehouse.backups()[-1].started_at == warehouse.clock.instant


async def test_the_newest_is_the_one_that_holds_most(warehouse: Warehouse) -> None:
    """A folder may be put together by hand, from disks that took turns."""
    await warehouse.archive(1)
    await warehouse.back_up()
    await warehouse.archive(1)
    await warehouse.back_up()
    older, newer = warehouse.backups()
    home = path_of(warehouse.folder, newer.name)
    early = msgspec.structs.replace(newer, name="2020-01-01T000000Z")
    home.rename(home.with_name(early.name))
    write_backup(home.with_name(early.name), early)
    assert [path.name for path in list_backups(warehouse.folder)] == [older.name, early.name]


async def test_a_folder_of_another_archive_is_refused(warehouse: Warehouse, elsewhere: asyncpg.Pool) -> None:
    await warehouse.archive(2)
    await warehouse.back_up()
    before = files_in(warehouse.folder)
    with pytest.raises(DifferentArchive, match="a folder of its own"):
        await make_backup(elsewhere, warehouse.folder, WANTED, warehouse.clock)
    assert files_in(warehouse.folder) | {".lock": before[".lock"]} == before


@pytest.mark.parametrize(("first", "then"), [("none", "a"), ("a", "none"), ("a", "b")])
async def test_a_folder_is_encrypted_to_one_key_or_to_none(
    warehouse: Warehouse, tmp_path: Path, first: str, then: str
) -> None:
    keys = {"none": None} | {name: make_key(tmp_path / f"key {name}", START) for name in "ab"}
    await warehouse.back_up(key=keys[first])
    with pytest.raises(KeyMismatch, match=f"backup folder {warehouse.folder} is "):
        await warehouse.back_up(key=keys[then])
    assert len(warehouse.backups()) == 1
    assert (await warehouse.results())[-1]["passed"] is False


async def test_nothing_plain_and_no_secret_is_in_an_encrypted_folder(
    warehouse: Warehouse, key: AgeKey, tmp_path: Path
) -> None:
    await warehouse.archive(3)
    await warehouse.project()
    await warehouse.back_up(key=key)
    identity = next(line for line in (tmp_path / "key").read_text().splitlines() if line.startswith("AGE-"))
    for path in (path for path in warehouse.folder.rglob("*") if path.is_file()):
        held = path.read_bytes()
        assert identity.encode() not in held
        assert b"/v2/aggs/" not in held
        assert path.suffix == ".age" or path.name in ("backup.json", "SHA256SUMS", ".lock")
        assert path.suffix != ".age" or held.startswith(b"age-encryption.org/v1")


async def test_too_little_space_is_seen_before_anything_is_written(warehouse: Warehouse) -> None:
    await warehouse.archive(3, noise=True)
    with pytest.raises(NotEnoughSpace, match=r"about [\d,]+ bytes are needed, 50,000 are free"):
        await warehouse.back_up(free=lambda folder: 50_000)
    assert set(files_in(warehouse.folder)) == {".lock"}
    [result] = await warehouse.results()
    assert result["passed"] is False
    assert "50,000 are free" in str(result["error"])
    assert (await warehouse.back_up(free=lambda folder: 5_000_000)).passed


async def _break_off(warehouse: Warehouse, at: int, key: AgeKey | None = None) -> None:
    """Make a backup that breaks off when so many new payloads are in the folder."""

    @contextmanager
    def breaking(doing: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        def progress(done: int, total: int) -> None:
            if doing == "backing up" and done == at:
                raise RuntimeError("pulled out")

        progress(0, 0)
        yield progress

    async with open_pool(warehouse.url, Role.BACKUP) as pool:
        wanted = msgspec.structs.replace(WANTED, key=key)
        with pytest.raises(RuntimeError, match="pulled out"):
            await make_backup(pool, warehouse.folder, wanted, warehouse.clock, show=breaking)


async def test_a_broken_off_backup_is_none_and_the_next_goes_on_from_it(warehouse: Warehouse) -> None:
    await warehouse.archive(6)
    await _break_off(warehouse, 4)
    assert list((warehouse.folder / "backups").iterdir()) == []
    before = files_in(warehouse.folder / "archive")
    made = await warehouse.back_up()
    after = files_in(warehouse.folder / "archive")
    assert (len(before), len(after)) == (2, 3)
    assert {name: after[name] for name in before} == before
    assert (made.new_payloads, made.kept) == (6, 1)
    assert not (warehouse.folder / ".unfinished.json").exists()
    assert [result["passed"] for result in await warehouse.results()] == [False, True]


async def test_what_was_written_anew_by_a_broken_off_backup_is_what_all_backups_need(
    warehouse: Warehouse, key: AgeKey
) -> None:
    """Encrypted anew, a segment has other bytes; what was remembered of it before is of those it had."""
    await warehouse.archive(2)
    await warehouse.back_up(key=key)
    await warehouse.archive(4)
    await _break_off(warehouse, 2, key)
    flip(sorted((warehouse.folder / "archive").iterdir())[0], 700)
    await _break_off(warehouse, 0, key)
    made = await warehouse.back_up(key=key)
    assert (made.kept, made.damaged) == (2, ())
    assert all(coreutils_agree(warehouse.folder, backup) for backup in warehouse.backups())


async def test_a_broken_off_backup_of_payloads_that_were_lost_since_is_in_nobodys_way(
    warehouse: Warehouse, elsewhere: asyncpg.Pool, empty_database_url: str
) -> None:
    """The box died in the middle of a backup, the one before was restored, and the archive went on otherwise."""
    await warehouse.archive(2)
    await warehouse.back_up()
    [backup] = warehouse.backups()
    await warehouse.archive(4)
    await _break_off(warehouse, 2)
    async for _ in import_segments(elsewhere, archive_of(warehouse.folder), backup.archive):
        pass
    warehouse.url = empty_database_url
    await warehouse.archive(2)
    made = await warehouse.back_up()
    assert (made.head, made.kept, made.healed) == (4, 2, ())
    async with open_pool(empty_database_url, Role.READ) as here:
        await require_same_archive(here, warehouse.backups()[-1].archive)


async def test_who_is_told_to_stop_when_the_backup_is_there_says_that_it_is(warehouse: Warehouse) -> None:
    await warehouse.archive(1)

    def free(folder: Path) -> int:
        if list_backups(folder):
            making.cancel()
        return 10**12

    making = asyncio.ensure_future(warehouse.back_up(free=free))
    made = await making
    assert [backup.name for backup in warehouse.backups()] == [made.name]
    assert [result["name"] for result in await warehouse.results()] == [made.name]


@pytest.mark.parametrize("said", [False, True], ids=["before it was said", "after it was said"])
async def test_a_change_that_a_kill_broke_off_was_made_or_was_not(warehouse: Warehouse, said: bool) -> None:
    await warehouse.archive(2)
    await warehouse.project()
    await warehouse.back_up()
    [backup] = warehouse.backups()
    assert backup.projection is not None
    without = msgspec.structs.replace(backup.projection, files=None, tables=())
    changed = msgspec.structs.replace(backup, projection=without)
    home = path_of(warehouse.folder, backup.name)
    (home / ".backup.json.next").write_bytes(encode_backup(changed))
    if said:
        draft = warehouse.folder / "draft"
        draft.mkdir()
        write_backup(draft, changed)
        (draft / "SHA256SUMS").rename(home / "SHA256SUMS")
    expected = changed if said else backup
    assert read_backup(home) == expected
    check_backup(warehouse.folder, expected)
    await warehouse.back_up()
    assert warehouse.backups()[0] == expected
    assert coreutils_agree(warehouse.folder, expected)
    assert not (home / ".backup.json.next").exists()
    assert (home / "projection").exists() != said


async def test_what_a_kill_left_half_is_swept(warehouse: Warehouse) -> None:
    await warehouse.archive(1)
    await warehouse.back_up()
    [backup] = warehouse.backups()
    half = warehouse.folder / "backups" / ".2020-01-01T000000Z.part"
    shutil.copytree(path_of(warehouse.folder, backup.name), half)
    (warehouse.folder / "archive" / ".payloads-0000000002-0000000003.tar.part").write_bytes(b"half")
    (path_of(warehouse.folder, backup.name) / ".SHA256SUMS.part").write_bytes(b"half")
    assert warehouse.backups() == [backup]
    await warehouse.back_up()
    assert list(warehouse.folder.rglob("*.part")) == []


async def test_two_backups_at_once_are_one_and_the_other_is_told_who(warehouse: Warehouse) -> None:
    await warehouse.back_up()
    with (
        hold_folder(warehouse.folder, "ops drill", START, alone=False),
        hold_folder(warehouse.folder, "ops restore", START, alone=False),
        pytest.raises(FolderInUse, match=r"in use by ops restore \(process \d+ on .* since 2026-11-22 03:00:00 UTC\)"),
    ):
        await warehouse.back_up()
    with (
        hold_folder(warehouse.folder, "ops backup", START, alone=True),
        pytest.raises(FolderInUse, match="ops backup"),
        hold_folder(warehouse.folder, "ops drill", START, alone=False),
    ):
        pass
    # Who was there first notes in the ledger how it went; whoever came second would hide that.
    assert [result["passed"] for result in await warehouse.results()] == [True]


async def test_an_altered_payload_is_backed_up_by_nobody(
    warehouse: Warehouse, tamper: Callable[[str], Awaitable[None]]
) -> None:
    await warehouse.archive(3)
    await tamper("UPDATE archive.payload SET ticker = 'X' WHERE archive_seq = 2")
    with pytest.raises(DamagedPayload, match="payload 2"):
        await warehouse.back_up()
    assert warehouse.backups() == []
    assert "payload 2 is damaged" in str((await warehouse.results())[-1]["error"])


async def test_a_folder_that_lost_its_backups_is_told_of(warehouse: Warehouse) -> None:
    """Another disk is mounted there, or none."""
    made = await warehouse.back_up()
    assert made.folder_was_emptied is None
    shutil.rmtree(warehouse.folder)
    assert (await warehouse.back_up()).folder_was_emptied == START + dt.timedelta(days=7)


async def test_the_folder_above_must_be_there(warehouse: Warehouse) -> None:
    """A disk that is not mounted must not become a folder on the disk that is."""
    warehouse.folder = warehouse.folder / "warehouse"
    with pytest.raises(FolderUnusable, match="No such file or directory"):
        await warehouse.back_up()
    assert [result["passed"] for result in await warehouse.results()] == [False]
