"""`ops database`: the embedded server lives as long as it does, whoever comes and goes meanwhile."""

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from ops.install.settings_file import embedded_url
from tests.command import complaint, run_command
from tests.ops.commands import run_command as run_to_its_end
from tests.ops.commands import start_command

Environ = dict[str, str]


@pytest.fixture(scope="module")
def environ() -> Iterator[Environ]:
    """Yield the environment of commands with an embedded server of their own, with a path as short as a service's."""
    with tempfile.TemporaryDirectory(prefix="warehouse-tests-", ignore_cleanup_errors=True) as folder:
        yield {"PATH": os.environ["PATH"], "HOME": folder, "WAREHOUSE_DATA": f"{folder}/data"}


async def _held(environ: Environ) -> asyncio.subprocess.Process:
    """Start the command as systemd does, and return once it has said that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, tempfile.TemporaryDirectory() as folder:
        listener.bind(f"{folder}/notify")
        listener.setblocking(False)
        process = await start_command({**environ, "NOTIFY_SOCKET": f"{folder}/notify"}, "ops", "database")
        said = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(listener, 100))
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({said, ended}, return_when=asyncio.FIRST_COMPLETED)
        assert said.done(), await process.communicate()
        ended.cancel()
        assert said.result() == b"READY=1"
        return process


def _postmaster(environ: Environ) -> psutil.Process:
    pid_file = Path(environ["WAREHOUSE_DATA"], "postgres", "postmaster.pid")
    return psutil.Process(int(pid_file.read_text().splitlines()[0]))


async def test_the_server_is_up_when_it_says_so_outlives_its_users_and_stops_with_it(environ: Environ) -> None:
    process = await _held(environ)
    url = embedded_url(Path(environ["WAREHOUSE_DATA"]))
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT 1") == 1
    server = _postmaster(environ)

    # A person at a shell, who joins by the data folder, and a service, which knows the URL only.
    for other in (environ, {**environ, "DATABASE_URL": url, "WAREHOUSE_DATA": "/nowhere"}):
        ended = await run_to_its_end(other, "ops", "migrate")
        assert ended.code == 0, ended.err
        assert server.is_running()

    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 0, err
    assert not server.is_running()
    assert not Path(environ["WAREHOUSE_DATA"], "postgres", "postmaster.pid").exists(), (
        "it was not stopped in good order"
    )
    connection.terminate()


async def test_it_fails_when_the_server_dies_so_that_systemd_starts_both_again(environ: Environ) -> None:
    process = await _held(environ)
    _postmaster(environ).kill()
    _, err = await process.communicate()
    assert process.returncode == 1
    assert f"error: the embedded server of {environ['WAREHOUSE_DATA']} has ended" in err.decode()


def test_with_a_database_of_ones_own_there_is_none_to_hold(environ: Environ) -> None:
    said = complaint(run_command(environ, "ops", "database", DATABASE_URL="postgresql://h/d"))
    assert "DATABASE_URL is set" in said
