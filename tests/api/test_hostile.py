"""Hostile requests: whatever bytes arrive, no answer is a failure of ours and none tells what is inside.

They are made from a seed for every route of the OpenAPI document of the live server, so that a new route is met by
itself. HOSTILE_REQUESTS and HOSTILE_SEED in the environment ask for more of them, or for others.
"""

import asyncio
import json
import logging
import os
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlsplit

import msgspec
import pytest

from sql.connect import open_owner
from tests.api.served import Client

_REQUESTS = int(os.environ.get("HOSTILE_REQUESTS", "1000"))
_SEED = int(os.environ.get("HOSTILE_SEED", "5"))
_AT_ONCE = 16
_GIVE_UP_AFTER_S = 30.0
_UNFINISHED_FOR_S = 0.02

_FOLDER = Path(__file__).parents[2]
# No request holds any of these, so an answer that does has them from within.
_FROM_WITHIN = (
    rb"Traceback \(most recent|File \"/|site-packages|asyncpg|uvicorn|starlette|msgspec|postgres(ql)?://|"
    rb"\bFROM projection\.|\bSELECT\s|\bWHERE\s|warehouse_read|relation \"|" + re.escape(str(_FOLDER).encode())
)

_UNDOCUMENTED = ("/", "/docs", "/static/docs.js", "/metrics", "/nothing", "/static/../app.py", "/static/%2e%2e/app.py")

_TEXTS = (
    "", " ", "\t", "-", ".", "..", "*", "%", "%s%n%x", "{{7*7}}", "${jndi:ldap://x.invalid/a}", "`id`", "; id", "$1",
    "\\",
    "' or '1'='1", "'; drop table projection.bar; --", '" or ""="', "1 union all select null, null --", "1) or (1=1",
    "'||(select pg_sleep(9))||'", "<script>alert(1)</script>", "../../../../etc/passwd", "..%2f..%2fetc/passwd",
    "..\\..\\secret", "....//....//etc", "/etc/passwd\0.csv", "\0", "A\0B", "\x1b[2J", "\x7f", "\r\nSet-Cookie: a=b",
    "A\nB",
    "😀" * 10, "\u202eLPAA", "\ufeff", "\ufffe", "İ", "ﬃ", "A" * 64, "A" * 65, "A" * 5_000, "A,B" * 3_000, ",",
    ",,,,", "A,A,A",
    "-1", "0", "1", "1e3", "1e309", "-0", "NaN", "Infinity", "99999999999999999999", "-9223372036854775809", "0x10",
    "1_0",
    "٣", "1.5", "true", "False", "null", "None", "undefined", "[]", "{}", '{"a":1}', "2023-02-30", "0000-00-00",
    "0001-01-01",
    "9999-12-31", "10000-01-01", "2014-06-05", "20140605", "2014-06-05T00:00:00Z", "2014-06-05T00:00:00+99:99",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "AAPL", "SEVN", "BCpC", "AAPL.csv", "AAPL.parquet",
    "AAPL.exe",
    ".arrow", "AAPL/../SEVN", "eyJhIjoxfQ", "AAAA====", "W10",
)  # fmt: skip
_BYTES = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"A\xc3", b"\x80" * 65, bytes(range(1, 32)))
_BAD_PERCENTS = (
    b"%",
    b"%%",
    b"%4",
    b"%G1",
    b"%u0041",
    b"%00%",
    b"%C3%28",
    b"%25%30%30",
    b"%2500",
    b"%252e%252e%252f",
    b"+",
)
_METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "G", "X" * 40)

_HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Accept", (
        "*/*", "text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream",
        "application/x-ndjson",
        "text/html", "*", ";", ",,,", "a/b;q=2", "application/json;q=nan", "*/*;q=0", "text/*;q=-1", "é/é",
        "a/b," * 2_000,
    )),
    ("Accept-Encoding", ("gzip", "zstd", "br", "identity;q=0", "*;q=0", "gzip;q=1e9", ",", "gzip," * 2_000,
    "deflate;q=x")),
    ("Range", (
        "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=0-99999999999999999999", "bytes=", "bytes=a-b",
        "rows=0-1",
        "bytes=99999999-", "bytes=0-1,1-2,2-3", "bytes=" + "0-0," * 2_000, "bytes=٣-", "=", "bytes=--1", "bytes=1-2-3",
    )),
    ("If-None-Match", ("*", '"a"', 'W/"a"', '"' * 500, ",", "W/", '"a",' * 2_000, "\xff")),
    ("If-Match", ("*", '"a"')),
    ("If-Range", ('"a"', "Wed, 21 Oct 2015 07:28:00 GMT", "rubbish")),
    ("If-Modified-Since", ("rubbish", "Wed, 99 Oct 9999 99:99:99 GMT")),
    ("Host", ("", "evil.invalid", "a b", "[::1", "x" * 5_000, "127.0.0.1:99999")),
    ("Authorization", ("Bearer", "Bearer x", "Bearer \xff", "Basic Og==", "x" * 9_000)),
    ("X-API-Key", ("", "x", "\xff\xfe", "x" * 9_000)),
    ("Cookie", ("a=b;" * 1_000,)),
    ("Content-Type", ("application/json", "multipart/form-data", "rubbish")),
    ("Expect", ("100-continue", "200-ok")),
    ("Upgrade", ("h2c", "websocket")),
    ("X-Forwarded-For", ("127.0.0.1", "rubbish", "\xff")),
    ("X-Forwarded-Proto", ("https", "javascript")),
    ("X-HTTP-Method-Override", ("DELETE",)),
    ("Origin", ("null", "http://evil.invalid")),
)  # fmt: skip

# Whole requests, or what is taken for one, that break HTTP itself.
_BROKEN = (
    b"GET\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"GET /health HTTP/9.9\r\n\r\n",
    b"GET /health HTTP/1.1 extra\r\nHost: x\r\n\r\n",
    b"GET  /health  HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\nHost: x\nConnection: close\n\n",
    b"\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET http://evil.invalid/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET ?colour=red HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET //evil.invalid/%2f.. HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /health#x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /he\xffalth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /he\x00alth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /he alth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n folded: y\r\nConnection: close\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX-N: a\x00b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n: nameless\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.0\n\n",
    b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n\r\n",
    b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rubbish\r\nConnection: close\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    b"\x00" * 200 + b"\r\n\r\n",
    b"A" * 200_000 + b"\r\n\r\n",
    b"GET /" + b"A" * 200_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Huge: " + b"A" * 200_000 + b"\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"X-Many: a\r\n" * 5_000 + b"\r\n",
)  # fmt: skip


class _Parameter(msgspec.Struct, frozen=True):
    """A parameter, as the document has it."""

    name: str
    place: str
    # What the document says may be sent.
    good: tuple[str, ...]


class _Route(msgspec.Struct, frozen=True):
    """A path, as the document has it."""

    path: str
    parameters: tuple[_Parameter, ...] = ()


class _Attempt(msgspec.Struct, frozen=True):
    """A request as bytes, and whether it is whole and well-formed, so that an answer is due."""

    sent: bytes
    is_http: bool


@pytest.fixture(scope="module")
async def routes(client: Client) -> list[_Route]:
    """Return every route of the live server."""
    document = (await client.ask("/openapi.json")).json
    return [
        *(_Route(path, tuple(map(_parameter, item["get"]["parameters"]))) for path, item in document["paths"].items()),
        *map(_Route, _UNDOCUMENTED),
    ]


def _parameter(described: dict[str, Any]) -> _Parameter:
    schema = described["schema"]
    candidates = [described.get("example"), schema.get("default"), *schema.get("enum", ())]
    for bound, beyond in (("minimum", -1), ("maximum", 1)):
        if bound in schema:
            candidates += [schema[bound], schema[bound] + beyond]
    good = tuple(str(candidate) for candidate in candidates if candidate is not None)
    return _Parameter(described["name"], described["in"], good or ("2014-06-05",))


