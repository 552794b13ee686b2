"""The processes that the benches of the projection compare: one that projects, and one that only copies the same rows.

`python -m tests.bench.projector` reads one job as a JSON line, does it and prints one Done. Time is that of the job,
without the start of Python, the connection and the calendar.
"""

import asyncio
import datetime as dt
import sys
import time
from collections.abc import Sequence

import asyncpg
import msgspec
import psutil

from archive.calendar import exchange_calendar
from project.generation import LIVE, use_schema
from project.judged import JudgedBars
from project.load import copy_bars
from project.rebuild import rebuild
from project.replay import catch_up
from project.rows import Tickers
from project.ruleset import DEFAULT_RULES, read_ruleset
from project.unload import read_part
from sql.connect import Role, open_pool
from tests.bench.served import ROOT

_PART_BARS = 200_000
_SAMPLE_S = 0.05
_TICKERS = 'SELECT ticker, bars FROM projection.symbol_status WHERE bars > 0 ORDER BY ticker COLLATE "C"'
_MAKE_TABLE = "DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare; CREATE TABLE bare.bar (LIKE projection.bar)"
_ADD_KEY = "ALTER TABLE bar ADD PRIMARY KEY (ticker, session)"
_COUNT = "SELECT coalesce(sum(bars), 0)::bigint FROM projection.symbol_status"


class Rebuild(msgspec.Struct, frozen=True, tag=True):
    """Rebuild from the whole archive, up to and with the swap."""

    database_url: str


class CatchUp(msgspec.Struct, frozen=True, tag=True):
    """Take in what is archived and not yet projected."""

    database_url: str


class BareCopy(msgspec.Struct, frozen=True, tag=True):
    """Copy the bars that are live into a table without a key, by the projector's own encoder, and add the key."""

    database_url: str


class Done(msgspec.Struct, frozen=True):
    """What a job took. Units: CPU seconds of the process and of its children that have ended; bytes."""

    elapsed_s: float
    cpu_s: float
    bars: int
    content_hash: str
    peak_bytes: int = 0
    peak_of_all_bytes: int = 0


Job = Rebuild | CatchUp | BareCopy


async def run_projector(job: Job) -> Done:
    """Return what a job took in a process of its own, watched from outside for its memory."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.projector"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    watching = asyncio.create_task(_watch(process.pid))
    printed, _ = await process.communicate(msgspec.json.encode(job))
    peak_bytes, peak_of_all_bytes = await watching
    if process.returncode:
        raise SystemExit(f"error: the process of {type(job).__name__} ended with {process.returncode}")
    done = msgspec.json.decode(printed, type=Done)
    return msgspec.structs.replace(done, peak_bytes=peak_bytes, peak_of_all_bytes=peak_of_all_bytes)


async def _watch(pid: int) -> tuple[int, int]:
    """Return the most memory that a process was seen to have, and that it had together with its children."""
    peak_bytes = peak_of_all_bytes = 0
    try:
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            own_bytes = process.memory_info().rss
            peak_bytes = max(peak_bytes, own_bytes)
            peak_of_all_bytes = max(peak_of_all_bytes, own_bytes + sum(map(_resident, process.children())))
            await asyncio.sleep(_SAMPLE_S)
    except psutil.NoSuchProcess:
        pass
    return peak_bytes, peak_of_all_bytes


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def _project(pool: asyncpg.Pool, job: Rebuild | CatchUp) -> Done:
    ruleset = read_ruleset(DEFAULT_RULES)
    exchange_calendar()  # takes as long as the start of Python
    started, cpu_before = time.perf_counter(), _cpu_s()
    if isinstance(job, Rebuild):
        replayed = await rebuild(pool, ruleset, _now)
    else:
        replayed = await catch_up(pool, _now)
    elapsed_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu_before
    return Done(elapsed_s, cpu_s, await pool.fetchval(_COUNT), replayed.generation.content_hash)


async def _copy(pool: asyncpg.Pool) -> Done:
    """Copy part by part, so that memory is bounded here too; reading them is not timed."""
    elapsed_s = cpu_s = 0.0
    async with pool.acquire() as connection:
        await connection.execute(_MAKE_TABLE)
        for tickers in _parts(await connection.fetch(_TICKERS)):
            bars = await read_part(connection, LIVE, tickers)
            started, cpu_before = time.perf_counter(), _cpu_s()
            await _copy_part(connection, bars, Tickers(tickers))
            elapsed_s, cpu_s = elapsed_s + time.perf_counter() - started, cpu_s + _cpu_s() - cpu_before
        started = time.perf_counter()
        await connection.execute(_ADD_KEY)
        elapsed_s += time.perf_counter() - started
        return Done(elapsed_s, cpu_s, await connection.fetchval("SELECT count(*) FROM bar"), "")


async def _copy_part(connection: asyncpg.Connection, bars: JudgedBars, tickers: Tickers) -> None:
    await use_schema(connection, "bare")
    await copy_bars(connection, "bar", bars, tickers)


def _parts(rows: Sequence[asyncpg.Record]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    bars = 0
    for row in rows:
        if parts[-1] and bars + row["bars"] > _PART_BARS:
            parts.append([])
            bars = 0
        parts[-1].append(row["ticker"])
        bars += row["bars"]
    return parts


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


async def _do(job: Job) -> Done:
    async with open_pool(job.database_url, Role.PROJECT) as pool:
        return await _copy(pool) if isinstance(job, BareCopy) else await _project(pool, job)


def main() -> None:
    """Do the job on stdin and print what it took."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    print(msgspec.json.encode(asyncio.run(_do(job))).decode())


if __name__ == "__main__":
    main()
