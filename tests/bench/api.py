"""The API under load, against a server that returns the same bytes from memory and one made the usual way.

series   one symbol × five years as JSON, 8 connections of wrk: warm, against the same bytes from memory in our own
         server and in a bare one; cold (no memory) in one process and in two; FastAPI and SQLAlchemy, row by row
market   the whole market of a session, 11,000 bars, as Arrow and as JSON
stream   every bar as CSV and as Parquet, with the peak memory of the server (--whole: 14 million of them)

wrk has to be installed. The warehouse is made from a seed, untimed, in an embedded PostgreSQL.
"""

import argparse
import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from statistics import median

import msgspec
import psutil

from archive.payload import Response
from sql.connect import Role, open_pool
from tests.bench.made_archive import Market, archive_all
from tests.bench.projector import Rebuild, run_projector
from tests.bench.served import ROOT, embedded_server

_LONGEST = "SELECT ticker FROM projection.symbol_status ORDER BY bars DESC, ticker LIMIT 1"
_NEWEST = "SELECT max(session) FROM projection.bar"
_CONNECTIONS = 8
_SAME, _BARE, _USUAL = "the same bytes from our server's memory", "from a bare uvicorn's", "FastAPI and SQLAlchemy"
_START_WITHIN_S = 60.0
_WARM_WANTED, _COLD_P99_WANTED_MS, _USUAL_WANTED = 0.7, 10.0, 50.0
_MARKET_WANTED_MS, _PEAK_WANTED = 30.0, 300 * 2**20


class Load(msgspec.Struct, frozen=True):
    """What wrk saw: requests a second, and the latency that 99 of 100 requests did not exceed."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


class Streamed(msgspec.Struct, frozen=True):
    """An answer that was read to its end and thrown away, and the most memory that the server had meanwhile."""

    elapsed_s: float
    body_bytes: int
    peak_bytes: int


class Measured(msgspec.Struct, frozen=True):
    """Everything that was measured; `body_bytes` is the answer of `series`."""

    body_bytes: int
    loads: dict[str, Load]
    market_ms: dict[str, float]
    streams: dict[str, Streamed]
    bars: int


class Server(msgspec.Struct, frozen=True):
    """A server under measurement: where it answers, and its first process."""

    origin: str
    process: psutil.Process

    def memory_bytes(self) -> int:
        """Return the resident memory of all its processes, less PostgreSQL's."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_info().rss for each in family if "postgres" not in each.name())


