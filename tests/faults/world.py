"""A warehouse under load on a machine of its own: the vendor answers, clients read, commands run, and things are hit.

It knows how to run, hit, mend and count; what befalls the machine is told in told.py, and what must be true after it
in test_faults.py.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import psutil

from tests.api.test_serve import free_port
from tests.chaos.forks import Ended, Forks, Running
from tests.chaos.scenario import Place
from tests.fake_polygon import FakePolygon, Plan
from tests.faults.clock import Clock
from tests.faults.disk import SmallDisk
from tests.faults.machine import Machine
from tests.faults.readers import Answer, Readers, reading
from tests.faults.tally import Tally
from tests.processes import children_running

KEY = "sk-faults-0123456789"
_READERS = 3
_GLANCE_S = 0.003
_WITHIN_S = 60.0
_TRIES = 5
_ARCHIVED_LINE = re.compile(
    r"ingest\.payload_archived endpoint=(\S+) ticker=(\S+) archive_seq=(\d+) .*body_bytes=(\d+)"
)
_ARCHIVED = "SELECT endpoint, ticker, body_bytes FROM archive.payload WHERE archive_seq = $1"
_LOCKS = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
"""
_NEXT_IS_THERE = "SELECT to_regnamespace('projection_next') IS NOT NULL"


class Whole(msgspec.Struct, frozen=True):
    """What a warehouse is that was never disturbed: its content hash, and what it answers."""

    content_hash: str
    answers: Mapping[str, Answer]


