"""The embedded server: up in any usable folder, shared by processes, back after a kill, and clear about the rest.

Every server here is used from processes of its own, since a process holds its server until it ends.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.embedded import start_embedded
from sql.errors import DatabaseError, EmbeddedServerError
from sql.migrate import migrate, read_migrations
from tests.command import complaint, run_command

_HOLD = """
import sys
from pathlib import Path
from sql.embedded import start_embedded
print(start_embedded(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
_LIVE_SERVER = "{pid}\n{cluster}\n1795332666\n5432\n{cluster}\n\n  2310161     65578\nready   \n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield an empty folder that the user of a server can reach, which pytest's own may not be."""
    with tempfile.TemporaryDirectory(prefix="warehouse-embedded-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def stopped() -> Iterator[Path]:
    """Yield the folder of a server that was made, holds a table with one row, and was stopped."""
    with tempfile.TemporaryDirectory(prefix="warehouse-embedded-", ignore_cleanup_errors=True) as name:
        with _held(Path(name)) as url:
            asyncio.run(_execute(url, "CREATE TABLE kept AS SELECT 42 AS answer"))
        yield Path(name)


def test_a_fresh_folder_of_any_alphabet_becomes_a_server_with_settings_fit_for_a_warehouse(folder: Path) -> None:
    with _held(folder / "not" / "there" / "Bücher_2026.v1~old=x@y:z-ß") as url:
        assert str(asyncio.run(_value(url, "SHOW server_version_num"))).startswith("18")
        assert asyncio.run(_value(url, "SHOW shared_buffers")) == "256MB"
        assert asyncio.run(_value(url, "SHOW log_timezone")) == "UTC"


def test_the_server_stops_with_the_last_process_that_uses_it(stopped: Path) -> None:
    with _held(stopped) as first:
        with _held(stopped) as second:
            assert first == second
        assert asyncio.run(_value(first, "SELECT answer FROM kept")) == 42
    assert not _pid_file(stopped).exists()


def test_one_who_was_killed_is_not_waited_for(stopped: Path) -> None:
    killed = _hold(stopped)
    _url(killed)
    killed.kill()
    killed.communicate()
    with _held(stopped):
        pass
    assert not _pid_file(stopped).exists()


def test_processes_that_come_at_once_share_one_server(folder: Path) -> None:
    processes = [_hold(folder) for _ in range(3)]
    urls = {_url(process) for process in processes}
    for process in processes:
        _let_go(process)
    assert len(urls) == 1


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "left_over",
    ["", "4242", "4242\n/tmp", "no number\n" * 8, _LIVE_SERVER],
    ids=["empty", "cut short", "cut later", "garbage", "whole"],
)
def test_a_pid_file_that_a_dead_machine_left_behind_is_no_obstacle(stopped: Path, left_over: str) -> None:
    _pid_file(stopped).write_text(left_over.format(pid=_dead_pid(), cluster=stopped / "postgres"))
    with _held(stopped) as url:
        assert asyncio.run(_value(url, "SELECT answer FROM kept")) == 42


def test_a_pid_file_that_names_another_programs_process_is_no_obstacle(stopped: Path) -> None:
    _pid_file(stopped).write_text(_LIVE_SERVER.format(pid=os.getpid(), cluster=stopped / "postgres"))
    with _held(stopped) as url:
        assert asyncio.run(_value(url, "SELECT answer FROM kept")) == 42


def test_a_pid_file_that_names_a_process_of_another_server_is_no_obstacle(stopped: Path, server_url: str) -> None:
    """After a reboot the number may belong to any server of the machine, which must not be taken for ours."""
    launcher = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum launcher'"
    pid = asyncio.run(_value(server_url, launcher))
    if not isinstance(pid, int) or not psutil.pid_exists(pid):
        pytest.skip("the server of the tests does not run on this machine")
    _pid_file(stopped).write_text(_LIVE_SERVER.format(pid=pid, cluster=stopped / "postgres"))
    with _held(stopped) as url:
        assert asyncio.run(_value(url, "SELECT answer FROM kept")) == 42
    assert psutil.pid_exists(pid)


def test_committed_rows_survive_the_kill_of_the_server(stopped: Path) -> None:
    with _held(stopped) as url:
        asyncio.run(_execute(url, "CREATE TABLE many (n integer)", "INSERT INTO many SELECT generate_series(1, 500)"))
        os.kill(int(_pid_file(stopped).read_text().split("\n", 1)[0]), signal.SIGKILL)
    with _held(stopped) as url:
        assert asyncio.run(_value(url, "SELECT count(*) FROM many")) == 500


def test_a_kill_while_the_server_is_made_leaves_no_half_made_one(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdin=-1, stdout=-1, stderr=-1, start_new_session=True
    )
    while not list(folder.glob("*/PG_VERSION")):
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    with _held(folder) as url:
        assert asyncio.run(_value(url, "SHOW shared_buffers")) == "256MB"
    assert sorted(path.name for path in folder.iterdir()) == ["postgres", "postgres.lock"]


def test_data_of_a_newer_server_is_refused_with_both_versions(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("99\n")
    assert "the data is of PostgreSQL 99, this software brings 18" in _refusal(folder)


def test_a_file_in_the_place_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "warehouse").write_text("")
    assert "cannot make the folder: File exists" in _refusal(folder / "warehouse")


def test_a_file_in_the_place_of_the_servers_folder_is_refused(folder: Path) -> None:
    (folder / "postgres").write_text("")
    assert "File exists" in _refusal(folder)


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    assert "cannot make the folder" in _refusal(Path("/proc/warehouse"))


def test_a_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    with _read_only(folder):
        assert "cannot write there; point WAREHOUSE_DATA at a folder of yours" in _refusal(folder)


def test_a_full_disk_is_refused_with_what_is_free_and_what_is_needed(folder: Path) -> None:
    with _mounted(folder, "size=1m"):
        assert "disk is full: 1 MB are free, 200 MB are needed" in _refusal(folder)


@pytest.mark.parametrize("name", ["market data", "a+b", "a&b", "100%41", "a'b", "a,b", "$HOME", "a;b"])
def test_a_path_that_the_server_cannot_be_told_is_refused(folder: Path, name: str) -> None:
    assert "its path may hold letters, digits and . _ - ~ @ : = only" in _refusal(folder / name)
    assert list(folder.iterdir()) == []


def test_a_server_that_does_not_start_says_why_in_its_own_words(stopped: Path) -> None:
    config = stopped / "postgres" / "postgresql.auto.conf"
    text = config.read_text()
    config.write_text(text + "no_such_setting = 1\n")
    try:
        message = _refusal(stopped)
    finally:
        config.write_text(text)
    assert "it did not start: " in message
    assert "FATAL" in message
    assert str(stopped / "postgres" / "log") in message


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("global/pg_control", 'pg_ctl: error: could not open file "{path}" for reading: Permission denied (log: '),
        ("log", "cannot create {path}: Permission denied (log: "),
    ],
)
def test_a_file_that_the_server_may_not_open_is_named(stopped: Path, file: str, said: str) -> None:
    """Also where the log ends with a complaint of long ago, and the server wrote nothing into it."""
    if os.geteuid() != 0:
        pytest.skip("only root has its server run as another user")
    path = stopped / "postgres" / file
    found = path.stat()
    log = stopped / "postgres" / "log"
    log.write_text(f"{log.read_text()}2026-01-01 00:00:00 UTC [1] FATAL:  of long ago\n")
    os.chown(path, 0, 0)
    path.chmod(0o600)
    try:
        assert said.format(path=path) in _refusal(stopped)
    finally:
        os.chown(path, found.st_uid, found.st_gid)
        path.chmod(found.st_mode)


