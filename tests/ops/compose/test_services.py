"""The services of docker-compose.yml in its order, each as its own command line with its own environment and login.

What Docker adds (images, networks, limits, a file system that cannot be written) is not tried here.
"""

import asyncio
import shlex
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ops.compose.logins import PREFIX
from ops.install.crontab import parse_crontab, shipped_crontab
from tests.fake_polygon import FakePolygon
from tests.ingest.nights import vendor_of_today
from tests.ops.commands import Ended, get_json, run_command, start_command
from tests.ops.compose.composed import services
from tests.ops.compose.logins import ENVIRON, PASSWORDS, url_of


class Box:
    """The services with the settings of a box, all of them on this machine and on one database."""

    def __init__(self, settings: Mapping[str, str], base: Mapping[str, str], url: str, prefix: str, disk: Path) -> None:
        self._services: dict[str, Any] = services(**settings)
        self._base, self._url, self._prefix, self._disk = base, url, prefix, disk
        self.port = settings["API_PORT"]

    def environ(self, service: str) -> dict[str, str]:
        """Return the environment of a service, with this machine's addresses and folders in it."""
        given = self._services[service]["environment"]
        urls = {name: self._here(given[name]) for name in given if name.endswith("DATABASE_URL")}
        places = {"API_PORT": self.port, "RULES": "", "TMPDIR": str(self._disk), "WAREHOUSE_DATA": str(self._disk)}
        return {**self._base, **given, **urls, **places}

    async def run(self, service: str, *words: str) -> Ended:
        """Run a command in the environment of a service to its end."""
        return await run_command(self.environ(service), *self._words(words))

    async def health(self, service: str) -> int:
        """Return how the health check of a service ends."""
        return (await self.run(service, *self._services[service]["healthcheck"]["test"][1:])).code

    @asynccontextmanager
    async def started(self, service: str, event: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a service, and yield it once it has logged an event; it is stopped as Docker does."""
        process = await start_command(self.environ(service), *self._words(self._services[service]["command"]))
        try:
            await _logged(process, event)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    async def migrate(self) -> None:
        """Run what the service that runs once does; its logins get names of this test."""
        for line in self._services["migrate"]["command"][2].split("&&"):
            words = shlex.split(line)
            done = await self.run("migrate", *words, *(["--prefix", self._prefix] if "logins" in words else []))
            assert done.code == 0, done.err
            assert not [password for password in PASSWORDS.values() if password in done.out + done.err]

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [str(self._disk) if word == "/backup" else word for word in words]

    def _here(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.username is None or not parts.username.startswith(PREFIX):
            return self._url
        return url_of(self._url, self._prefix + parts.username.removeprefix(PREFIX), parts.password or "")


@pytest.fixture
async def vendor() -> AsyncIterator[FakePolygon]:
    """Yield a vendor of some months up to today."""
    async with vendor_of_today() as server:
        yield server


@pytest.fixture
def port() -> Iterator[str]:
    """Yield a port that is free, kept from others until the API binds it too."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


@pytest.fixture
def box(vendor: FakePolygon, port: str, command_environ: dict[str, str], prefix: str, tmp_path: Path) -> Box:
    """Return a box with an empty archive and no logins yet."""
    settings = ENVIRON | {
        "POSTGRES_PASSWORD": "owner-password",
        "POLYGON_API_KEY": vendor.key,
        "POLYGON_BASE_URL": vendor.url,
        "RATE_LIMIT_PER_MINUTE": "0",
        "UNIVERSE": "AAPL,MSFT",
        "BACKUP_DIR": str(tmp_path),
        "API_PORT": port,
    }
    return Box(settings, command_environ, command_environ["DATABASE_URL"], prefix, tmp_path)


async def test_every_service_does_its_job_with_its_own_login_and_its_health_check_knows(box: Box) -> None:
    await box.migrate()
    assert await box.health("ingest") == 1
    async with box.started("ingest", "ingest.night_done") as ingest:
        assert await box.health("ingest") == 0
        ingest.send_signal(signal.SIGTERM)
        assert await ingest.wait() == 0
    async with box.started("api", "api.listening"):
        assert await box.health("api") == 0
        answer = await get_json(f"http://127.0.0.1:{box.port}/api/v1/historical/AAPL")
        assert answer["symbol"] == "AAPL"
    async with box.started("backup", "ops.job_waits"):
        assert await box.health("backup") == 0
    for job in parse_crontab(shipped_crontab()):
        # A drill starts a server of its own; tests/ops/backup runs it.
        if job.name != "ops drill":
            done = await box.run("backup", *job.arguments(Path("/backup")))
            assert done.code == 0, done.err
    for service, command in {"projector": "project --rebuild", "owner": "api keys list"}.items():
        done = await box.run(service, *command.split())
        assert done.code == 0, done.err


async def _logged(process: asyncio.subprocess.Process, event: str) -> None:
    """Return once a command has logged an event."""
    assert process.stderr is not None
    said = []
    async for line in process.stderr:
        said.append(line.decode())
        if event in said[-1]:
            return
    raise AssertionError(f"it ended without {event}:\n{''.join(said)}")