class World:
    """One warehouse, its vendor and its readers. Get one from `open_world`."""

    def __init__(
        self,
        place: Place,
        machine: Machine,
        vendor: FakePolygon,
        forks: Forks,
        environ: Mapping[str, str],
        targets: Sequence[str],
        tally: Tally,
    ) -> None:
        self.place, self.machine, self.vendor, self.tally = place, machine, vendor, tally
        self.clock: Clock | None = None
        self.disk: SmallDisk | None = None
        self.backup_disk: SmallDisk | None = None
        self.said: list[str] = []
        self.home = Path()
        self._forks, self._environ = forks, dict(environ)
        self._port = free_port()
        self._started: list[Running] = []
        self.api: Running | None = None
        self.readers = Readers(f"http://127.0.0.1:{self._port}", targets)

    async def start(self, *words: str, **settings: str) -> Running:
        """Start a command line."""
        running = await self._forks.start({**self._environ, **settings}, *words)
        self._started.append(running)
        return running

    async def run(self, *words: str, **settings: str) -> Ended:
        """Run a command line to its end, which must be a clean one."""
        return await self.end(await self.start(*words, **settings))

    async def nightly(self, *options: str, **settings: str) -> Running:
        """Start `ingest nightly` for all that the place wants."""
        return await self.start("ingest", "nightly", "--symbols", self.place.goal.universe, *options, **settings)

    def clean(self, ended: Ended) -> Ended:
        """Return how a command ended, having seen that it did so as a command of ours may."""
        said = ended.said.strip().splitlines()
        assert ended.code in (0, 1, -9), (ended.code, said[-20:])
        assert "Traceback" not in ended.said, said[-60:]
        assert KEY not in ended.said
        assert ended.code != 1 or said[-1].startswith("error: "), said[-20:]
        return ended

    async def end(self, running: Running) -> Ended:
        """Wait until a command has ended, cleanly."""
        return self.clean(await self._over(running))

    async def _over(self, running: Running) -> Ended:
        try:
            return await asyncio.wait_for(running.end(), _WITHIN_S)
        except TimeoutError:
            # It says where it is.
            os.kill(running.pid, signal.SIGUSR1)
            await asyncio.sleep(1)
            raise AssertionError(f"a command does not end: {running.said[-4000:]}") from None

    async def kill(self, running: Running) -> None:
        """Send SIGKILL to a command and see how long its locks outlive it."""
        if not running.is_over:
            self.tally.injected += 1
        running.kill()
        await running.end()

    async def asked(self, requests: int, running: Running, since: int) -> None:
        """Wait until so many requests have reached the vendor since, or a command is over."""
        await self._until(lambda: len(self.vendor.requests) >= since + requests or running.is_over)

    async def next_is_there(self, running: Running) -> None:
        """Wait until a rebuild has begun to fill the next generation, or is over."""
        async with self.observer() as connection:
            while not running.is_over and not await connection.fetchval(_NEXT_IS_THERE):
                await asyncio.sleep(_GLANCE_S)

    async def locks_are_free(self) -> None:
        """Wait until nobody holds a lock any more, and note how long that took."""
        began = time.monotonic()
        async with self.observer() as connection, asyncio.timeout(_WITHIN_S):
            while await connection.fetchval(_LOCKS):
                await asyncio.sleep(_GLANCE_S)
        self.tally.lock_s = max(self.tally.lock_s, time.monotonic() - began)

    @asynccontextmanager
    async def observer(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection of nobody of the product, as soon as the server lets one in."""
        async with asyncio.timeout(_WITHIN_S):
            connection = await self._connect()
        try:
            yield connection
        finally:
            connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        while True:
            try:
                return await asyncpg.connect(self.machine.url, timeout=10)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.05)

    async def api_is_up(self, *options: str, **settings: str) -> None:
        """Start the API, again if it is gone, as a service manager does, and wait until it answers."""
        if self.api is None or self.api.is_over:
            await self._until_port_is_free()
            self.api = await self.start("api", *options, API_PORT=str(self._port), LOG_LEVEL="INFO", **settings)
        async with asyncio.timeout(_WITHIN_S), aiohttp.ClientSession() as session:
            while not await self._is_healthy(session):
                assert not self.api.is_over, self.api.said
                await asyncio.sleep(0.02)

    async def api_moves(self, **settings: str) -> None:
        """Stop the API and serve it again with other settings."""
        assert self.api is not None
        self.api.kill_with_children()
        await self.api.end()
        await self.api_is_up(**settings)

    def kill_a_worker(self, choice: int) -> None:
        """Send SIGKILL to one of the API's workers, if there is one at this moment."""
        assert self.api is not None
        with suppress(psutil.Error):
            workers = children_running("api.worker", psutil.Process(self.api.pid))
            if workers:
                workers[choice % len(workers)].kill()
                self.tally.injected += 1

    async def _is_healthy(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.readers.origin}/health") as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def _until_port_is_free(self) -> None:
        """Workers whose parent was killed leave by themselves."""
        async with asyncio.timeout(_WITHIN_S):
            while any(
                each.laddr and each.laddr.port == self._port and each.status == psutil.CONN_LISTEN
                for each in psutil.net_connections("tcp4")
            ):
                await asyncio.sleep(0.05)

    async def succeed(self, *words: str) -> str:
        """Run a command that must succeed; each further try is a mend that a person would have to make."""
        for _ in range(_TRIES):
            ended = await self.run(*words)
            if ended.code == 0:
                return ended.said
            self.said.append(f"{' '.join(words)}: {ended.said.strip().splitlines()[-1]}")
            self.tally.mends += 1
            await asyncio.sleep(0.5)
        raise AssertionError(f"{words} does not succeed: {ended.said}")

    async def one_clean_run(self) -> str:
        """Let one run do all that is left and project it; return the content hash."""
        universe = self.place.goal.universe
        await self.succeed("ingest", "nightly", "--no-project", "--symbols", universe)
        return await self.projected()

    async def projected(self, *options: str) -> str:
        """Project, and return the content hash."""
        said = await self.succeed("project", *options, "--json")
        # A log line may stand before the facts, on the other stream.
        return str(json.loads(said[said.index("{\n") :])["content_hash"])

    async def told(self, session: aiohttp.ClientSession) -> dict[str, Answer]:
        """Return what is answered now, to everything that readers ask."""
        answers = {}
        async with asyncio.timeout(_WITHIN_S):
            for target in self.readers.targets:
                while (answer := await self.readers.ask(session, target)) is None:
                    await asyncio.sleep(0.05)
                answers[target] = answer
        return answers

    @property
    def backups(self) -> Path:
        """The folder of this warehouse's backups."""
        return self.home / "backups"

    async def part_is_there(self, running: Running) -> None:
        """Wait until a backup has begun to write, or is over."""
        await self._until(lambda: running.is_over or any(self.backups.glob("backups/.*.part")))

    async def quiet(self) -> None:
        """Wait until whatever was started has ended cleanly, but the API."""
        for running in self._started:
            if running is not self.api:
                self.clean(await self._over(running))

    async def backups_are_whole(self) -> None:
        """See that every backup in the folder is whole, by our word and by sha256sum's; there may be none."""
        if not self.backups.is_dir():
            return
        listed = json.loads(await self.succeed("ops", "backups", str(self.backups), "--check", "--json"))
        homes = sorted(self.backups.glob("backups/[0-9]*"))
        assert [each["name"] for each in listed["backups"]] == [home.name for home in homes]
        for home in homes:
            subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=home, check=True)

    def backup_files(self) -> list[Path]:
        """Return one file of each kind that the newest backup has."""
        home = max(self.backups.glob("backups/[0-9]*"))
        projection = sorted(home.glob("projection/*"))
        segments = sorted(self.backups.glob("archive/*"))
        return [*sorted(each for each in home.iterdir() if each.is_file()), projection[0], projection[-1], segments[0]]

    async def refuses_backup(self, file: Path) -> None:
        """See that a backup with a damaged file is refused, and the file named; that nothing of it is restored."""
        for words in (("backups", str(self.backups), "--check"), ("restore", str(self.backups))):
            empty = {"WAREHOUSE_DATA": str(self.machine.data_folder.parent / "empty"), "DATABASE_URL": ""}
            ended = await self.run("ops", *words, **(empty if words[0] == "restore" else {}))
            assert ended.code == 1, (words, file, ended.said)
            assert file.name in ended.said, (words, file, ended.said)

    async def losses(self) -> int:
        """Return how many answers are not in the archive though a run said that they are."""
        lost = 0
        acknowledged = [found for each in self._started for found in _ARCHIVED_LINE.findall(each.said)]
        async with self.observer() as connection:
            for endpoint, ticker, seq, body_bytes in acknowledged:
                row = await connection.fetchrow(_ARCHIVED, int(seq))
                said = (endpoint, ticker, int(body_bytes))
                lost += row is None or (row["endpoint"], str(row["ticker"]), row["body_bytes"]) != said
        self.tally.acknowledged = len(acknowledged)
        self.tally.lost = lost
        return lost

    async def nobody_is_left(self) -> None:
        """Kill what a story has started and left, but the API."""
        for running in self._started:
            if running is not self.api:
                running.kill_with_children()
                await running.end()

    async def close(self) -> None:
        """Kill everything."""
        for running in self._started:
            running.kill_with_children()
            with suppress(TimeoutError):
                await asyncio.wait_for(running.end(), _WITHIN_S)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_WITHIN_S):
            while not holds():
                await asyncio.sleep(_GLANCE_S)


@asynccontextmanager
async def open_world(
    place: Place, machine: Machine, forks: Forks, environ: Mapping[str, str], targets: Sequence[str], tally: Tally
) -> AsyncIterator[World]:
    """Yield the warehouse of a machine with the vendor of a place; everything it started is killed in the end."""
    async with FakePolygon(
        place.market,
        key=KEY,
        plan=Plan(empty_results=place.empty_results),
        clock=lambda: place.ends_at,
        page_rows=place.page_rows,
    ) as vendor:
        settings = {
            "POLYGON_API_KEY": KEY,
            "POLYGON_BASE_URL": vendor.url,
            "RATE_LIMIT_PER_MINUTE": "0",
            "LOG_LEVEL": "DEBUG",
            **machine.settings,
        }
        world = World(place, machine, vendor, forks, {**environ, **settings}, targets, tally)
        try:
            yield world
        finally:
            await world.close()


@asynccontextmanager
async def read_all_the_while(world: World, *api_options: str, **settings: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the API, and let clients read from it."""
    await world.api_is_up(*api_options, **settings)
    async with reading(world.readers, _READERS) as session:
        yield session
