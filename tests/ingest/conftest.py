"""A vendor to fetch from and an archive to fetch into, both real; and the command line, in a process of its own."""

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from tenacity.wait import wait_none

from archive.payload import Payload
from archive.read import archive_head, read_payloads
from ingest.backfill import run_backfill
from ingest.patience import Patience
from ingest.period import Period
from ingest.report import RunReport
from ingest.settings import IngestSettings, VendorKey
from ingest.universe import parse_universe
from tests.fake_polygon import FakePolygon, SyntheticMarket

KEY = "sk-vendor-0123456789"
FIRST, LAST = dt.date(2024, 1, 2), dt.date(2024, 6, 28)
# A Monday before the close: the Friday before it is the last session that has settled.
NOW = dt.datetime(2024, 7, 1, 15, 0, tzinfo=dt.UTC)
SYMBOLS = ("AAPL", "MSFT", "BCPC", "BCpC", "SPY")
QUICK = Patience(
    attempts=4, wait=wait_none(), connect_s=2.0, silence_s=0.4, total_s=0.8, throttled_s=0.05, longest_pause_s=0.1
)


def noon() -> dt.datetime:
    """Return the instant at which the tests of this room take place."""
    return NOW


_HOW: dict[str, Any] = {"now": noon, "patience": QUICK}


@pytest.fixture(scope="session")
def small_market() -> SyntheticMarket:
    """Return half a year of five symbols, two of which differ only by case."""
    return SyntheticMarket(7, SYMBOLS, FIRST, last=LAST)


@pytest.fixture
async def vendor(small_market: SyntheticMarket) -> AsyncIterator[FakePolygon]:
    """Yield a vendor of that market that behaves until it is told otherwise."""
    async with FakePolygon(small_market, key=KEY, clock=noon) as server:
        yield server


class Warehouse:
    """An archive and a vendor, with everything a test does to them."""

    def __init__(self, pool: asyncpg.Pool, vendor: FakePolygon) -> None:
        self.pool, self.vendor = pool, vendor

    def settings(self, **changes: Any) -> IngestSettings:
        """Return settings for the vendor without a rate limit."""
        settings = IngestSettings(VendorKey(KEY), self.vendor.url, parse_universe("AAPL"), 0)
        return msgspec.structs.replace(settings, **changes)

    async def backfill(
        self,
        symbols: str = "AAPL",
        first: dt.date = FIRST,
        last: dt.date = LAST,
        settings: IngestSettings | None = None,
        **how: Any,
    ) -> RunReport:
        """Run a backfill, quick to give up."""
        return await run_backfill(
            self.pool,
            settings or self.settings(),
            universe=parse_universe(symbols),
            period=Period(first, last),
            **(_HOW | how),
        )

    async def payloads(self) -> list[Payload]:
        """Return the whole archive."""
        return [payload async for payload in read_payloads(self.pool, 0, await archive_head(self.pool))]

    async def outcomes(self) -> list[str]:
        """Return what the payloads were assessed as, in order of the archive."""
        rows = await self.pool.fetch("SELECT outcome FROM archive.assessment ORDER BY archive_seq")
        return [row["outcome"] for row in rows]

    def asked(self) -> list[str]:
        """Return the kinds of request that reached the vendor, in order."""
        return [request.kind for request in self.vendor.requests]


@pytest.fixture
async def warehouse(ingest_pool: asyncpg.Pool, vendor: FakePolygon) -> Warehouse:
    """Return an empty archive and a vendor to fill it from."""
    return Warehouse(ingest_pool, vendor)


class Finished(msgspec.Struct, frozen=True):
    """How a command line ended."""

    code: int
    stdout: str
    stderr: str


StartCommand = Callable[..., Awaitable[asyncio.subprocess.Process]]
RunCommand = Callable[..., Awaitable[Finished]]


@pytest.fixture
def start_ingest(command_environ: dict[str, str], vendor: FakePolygon, tmp_path: Path) -> StartCommand:
    """Return a function that starts the `ingest` command against the vendor."""
    environ = command_environ | {
        "POLYGON_API_KEY": KEY,
        "POLYGON_BASE_URL": vendor.url,
        "RATE_LIMIT_PER_MINUTE": "0",
        "UNIVERSE": ",".join(SYMBOLS),
        "COLUMNS": "200",
    }

    async def start(*arguments: str, **changes: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("ingest")),
            *arguments,
            env=environ | changes,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return start


@pytest.fixture
def ingest_command(start_ingest: StartCommand) -> RunCommand:
    """Return a function that runs the `ingest` command to its end."""

    async def run(*arguments: str, **changes: str) -> Finished:
        process = await start_ingest(*arguments, **changes)
        stdout, stderr = await process.communicate()
        return Finished(process.returncode or 0, stdout.decode(), stderr.decode())

    return run
