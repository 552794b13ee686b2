"""The vendor's key is nowhere but in the environment and on its way to the vendor.

One journey by real command lines, with a key that exists only for it and a vendor that says it back in every way; then
every place where it could have stuck is searched. A witness that the vendor says beside the key, or another text that
must be there, shows for each place that the search would have found the key too.
"""

import asyncio
import base64
import datetime as dt
import json
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.api.served import Client
from tests.command import console_command, run_command
from tests.fake_polygon import SyntheticMarket
from tests.key_search import CommandLines, Places, ServerLog, holds, in_files, in_tables, pg_dump
from tests.parrot import Parrot

FIRST, LAST = dt.date(2024, 5, 1), dt.date(2024, 6, 28)
SYMBOLS = [
    "AAPL",
    "MSFT",
    "GOOGL",
    "AMZN",
    "NVDA",
    "TSLA",
    "META",
    "NFLX",
    "AMD",
    "CRM",
    "SPY",
    "QQQ",
    "IWM",
    "EEM",
    "VTI",
]
DATES = ("--from", str(FIRST), "--to", str(LAST))


class Elsewhere:
    """Another host, to which the vendor points; it counts who connects."""

    def __init__(self) -> None:
        self.callers = 0
        self.origin = ""

    async def _meet(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers += 1
        writer.close()

    async def listen(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """Yield a host that nobody must ask."""
    host = Elsewhere()
    server = await host.listen()
    yield host
    server.close()


@pytest.fixture
async def parrot(elsewhere: Elsewhere) -> AsyncIterator[Parrot]:
    """Yield a vendor with a key of its own that has not yet been told what to say."""
    market = SyntheticMarket(7, SYMBOLS, FIRST, last=LAST)
    async with Parrot(market, f"sk-{secrets.token_hex(16)}", f"wit-{secrets.token_hex(8)}", elsewhere.origin) as vendor:
        yield vendor


def _misbehave(vendor: Parrot) -> None:
    """Let the vendor do everything wrong that it is known or feared to do, each to another request."""
    key, witness, elsewhere = vendor.key, vendor.witness, vendor.elsewhere
    vendor.say("/stocks/v1/splits", vendor.cut())
    vendor.say("/stocks/v1/dividends", vendor.page(200))
    vendor.say("/ticker/AAPL/", vendor.page(500, Retry_After="1"))
    vendor.say("/ticker/MSFT/", vendor.refusal(400))
    vendor.say("/ticker/GOOGL/", vendor.page(200, json.dumps({"status": key, "error": witness})))
    vendor.say("/ticker/AMZN/", vendor.page(200, json.dumps({"status": "OK", "ticker": vendor.said, "results": []})))
    vendor.say("/ticker/NVDA/", vendor.redirect())
    vendor.say("/ticker/TSLA/", vendor.next_url(f"{elsewhere}/v2/aggs/next?apiKey={key}&x={witness}"))
    followed = f"{vendor.url}/v2/aggs/ticker/META/range/1/day/{FIRST}/{LAST}?adjusted=false&x={witness}"
    vendor.say("/ticker/META/", vendor.next_url(f"{followed}&apiKey={key}"))
    vendor.say(f"x={witness}", vendor.next_url(f"{followed}&page=3&token={key}"))
    vendor.say("/ticker/NFLX/", vendor.broken_gzip(0, cut=True))
    vendor.say("/ticker/AMD/", vendor.broken_gzip(9, cut=True))
    vendor.say("/ticker/CRM/", vendor.refusal(403))
    vendor.say("/ticker/SPY/", vendor.broken_gzip(9, cut=False))
    vendor.say("/ticker/QQQ/", vendor.refusal(429, Retry_After="1"))
    vendor.say("/ticker/IWM/", vendor.next_url(f"http://{witness}:{key}@{elsewhere.removeprefix('http://')}/next"))
    vendor.say("/ticker/EEM/", vendor.next_url(f"http://[{vendor.said}"))
    vendor.say("/ticker/VTI/", vendor.refusal(404))
    vendor.reset_next(path="/ticker/VTI/")


class Journey:
    """Everything that a person does with a warehouse, command by command, and all that the commands printed."""

    def __init__(self, environ: dict[str, str], vendor: Parrot) -> None:
        self.printed: Places = {}
        self.home = Path(environ["HOME"])
        self._vendor = vendor
        self._environ = environ | {
            "POLYGON_API_KEY": vendor.key,
            "POLYGON_BASE_URL": vendor.url,
            "RATE_LIMIT_PER_MINUTE": "0",
            "UNIVERSE": ",".join(SYMBOLS),
            "LOG_LEVEL": "DEBUG",
        }

    async def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> bytes:
        """Run a command, keep what it printed, and return its stdout."""
        done = await asyncio.to_thread(run_command, self._environ, *words)
        assert done.returncode in codes, (words, done.stdout[-500:], done.stderr[-2000:])
        name = f"{len(self.printed)} {' '.join(words[:3])}"
        self.printed[name] = done.stdout + b"\n" + done.stderr
        return done.stdout

    async def fetch(self) -> None:
        """Fetch from a vendor that refuses the key, from one that misbehaves, and from one that does not."""
        self._vendor.say("/", self._vendor.refusal(401))
        await self.run("ingest", "plan", *DATES)
        await self.run("ingest", "backfill", *DATES, codes=(1,))
        _misbehave(self._vendor)
        await self.run("ingest", "backfill", *DATES, codes=(1,))
        assert self._vendor.unsaid == []
        await self.run("ingest", "backfill", *DATES, codes=(0, 1))
        runs = json.loads(await self.run("ingest", "runs", "--json"))
        await self.run("ingest", "runs", "show", runs[1]["run_id"])

    async def look(self) -> None:
        """Project, look at what is there, and carry it away."""
        await self.run("project")
        await self.run("audit", str(LAST))
        payloads = json.loads(await self.run("archive", "list", "--limit", "1000", "--json"))
        refused = next(each["archive_seq"] for each in payloads if each["http_status"] == 400)
        await self.run("archive", "show", str(refused))
        await self.run("archive", "show", str(refused), "--body")
        for words in ("stats", "verify", "export out"):
            await self.run("archive", *words.split())

    async def dump(self, url: str) -> None:
        """Back the database up as plain SQL."""
        process = await asyncio.create_subprocess_exec(
            *(pg_dump(), "--dbname", url, "--file", self.home / "dump.sql"), stderr=asyncio.subprocess.PIPE
        )
        _, complaints = await process.communicate()
        assert process.returncode == 0, complaints

    async def ask(self, targets: Iterator[tuple[str, str]]) -> bytes:
        """Serve the API, ask it for targets, and return its answers; what it logged is printed."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            console_command("api"),
            env=self._environ | {"API_PORT": str(port)},
            cwd=self.home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        authorization = {"Authorization": f"Bearer {self._vendor.key}"}
        answers = b""
        async with aiohttp.ClientSession() as session:
            client = Client(session, f"http://127.0.0.1:{port}")
            await _until_healthy(client, process)
            for method, target in targets:
                answer = await client.ask(target, method=method, headers=authorization)
                answers += json.dumps(answer.headers).encode() + answer.body + b"\n"
        process.send_signal(signal.SIGTERM)
        stdout, stderr = await process.communicate()
        self.printed["api"] = stdout + stderr
        return answers


async def _until_healthy(client: Client, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while process.returncode is None:
            try:
                if (await client.ask("/health")).status == 200:
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"the API ended with {process.returncode}")


def _targets(key: str) -> Iterator[tuple[str, str]]:
    yield "GET", f"/v2/wrong/route?apiKey={key}"
    yield "GET", f"/api/v1/historical/AAPL?apiKey={key}"
    yield "GET", "/api/v1/historical/NOPE"
    yield "GET", "/api/v1/historical/AAPL"
    yield "GET", "/api/v1/status"
    yield "POST", f"/health?apiKey={key}"


async def test_the_key_is_nowhere(
    parrot: Parrot,
    elsewhere: Elsewhere,
    command_environ: dict[str, str],
    database_url: str,
    owner: asyncpg.Connection,
) -> None:
    server_log = await ServerLog(owner).open()
    journey = Journey(command_environ, parrot)
    with CommandLines() as command_lines:
        await journey.fetch()
        await journey.look()
        await journey.dump(database_url)
        answers = await journey.ask(_targets(parrot.key))
    places = {f"output of {name}": text for name, text in journey.printed.items()}
    places |= await in_tables(owner) | in_files(journey.home)
    places |= {"answers of the API": answers, "command lines": command_lines.seen()}
    if server_log.is_readable:
        places["server log"] = await server_log.read()

    leaks = [name for name, place in places.items() if holds(place, parrot.key)]
    assert not leaks, f"the key is in {'; '.join(leaks)}"
    assert elsewhere.callers == 0
    _require_only_header(parrot)
    assert server_log.is_readable or "TEST_DATABASE_URL" in os.environ
    _require_witnesses(places, parrot.witness)


def _require_only_header(vendor: Parrot) -> None:
    """The key went to the vendor with every request, in the header that is made for it, and in no other place."""
    for request in vendor.requests:
        assert request.headers["Authorization"] == f"Bearer {vendor.key}"
        others = {name: value for name, value in request.headers.items() if name != "Authorization"}
        assert vendor.key not in f"{request.path} {request.query} {others}"


def _require_witnesses(places: Places, witness: str) -> None:
    """Each place was searched where the key would have been, had it been there."""
    for name, text in {
        "table archive.payload": witness,
        "table archive.assessment": witness,
        "table archive.run": witness,
        "table archive.seal": "2026",
        "table projection.bar": "AAPL",
        "file dump.sql": witness,
        "file out/ledger.json": witness,
        "answers of the API": "key_in_url",
        "command lines": "ingest backfill --from",
        "output of api": "path=/v2/wrong/route",
    }.items():
        assert holds(places[name], text), f"{name} holds no {text}"
    segments = [place for name, place in places.items() if name.startswith("file out/payloads-")]
    assert any(holds(segment, witness) for segment in segments)
    outputs = [name for name, place in places.items() if name.startswith("output of") and holds(place, witness)]
    for words in ("ingest backfill", "ingest runs show", "archive show"):
        assert any(words in name for name in outputs), f"no output of {words} holds {witness}"
    if "server log" in places:
        assert holds(places["server log"], witness)


@pytest.mark.parametrize(
    "written", ["plain", "hex", "HEX", "base64", "base64 after one byte", "base64 after two bytes"]
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    secret, others = f"sk-{secrets.token_hex(16)}", secrets.token_bytes(50)
    text = secret.encode()
    place = {
        "plain": text,
        "hex": text.hex().encode(),
        "HEX": text.hex().upper().encode(),
        "base64": base64.b64encode(text + others),
        "base64 after one byte": base64.b64encode(b"x" + text + others),
        "base64 after two bytes": base64.b64encode(b"xy" + text + others),
    }[written]
    assert holds(others + place + others, secret)
    assert not holds(place, f"sk-{secrets.token_hex(16)}")
