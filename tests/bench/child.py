"""The two processes that a bench compares: one that only downloads, and one that archives; each does its job and exits.

`python -m tests.bench.child` reads one Job as a JSON line and prints one Done: time, CPU time and peak memory of this
process alone. Time is from the first request that is made ready to the last thing that is finished, without the start
of Python.
"""

import asyncio
import datetime as dt
import resource
import sys
import time
from collections import deque

import aiohttp
import msgspec

from ingest.backfill import run_backfill
from ingest.period import Period
from ingest.settings import IngestSettings, VendorKey
from ingest.universe import parse_universe
from sql.connect import Role, open_pool
from tests.bench.served import KEY, ROOT


class Download(msgspec.Struct, frozen=True, tag=True):
    """Download these paths, decode the bodies as aiohttp does, and keep none."""

    base_url: str
    targets: list[str]
    concurrency: int


class Archive(msgspec.Struct, frozen=True, tag=True):
    """Back a period of a universe up into a warehouse."""

    base_url: str
    database_url: str
    universe: str
    first: dt.date
    last: dt.date
    now: dt.datetime
    concurrency: int


class Done(msgspec.Struct, frozen=True):
    """What a job took. `unfinished` says what a backfill left to be asked for, or failed at."""

    elapsed_s: float
    cpu_s: float
    peak_bytes: int
    requests: int
    body_bytes: int
    unfinished: int = 0


_Job = Download | Archive


async def run_child(job: _Job) -> Done:
    """Return what a job took in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.child"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate(msgspec.json.encode(job))
    if process.returncode:
        raise SystemExit(f"error: the process of {type(job).__name__.lower()} ended with {process.returncode}")
    return msgspec.json.decode(printed, type=Done)


async def _download(job: Download) -> Done:
    waiting = deque(job.targets)
    body_bytes = 0
    started, cpu_before = time.perf_counter(), time.process_time()

    async def worker(http: aiohttp.ClientSession) -> None:
        nonlocal body_bytes
        while waiting:
            async with http.get(job.base_url + waiting.popleft()) as answer:
                answer.raise_for_status()
                body_bytes += len(await answer.read())

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}", "Accept-Encoding": "gzip"}) as http:
        await asyncio.gather(*(worker(http) for _ in range(job.concurrency)))
    elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_before
    return Done(elapsed_s, cpu_s, _peak_bytes(), len(job.targets), body_bytes)


async def _archive(job: Archive) -> Done:
    universe = parse_universe(job.universe)
    settings = IngestSettings(VendorKey(KEY), job.base_url, universe, 0)
    period = Period(job.first, job.last)
    period.sessions()  # loads the calendar, which takes as long as the start of Python
    async with open_pool(job.database_url, Role.INGEST) as pool:
        started, cpu_before = time.perf_counter(), time.process_time()
        report = await run_backfill(
            pool, settings, universe=universe, period=period, now=lambda: job.now, concurrency=job.concurrency
        )
        elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_before
    unfinished = report.left_to_ask + len(report.failures())
    return Done(elapsed_s, cpu_s, _peak_bytes(), report.requests, report.body_bytes, unfinished)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Do the job on stdin and print what it took."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=_Job)
    done = asyncio.run(_download(job) if isinstance(job, Download) else _archive(job))
    print(msgspec.json.encode(done).decode())


if __name__ == "__main__":
    main()
