"""The services of docker-compose.yml in its order, each as its own command line with its own environment and login.

What Docker adds (images, networks, limits, a file system that cannot be written) is not tried here.
"""

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from archive.verify import verify_archive
from ops.compose.logins import PREFIX
from sql.connect import Role, open_pool
from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.ingest.nights import vendor_of_today
from tests.ops.commands import Ended, run_command, start_command
from tests.ops.compose.composed import services
from tests.ops.compose.logins import ENVIRON, url_of

KEY = "sk-vendor-0123456789"


class Box:
    """The services with the settings of a box, all of them on this machine and on one database."""

    def __init__(self, services: Mapping[str, Any], environ: Mapping[str, str], url: str, prefix: str, disk: Path) -> None:
        self._services, self._environ, self._url, self._prefix, self._disk = services, environ, url, prefix, disk

    def environ(self, service: str) -> dict[str, str]:
        """Return the environment of a service, with this machine's addresses and folders in it."""
        found = dict(self._environ)
        for name, value in self._services[service]["environment"].items():
            found[name] = self._here(value) if "DATABASE_URL" in name else value
        return found | {"API_PORT": self._environ["API_PORT"], "RULES": "", "TMPDIR": str(self._disk)}

    def words(self, line: list[str]) -> list[str]:
        """Return a command line with this machine's folder of backups in it."""
        return [str(self._disk) if word == "/backup" else word for word in line]

    async def run(self, service: str, *words: str) -> Ended:
        """Run a command in the environment of a service to its end."""
        return await run_command(self.environ(service), *self.words(list(words)))

    async def health(self, service: str) -> Ended:
        """Run the health check of a service."""
        return await self.run(service, *self._services[service]["healthcheck"]["test"][1:])

    @asynccontextmanager
    async def started(self, service: str, line: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a service, and yield it once it has logged `line`; it is stopped as Docker does."""
        words = self.words(self._services[service]["command"])
        process = await start_command(self.environ(service), *words)
        try:
            await _logged(process, line)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    def migrating(self) -> list[list[str]]:
        """Return the command lines of the service that runs once; its logins get the names of this test."""
        script = self._services["migrate"]["command"][2]
        lines = [shlex.split(line) for line in script.split("&&")]
        return [[*line, "--prefix", self._prefix] if line == ["ops", "logins"] else line for line in lines]

    def _here(self, url: str) -> str:
        user, password = urlsplit(url).username or "", urlsplit(url).password or ""
        if not user.startswith(PREFIX):
            return self._url
        return url_of(self._url, self._prefix + user.removeprefix(PREFIX), password)


@pytest.fixture
async def box(database_url: str, prefix: str, tmp_path: Path, unused_port: int) -> AsyncIterator[Box]:
    """Yield a box whose vendor has half a year of two symbols."""
    market = SyntheticMarket(7, ("AAPL", "MSFT"))
    async with vendor_of_today(market, KEY) as vendor:
        yield _box(vendor, database_url, prefix, tmp_path, unused_port)


def _box(vendor: FakePolygon, database_url: str, prefix: str, disk: Path, port: int) -> Box:
    raise NotImplementedError