class _Attacker:
    """Makes requests from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def attempts(self, routes: Sequence[_Route], count: int) -> Iterator[_Attempt]:
        """Yield requests, each route in its turn, and between them what is no HTTP."""
        broken = [_Attempt(sent, False) for sent in _BROKEN]
        yield from broken
        for number in range(count - len(broken)):
            if self.dice.random() < 0.05:
                yield self._damaged(routes[number % len(routes)])
            else:
                yield self._request(routes[number % len(routes)])

    def _request(self, route: _Route) -> _Attempt:
        method = "GET" if self.dice.random() < 0.85 else self.dice.choice(_METHODS)
        headers = [b"Host: 127.0.0.1"]
        for name, values in self.dice.sample(_HEADERS, self.dice.choice((0, 0, 1, 1, 2, 5))):
            value = self.dice.choice(values).encode("utf-8" if self.dice.random() < 0.5 else "latin-1", "replace")
            headers = [*headers, name.encode() + b": " + value] if name != "Host" else [b"Host: " + value, *headers[1:]]
        body = self.dice.choice((b"", b"", b"", b"{}", b'{"a":' * 500, b"\xff" * 100))
        if body:
            headers.append(b"Content-Length: %d" % len(body))
        # CONNECT has no path: what the server makes of one is its own affair.
        is_http = method not in ("CONNECT", "get", "G", "X" * 40)
        head = b"\r\n".join(
            [b"%s %s HTTP/1.1" % (method.encode(), self._target(route)), *headers, b"Connection: close"]
        )
        return _Attempt(head + b"\r\n\r\n" + body, is_http)

    def _damaged(self, route: _Route) -> _Attempt:
        """Return a request of which some bytes are others, or the end is missing."""
        sent = bytearray(self._request(route).sent)
        for _ in range(self.dice.randint(1, 8)):
            sent[self.dice.randrange(len(sent))] = self.dice.randrange(256)
        return _Attempt(bytes(sent[: self.dice.randint(1, len(sent))]), False)

    def _target(self, route: _Route) -> bytes:
        target = route.path.encode()
        query: list[bytes] = []
        for parameter in route.parameters:
            if parameter.place == "path":
                target = target.replace(b"{%s}" % parameter.name.encode(), self._value(parameter))
            elif parameter.place == "query" and self.dice.random() < 0.4:
                times = self.dice.choice((1, 1, 1, 1, 2))
                query.extend(parameter.name.encode() + b"=" + self._value(parameter) for _ in range(times))
        if self.dice.random() < 0.1:
            query.append(quote(self.dice.choice(_TEXTS)).encode() + self.dice.choice((b"", b"=", b"=1", b"[]=1")))
        if self.dice.random() < 0.1:
            target += self.dice.choice(
                (b"/", b"//", b"/..", b"/%2e%2e/", b".csv", b".exe", b";a=b", b"%00", b"/..;/", b".")
            )
        self.dice.shuffle(query)
        return target + (b"?" + b"&".join(query) if query else b"")

    def _value(self, parameter: _Parameter) -> bytes:
        """Return a value as it stands in a URL."""
        kind = self.dice.random()
        if kind < 0.4:
            return quote(self.dice.choice(parameter.good), safe="").encode()
        if kind < 0.8:
            return quote(self.dice.choice(_TEXTS), safe=self.dice.choice(("", "/'();,"))).encode()
        if kind < 0.9:
            return quote_from_bytes(self.dice.choice(_BYTES), safe="").encode()
        return self.dice.choice(_BAD_PERCENTS) + quote(self.dice.choice(parameter.good), safe="").encode()


async def _answer_to(attempt: _Attempt, port: int) -> bytes:
    """Return all that comes back, up to the end of the connection; nothing where the server hangs up without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(attempt.sent)
        if attempt.is_http:
            async with asyncio.timeout(_GIVE_UP_AFTER_S):
                await writer.drain()
                return await reader.read()
        # What is no request may leave the server waiting for the rest of it.
        received = b""
        while chunk := await asyncio.wait_for(reader.read(65_536), _UNFINISHED_FOR_S if received else 0.2):
            received += chunk
    except TimeoutError:
        if attempt.is_http:
            raise
    except ConnectionError:
        return b""
    else:
        return received
    finally:
        writer.close()
    return b""


