"""`ops backup`, `ops backups` and `ops key` as a person or cron runs them, and what a box does to them meanwhile."""

import asyncio
import json
import re
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from archive.errors import FileNotWritten
from ops.backup.errors import FolderUnusable
from ops.backup.folder import hold_folder
from sql.connect import open_owner
from tests.command import complaint, run_command
from tests.ops.backup.making import START, Warehouse, flip
from tests.ops.commands import start_command

SUMMARY = re.compile(
    r"backup \d{4}-\d\d-\d\dT\d{6}Z: 4 payloads, 4 of them new; 4 bars; [\d,]+ bytes new, in \d+\.\d s; "
    r"1 good kept, 0 removed; [\d,]+ MB free in /.*"
)


@pytest.fixture
async def warehouse(database_url: str, tmp_path: Path) -> Warehouse:
    """Return a warehouse with a projection."""
    warehouse = Warehouse(database_url, tmp_path / "usb")
    await warehouse.archive(4)
    await warehouse.project()
    return warehouse


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a disk of 100 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@asynccontextmanager
async def _stuck(warehouse: Warehouse, environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yield a backup that has dumped the projection and waits to seal the archive."""
    async with open_owner(warehouse.url) as owner, owner.transaction():
        await owner.execute("LOCK TABLE archive.seal IN SHARE MODE")
        process = await start_command(environ, "ops", "backup", str(warehouse.folder))
        while not await _waits(owner):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        yield process
        await process.communicate()


async def _waits(owner: asyncpg.Connection) -> bool:
    waits: bool = await owner.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'archive.seal'::regclass AND NOT granted)"
    )
    return waits


async def test_a_backup_is_made_listed_and_checked(warehouse: Warehouse, command_environ: dict[str, str]) -> None:
    done = run_command(command_environ, "ops", "backup", BACKUP_DIR=str(warehouse.folder))
    assert (done.returncode, done.stderr) == (0, b"")
    assert SUMMARY.fullmatch(done.stdout.decode().splitlines()[-1]), done.stdout
    [result] = await warehouse.results()
    [backup] = warehouse.backups()
    assert (result["passed"], result["name"], result["head"]) == (True, backup.name, 4)
    assert (result["new_payloads"], result["bars"]) == (4, 4)
    listed = run_command(command_environ, "ops", "backups", str(warehouse.folder), "--check")
    assert listed.returncode == 0
    assert backup.name in listed.stdout.decode()
    assert "all proved" in listed.stdout.decode()
    flip(warehouse.folder / "archive" / backup.archive.segments[0].file, 800)
    listed = run_command(command_environ, "ops", "backups", str(warehouse.folder), "--check", "--json")
    assert listed.returncode == 1
    assert backup.archive.segments[0].file in listed.stderr.decode()
    facts = json.loads(listed.stdout)
    assert [each["name"] for each in facts["backups"]] == [backup.name]
    assert [each["file"] for each in facts["damaged"]] == [f"archive/{backup.archive.segments[0].file}"]


async def test_a_key_is_made_and_used(warehouse: Warehouse, command_environ: dict[str, str], tmp_path: Path) -> None:
    made = run_command(command_environ, "ops", "key", "my key")
    recipient = made.stdout.decode().splitlines()[-1]
    assert recipient.startswith("age1")
    assert b"AGE-SECRET-KEY" not in made.stdout + made.stderr
    (tmp_path / "recipient").write_text(f"{recipient}\n")
    environ = command_environ | {"BACKUP_KEY_FILE": "recipient"}
    done = run_command(environ, "ops", "backup", str(warehouse.folder), "--no-projection", "--json")
    facts = json.loads(done.stdout)
    assert (facts["encrypted_to"], facts["projection_bytes"]) == (recipient, 0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["backup"], 2, "Missing argument 'DIR'"),
        (["backup", ""], 2, "Invalid value for 'DIR': it is empty"),
        (["backup", "file"], 2, "Directory .*file' is a file"),
        (["backup", "no/usb"], 1, r"backup folder .*/no/usb: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_what_cannot_be_is_said_in_a_line(
    command_environ: dict[str, str], tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    (tmp_path / "file").touch()
    done = run_command(command_environ, "ops", *words)
    assert re.search(said, complaint(done))
    assert done.returncode == code


async def test_a_login_that_may_only_make_backups_makes_one(
    warehouse: Warehouse, command_environ: dict[str, str]
) -> None:
    login = f"backup_{uuid.uuid4().hex[:8]}"
    async with open_owner(warehouse.url) as owner:
        await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'only-here'")
        try:
            await owner.execute(f"GRANT warehouse_backup TO {login}")
            done = run_command(
                command_environ, "ops", "backup", str(warehouse.folder), DATABASE_URL=_as_user(warehouse.url, login)
            )
        finally:
            await owner.execute(f"DROP ROLE {login}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert SUMMARY.fullmatch(done.stdout.decode().splitlines()[-1])
    assert [result["passed"] for result in await warehouse.results()] == [True]


async def test_of_two_backups_one_waits_for_nobody_and_sigterm_leaves_nothing_half(
    warehouse: Warehouse, command_environ: dict[str, str]
) -> None:
    async with _stuck(warehouse, command_environ) as first:
        second = run_command(command_environ, "ops", "backup", str(warehouse.folder))
        assert second.returncode == 1
        assert f"in use by ops backup (process {first.pid} on " in complaint(second)
        first.send_signal(signal.SIGTERM)
        _, said = await first.communicate()
        assert first.returncode == 1
        assert said.decode().startswith("error: stopped by SIGTERM")
    assert list((warehouse.folder / "backups").iterdir()) == []
    [result] = await warehouse.results()
    assert result["passed"] is False
    assert "stopped by a signal" in str(result["error"])


async def test_a_killed_backup_is_none_and_the_next_one_is_whole(
    warehouse: Warehouse, command_environ: dict[str, str]
) -> None:
    async with _stuck(warehouse, command_environ) as process:
        process.kill()
    [half] = (warehouse.folder / "backups").iterdir()
    assert half.name.endswith(".part")
    assert (half / "projection" / "bar.copy.zst").exists()
    assert warehouse.backups() == []
    done = run_command(command_environ, "ops", "backup", str(warehouse.folder))
    assert SUMMARY.fullmatch(done.stdout.decode().splitlines()[-1])
    assert not half.exists()
    assert len(warehouse.backups()) == 1


async def test_a_disk_that_fills_up_in_the_middle_is_named_and_the_next_backup_is_whole(
    warehouse: Warehouse, small_disk: Path
) -> None:
    await warehouse.archive(5, noise=True)
    warehouse.folder = small_disk
    with pytest.raises(FileNotWritten, match=r"payloads-0000000001-0000000009\.tar cannot be written: No space left"):
        await warehouse.back_up()
    assert warehouse.backups() == []
    assert {path.name for path in small_disk.rglob("*") if path.is_file()} == {".lock"}
    assert "No space left on device" in str((await warehouse.results())[-1]["error"])
    subprocess.run(["mount", "-o", "remount,size=10m", small_disk], check=True)
    assert (await warehouse.back_up()).head == 9


async def test_a_folder_that_became_read_only_is_named_and_can_still_be_read(
    warehouse: Warehouse, small_disk: Path
) -> None:
    warehouse.folder = small_disk
    await warehouse.back_up()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(FolderUnusable, match=f"{small_disk}: cannot be written: Read-only file system"):
        await warehouse.back_up()
    assert [result["passed"] for result in await warehouse.results()] == [True, False]
    with hold_folder(small_disk, "ops drill", START, alone=False):
        assert len(warehouse.backups()) == 1


def _as_user(url: str, login: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{login}:only-here@{place}"))
