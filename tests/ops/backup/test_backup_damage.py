"""Damage of every kind to every kind of file of a backup: it is found, and the file is named."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.backup.encryption import make_key
from ops.backup.errors import DamagedBackup, FolderUnusable, UnknownFormat
from ops.backup.folder import Checker, check_backup, find_damage, list_backups, path_of, read_backup
from tests.ops.backup.backed_up import a_database
from tests.ops.backup.making import START, Warehouse, coreutils_agree, flip

FILES = {
    "backup.json": "backup.json",
    "SHA256SUMS": "SHA256SUMS",
    "ledger": "ledger.json.zst",
    "keys": "keys.json.zst",
    "projection": "projection/bar.copy.zst",
    "segment": "../../archive/payloads-0000000001-0000000003.tar",
}


@pytest.fixture(scope="module")
async def whole(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Path]]:
    """Yield two folders with a backup each, a plain and an encrypted one, to copy."""
    folder = tmp_path_factory.mktemp("whole")
    async with a_database(server_url, template) as url:
        plain = Warehouse(url, folder / "plain")
        await plain.archive(3)
        await plain.project()
        await plain.back_up()
        encrypted = Warehouse(url, folder / "encrypted")
        await encrypted.back_up(key=make_key(folder / "key", START))
    yield {"plain": plain.folder, "encrypted": encrypted.folder}


def _found(folder: Path) -> list[DamagedBackup]:
    [home] = list_backups(folder)
    try:
        return list(find_damage(folder, read_backup(home)))
    except DamagedBackup as damage:
        return [damage]


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
@pytest.mark.parametrize("damage", ["bit flipped", "cut short", "removed"])
@pytest.mark.parametrize("file", FILES.values(), ids=FILES.keys())
def test_a_damaged_file_is_named(whole: dict[str, Path], tmp_path: Path, kind: str, file: str, damage: str) -> None:
    folder = tmp_path / "usb"
    shutil.copytree(whole[kind], folder)
    [home] = list_backups(folder)
    backup = read_backup(home)
    check_backup(folder, backup)
    damaged = home / file
    if not damaged.exists():
        damaged = damaged.with_name(f"{damaged.name}.age")
    match damage:
        case "bit flipped":
            flip(damaged, damaged.stat().st_size // 2)
        case "cut short":
            damaged.write_bytes(damaged.read_bytes()[:-9])
        case "removed":
            damaged.unlink()
    [found] = _found(folder)
    assert found.name == backup.name
    assert found.file.endswith(damaged.name)
    assert backup.name in str(found)
    assert not coreutils_agree(folder, backup)


def test_every_damaged_file_is_found_and_each_is_read_once(whole: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    shutil.copytree(whole["plain"], folder)
    [home] = list_backups(folder)
    for name in ("ledger.json.zst", "projection/bar.copy.zst"):
        flip(home / name, 3)
    checker = Checker()
    assert [damage.file for damage in find_damage(folder, read_backup(home), checker)] == [
        "ledger.json.zst",
        "projection/bar.copy.zst",
    ]
    shutil.rmtree(folder / "archive")
    assert len(list(find_damage(folder, read_backup(home), checker))) == 2


def test_where_two_files_disagree_both_are_named(whole: dict[str, Path], tmp_path: Path) -> None:
    """A bit of the hash of backup.json: which of the two was altered, nobody can tell."""
    folder = tmp_path / "usb"
    shutil.copytree(whole["plain"], folder)
    [home] = list_backups(folder)
    flip(home / "SHA256SUMS", 0)
    with pytest.raises(DamagedBackup, match=r"backup\.json: its SHA-256 is not the one in SHA256SUMS"):
        read_backup(home)


def test_a_folder_that_is_not_there_is_asked_for_its_disk(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable, match=f"{tmp_path}/no: is not there; is its disk mounted"):
        list_backups(tmp_path / "no")


def test_a_renamed_backup_is_refused(whole: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    shutil.copytree(whole["plain"], folder)
    [home] = list_backups(folder)
    renamed = path_of(folder, "2030-01-01T000000Z")
    home.rename(renamed)
    with pytest.raises(DamagedBackup, match="was the folder renamed"):
        read_backup(renamed)


def test_a_backup_of_newer_software_is_not_called_damaged(whole: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    shutil.copytree(whole["plain"], folder)
    [home] = list_backups(folder)
    text = (home / "backup.json").read_bytes()
    sums = (home / "SHA256SUMS").read_text()
    newer = b'{"format": 2, "surprise": true}'
    (home / "backup.json").write_bytes(newer)
    (home / "SHA256SUMS").write_text(sums.replace(_sha256(text), _sha256(newer)))
    with pytest.raises(UnknownFormat, match="has format 2, this software reads 1"):
        read_backup(home)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