@contextmanager
def serving(command: list[str], settings: dict[str, str]) -> Iterator[Server]:
    """Run a server on a free port of loopback until the context is left."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    environ = {**os.environ, **settings, "API_PORT": str(port)}
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            _await_answer(origin, process)
            yield Server(origin, psutil.Process(process.pid))
        finally:
            process.terminate()


def _await_answer(origin: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            urllib.request.urlopen(f"{origin}/health", timeout=1).close()
        except OSError:
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit("error: the server did not start") from None
            time.sleep(0.05)
        else:
            return


def load(url: str, seconds: int) -> Load:
    """Return what wrk sees of a URL, after a second of it that is not counted."""
    _wrk(url, 1)
    printed = _wrk(url, seconds)
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", printed)))
    failed += sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", printed)))
    (rate,) = re.findall(r"Requests/sec:\s+([\d.]+)", printed)
    return Load(float(rate), _latency_ms(printed, 50), _latency_ms(printed, 99), failed)


def _wrk(url: str, seconds: int) -> str:
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _latency_ms(printed: str, percent: int) -> float:
    (found,) = re.findall(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)$", printed, re.M)
    return float(found[0]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[1]]


async def measure(responses: Iterable[Response], seconds: int, parts: list[str]) -> Measured:
    """Return what was measured over a warehouse made of responses."""
    with embedded_server() as server:
        url = await server.new_warehouse()
        _say("archiving and projecting …")
        async with open_pool(url, Role.INGEST) as pool:
            await archive_all(pool, responses)
        bars = (await run_projector(Rebuild(url))).bars
        async with open_pool(url, Role.READ) as pool:
            symbol = await pool.fetchval(
                "SELECT ticker FROM projection.symbol_status ORDER BY bars DESC, ticker LIMIT 1"
            )
            session = await pool.fetchval("SELECT max(session) FROM projection.bar")
        settings = {"DATABASE_URL": url}
        path = f"/api/v1/historical/{symbol}"
        loads: dict[str, Load] = {}
        market: dict[str, float] = {}
        streams: dict[str, Streamed] = {}
        body_bytes = 0
        if "series" in parts:
            body_bytes = _series(settings, path, seconds, loads)
        if "market" in parts:
            market = _market(settings, f"/api/v1/market/{session}")
        if "stream" in parts:
            streams = _streams(settings)
        return Measured(body_bytes, loads, market, streams, bars)


def _series(settings: dict[str, str], path: str, seconds: int, loads: dict[str, Load]) -> int:
    api = ["-m", "tests.bench.api_command"]
    _say("series …")
    with serving(api, settings) as server:
        body = urllib.request.urlopen(server.origin + path).read()
        loads["warm"] = load(server.origin + path, seconds)
    for name, *arguments in (
        (_SAME, "same", str(len(body))),
        (_BARE, "bare", str(len(body))),
        (_USUAL, "usual", "0"),
    ):
        with serving(["-m", "tests.bench.api_baselines", *arguments], settings) as server:
            loads[name] = load(server.origin + path, seconds)
    off = {**settings, "API_CACHE_MB": "0"}
    for workers in (1, 2):
        with serving([*api, "--workers", str(workers)], off) as server:
            loads[f"cold, {workers} processes" if workers > 1 else "cold"] = load(server.origin + path, seconds)
    return len(body)


def _market(settings: dict[str, str], path: str) -> dict[str, float]:
    _say("market …")
    taken = {}
    for name, off in (("cold", {"API_CACHE_MB": "0"}), ("warm", {})):
        with serving(["-m", "tests.bench.api_command"], settings | off) as server:
            for suffix in ("arrow", "json"):
                taken[f"{suffix}, {name}"] = median(_elapsed_ms(f"{server.origin}{path}.{suffix}") for _ in range(15))
    return taken


def _elapsed_ms(url: str) -> float:
    started = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        answer.read()
    return (time.perf_counter() - started) * 1000


def _streams(settings: dict[str, str]) -> dict[str, Streamed]:
    _say("stream …")
    found = {}
    for suffix in ("csv", "parquet"):
        with serving(["-m", "tests.bench.api_command"], settings) as server:
            started, received, peak = time.perf_counter(), 0, 0
            with urllib.request.urlopen(f"{server.origin}/api/v1/bars.{suffix}") as answer:
                while piece := answer.read(2**20):
                    received += len(piece)
                    peak = max(peak, server.memory_bytes())
            found[suffix] = Streamed(time.perf_counter() - started, received, peak)
    return found


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def show(measured: Measured) -> None:
    """Print the ratios first, then what they are made of."""
    loads = measured.loads
    if loads:
        warm = loads["warm"].requests_per_s
        same, bare, usual = (warm / loads[name].requests_per_s for name in (_SAME, _BARE, _USUAL))
        print(f"warm / {_SAME}: {same:.2f} × (wanted ≥ {_WARM_WANTED}); / {_BARE}: {bare:.2f} ×")
        print(f"warm / {_USUAL}: {usual:.0f} × (wanted ≥ {_USUAL_WANTED:.0f})")
        best = min(each.p99_ms for name, each in loads.items() if name.startswith("cold"))
        print(f"cold, 99 of 100 within: {best:.1f} ms (wanted < {_COLD_P99_WANTED_MS:g})")
        for name, each in loads.items():
            print(
                f"  {name}: {each.requests_per_s:,.0f} requests/s, half within {each.p50_ms:.1f} ms, "
                f"99 of 100 within {each.p99_ms:.1f} ms, {each.failed} failed"
            )
        print(f"  {measured.body_bytes:,} bytes an answer")
    for name, taken in measured.market_ms.items():
        print(f"market as {name}: {taken:.1f} ms (wanted ≤ {_MARKET_WANTED_MS:g} as Arrow)")
    for name, stream in measured.streams.items():
        rate = measured.bars / stream.elapsed_s
        print(
            f"{measured.bars:,} bars as {name}: {stream.elapsed_s:.1f} s, {rate:,.0f} bars/s, "
            f"{stream.body_bytes / 2**20:,.0f} MB; server's peak {stream.peak_bytes >> 20} MB "
            f"(wanted ≤ {_PEAK_WANTED >> 20})"
        )


def main() -> int:
    """Measure and print; 1 when a request failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.api", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="series,market,stream", help="which to measure (default all)")
    parser.add_argument("--whole", action="store_true", help="five years of the whole market, 14 million bars")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the tickers (default 1)")
    parser.add_argument("--seconds", type=int, default=10, help="how long a load lasts (default 10)")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    asked = parser.parse_args()
    parts = asked.parts.split(",")
    if "series" in parts and shutil.which("wrk") is None:
        parser.error("wrk is not installed; on Debian: apt-get install wrk")
    measured = asyncio.run(measure(_responses(asked.scale, whole=asked.whole), asked.seconds, parts))
    if asked.json:
        print(msgspec.json.encode(measured).decode())
    else:
        show(measured)
    return 1 if any(each.failed for each in measured.loads.values()) else 0


def _responses(scale: float, *, whole: bool) -> Iterable[Response]:
    market = round(11_000 * scale)
    if whole:
        return Market(market, 1260).days()
    return chain(Market(round(500 * scale), 1260).ranges(), Market(market, 3).days())


if __name__ == "__main__":
    sys.exit(main())