def _faults(attempt: _Attempt, answer: bytes, secrets: re.Pattern[bytes]) -> Iterator[str]:
    """Yield what is wrong with an answer."""
    if told := secrets.search(answer):
        yield f"tells {told.group()!r}"
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    line = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    if line is None:
        if attempt.is_http or answer:
            yield f"no answer but {answer[:80]!r}"
        return
    status = int(line.group(1))
    head, _, body = answer.partition(b"\r\n\r\n")
    # Of dry runs one is made at a time, so two of these requests may meet there.
    is_busy = status == 503 and b"too_busy" in body and b"retry-after" in head.lower()
    if not 200 <= status < 500 and not is_busy:
        yield f"status {status}"
    is_plain = b"content-encoding" not in head.lower() and b"transfer-encoding" not in head.lower()
    if body and is_plain and re.search(rb"(?i)content-type: application/json", head) and status != 206:
        try:
            json.loads(body)
        except ValueError as exc:
            yield f"is no JSON: {exc}"


async def _fingerprint(url: str) -> dict[str, str]:
    """Return of every table of the warehouse how many rows it has and a hash of them."""
    async with open_owner(url) as owner:
        tables = await owner.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('archive', 'projection', 'access', 'public') ORDER BY 1"
        )
        return {
            row["name"]: await owner.fetchval(
                f"SELECT concat(count(*), md5(string_agg(row::text, ' ' ORDER BY row::text))) FROM {row['name']} AS row"
            )
            for row in tables
        }


async def test_hostile_requests_break_nothing_and_learn_nothing(
    client: Client, market_url: str, routes: list[_Route], caplog: pytest.LogCaptureFixture
) -> None:
    usual = "/api/v1/historical/SEVN"
    before, stored = await client.ask(usual), await _fingerprint(market_url)
    database = urlsplit(market_url)
    secrets = re.compile(
        b"|".join([_FROM_WITHIN, database.path.strip("/").encode(), f":{database.port}/".encode()]), re.DOTALL
    )
    port = urlsplit(client.origin).port
    assert port
    free = asyncio.Semaphore(_AT_ONCE)
    faults: list[str] = []

    async def attack(attempt: _Attempt) -> None:
        async with free:
            try:
                answer = await _answer_to(attempt, port)
            except TimeoutError:
                faults.append(f"{attempt.sent[:300]!r} got no answer in time")
                return
        faults.extend(f"{attempt.sent[:300]!r} {fault}" for fault in _faults(attempt, answer, secrets))

    attempts = list(_Attacker(_SEED).attempts(routes, _REQUESTS))
    with caplog.at_level(logging.ERROR):
        await asyncio.gather(*map(attack, attempts))
    assert len(attempts) >= 1000
    assert not faults, f"{len(faults)} of {len(attempts)} (seed {_SEED}):\n" + "\n".join(faults[:10])
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    after = await client.ask(usual)
    assert (after.status, after.body) == (200, before.body)
    assert await _fingerprint(market_url) == stored


async def test_the_same_seed_makes_the_same_requests(routes: list[_Route]) -> None:
    first, again, others = (list(_Attacker(seed).attempts(routes, 300)) for seed in (1, 1, 2))
    assert first == again != others


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent call last):",
        b'HTTP/1.1 404 Not Found\r\n\r\nrelation "bar" does not exist',
        b"HTTP/1.1 422 X\r\ncontent-type: application/json\r\n\r\n{",
        b"",
    ],
    ids=["failure", "trace", "database", "half", "nothing"],
)
def test_a_fault_would_be_seen(answer: bytes) -> None:
    assert list(_faults(_Attempt(b"GET / HTTP/1.1", True), answer, re.compile(_FROM_WITHIN)))