def test_what_the_server_says_before_it_has_a_log_is_shown_too(stopped: Path) -> None:
    config, aside = stopped / "postgres" / "postgresql.conf", stopped / "aside"
    config.rename(aside)
    try:
        assert f'could not access the server configuration file "{config}": No such' in _refusal(stopped)
    finally:
        aside.rename(config)


def test_a_command_says_in_one_line_that_the_server_cannot_start(tmp_path_environ: dict[str, str]) -> None:
    done = run_command(tmp_path_environ, "archive", "stats", WAREHOUSE_DATA="/proc/warehouse")
    assert done.returncode == 1
    assert complaint(done).startswith("error: embedded PostgreSQL in /proc/warehouse: cannot make the folder")


def test_a_server_is_no_warehouse_until_it_is_migrated(stopped: Path) -> None:
    """Only on a server that never had a warehouse are the roles missing, and made by two migrations at once."""
    with _held(stopped) as url:
        asyncio.run(_migrate_twice_at_once(url))


async def _migrate_twice_at_once(url: str) -> None:
    with pytest.raises(DatabaseError, match="is not a warehouse yet"):
        async with open_pool(url, Role.READ):
            pass
    await _execute(url, "CREATE DATABASE one", "CREATE DATABASE two")
    urls = [url.replace("/postgres?", f"/{name}?") for name in ("one", "two")]
    await asyncio.gather(*map(_migrate, urls))
    for each in urls:
        async with open_pool(each, Role.READ) as pool:
            assert await pool.fetchval("SELECT count(*) FROM public.warehouse_migration") == len(read_migrations())


async def _migrate(url: str) -> None:
    async with open_owner(url) as owner:
        await migrate(owner)


@contextmanager
def _held(folder: Path) -> Iterator[str]:
    process = _hold(folder)
    try:
        yield _url(process)
    finally:
        _let_go(process)


def _hold(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    url = process.stdout.readline().strip()
    return url or pytest.fail(process.stderr.read())


def _let_go(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


def _pid_file(folder: Path) -> Path:
    return folder / "postgres" / "postmaster.pid"


def _refusal(folder: Path) -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        start_embedded(folder)
    assert caught.value.folder == folder
    assert "\n" not in str(caught.value)
    return str(caught.value)


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    if os.geteuid() == 0:  # permissions do not bind root
        with _mounted(folder, "ro"):
            yield
        return
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
