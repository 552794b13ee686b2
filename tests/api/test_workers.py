"""Several processes at one socket: they share the work and the limits, heal, and end together."""

import asyncio
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest

from api.access.key import make_key
from api.access.policy import Access
from api.access.store import add_key
from api.serve import listen
from api.settings import ApiSettings
from api.workers import NeverStarted, serve_by_workers
from sql.connect import Role, open_pool
from tests.api.market import NOW
from tests.api.test_serve import command, free_port
from tests.processes import children_running

WITHIN_S = 60
PER_MINUTE = 4


class Served:
    """`api --workers 2` as it runs."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, key: str) -> None:
        self.process = process
        self.parent = psutil.Process(process.pid)
        self.origin = f"http://127.0.0.1:{port}"
        self.headers = {"X-API-Key": key}

    def workers(self) -> list[psutil.Process]:
        """Return the workers that live."""
        return children_running("api.worker", self.parent)

    async def ask(self, path: str) -> int:
        """Return the status that a new connection gets, or 0 where nobody answers."""
        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        try:
            async with (
                aiohttp.ClientSession(headers=self.headers, timeout=timeout) as session,
                session.get(self.origin + path) as response,
            ):
                return response.status
        except aiohttp.ClientConnectionError:
            return 0

    async def both_answer(self) -> None:
        """Wait until there are two workers and each of them answers alone."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.workers()) != 2:
                await asyncio.sleep(0.05)
            while await self.ask("/health") != 200:
                await asyncio.sleep(0.05)
        for other in self.workers():
            with stopped(other):
                assert await self.ask("/health") == 200


class stopped:
    """A process that stands still."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process

    def __enter__(self) -> None:
        self.process.suspend()

    def __exit__(self, *_: object) -> None:
        self.process.resume()


@asynccontextmanager
async def two_workers(environ: dict[str, str]) -> AsyncIterator[Served]:
    """Yield `api --workers 2` that asks for keys, with a key of PER_MINUTE requests."""
    key = make_key()
    async with open_pool(environ["DATABASE_URL"], Role.ACCESS, size=1) as pool:
        await add_key(pool, key, "test", PER_MINUTE, NOW)
    port = free_port()
    folders = {"TMPDIR": environ["HOME"], "API_PORT": str(port), "LOG_LEVEL": "INFO"}
    process = await command(environ | folders, "--workers", "2", "--require-keys")
    try:
        yield Served(process, port, key.text)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_workers_share_the_limits_heal_and_end_together(
    command_environ: dict[str, str], owner: asyncpg.Connection
) -> None:
    async with two_workers(command_environ) as served:
        await served.both_answer()
        password = command_environ["DATABASE_URL"]
        assert all(password not in " ".join(each.cmdline()) for each in (served.parent, *served.workers()))

        began = time.monotonic()
        statuses = []
        for standing in served.workers():
            with stopped(standing):
                statuses += [await served.ask("/nothing") for _ in range(PER_MINUTE)]
        brought_back = (time.monotonic() - began) * PER_MINUTE / 60
        assert statuses[0] == 404
        assert PER_MINUTE <= statuses.count(404) <= PER_MINUTE + brought_back
        assert set(statuses) == {404, 429}

        served.workers()[0].kill()
        await served.both_answer()

        workers = served.workers()
        async with owner.transaction():
            await owner.execute("LOCK TABLE access.api_key IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(1.1)  # what is remembered of the keys is too old now
            waiting = asyncio.create_task(served.ask("/nothing"))
            async with asyncio.timeout(WITHIN_S):
                while not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                    await asyncio.sleep(0.02)
            served.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
        assert await waiting in (404, 429), "a request under way was not finished"
        out, err = await asyncio.wait_for(served.process.communicate(), WITHIN_S)
    assert served.process.returncode == 0
    assert psutil.wait_procs(workers, timeout=WITHIN_S)[1] == []
    assert out == b""
    _check_log(err.decode())
    assert list(Path(command_environ["HOME"]).glob("warehouse-api-*")) == []


def _check_log(log: str) -> None:
    lines = log.splitlines()
    assert "keys=required workers=2" in lines[0]
    assert any("WARNING api.worker_ended" in line and "code=-9" in line for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) api\.\w+( \w+=\S*)+$", line) for line in lines)
    assert "mdw_" not in log


async def test_workers_leave_when_their_parent_is_killed(command_environ: dict[str, str]) -> None:
    async with two_workers(command_environ) as served:
        await served.both_answer()
        workers = served.workers()
        served.process.kill()
        assert (await asyncio.to_thread(psutil.wait_procs, workers, WITHIN_S))[1] == []
        assert await served.ask("/health") == 0


async def test_an_application_that_never_starts_is_not_tried_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"postgresql://127.0.0.1:{taken.getsockname()[1]}/warehouse"
    with listen(ApiSettings("127.0.0.1", free_port())) as listener, pytest.raises(NeverStarted):
        await serve_by_workers(nowhere, Access(), listener, 2)
