"""The gate of a real server: bounds, hosts, keys, rates, and what every answer wears."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from api.access.bounds import LARGEST_HEADERS_BYTES, LONGEST_URL_BYTES
from api.access.gate import Gate
from api.access.key import NewKey, make_key
from api.access.policy import Access
from api.access.rate import RateLimit
from api.access.store import add_key, revoke_key
from tests.api.database_line import DatabaseLine
from tests.api.market import NOW
from tests.api.served import Client, served

KEYED = Access(keys_required=True, hosts=None)
STATUS = "/api/v1/status"
FOR_ANYBODY = ("/", "/docs", "/static/docs.js", "/health", "/openapi.json")
FOR_HOLDERS = (STATUS, "/api/v1/historical/SEVN", "/nothing", "/ready", "/fresh", "/metrics")


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/health?" + "x" * LONGEST_URL_BYTES, {}, 414, "url_too_long"),
        ("/" + "x" * LONGEST_URL_BYTES, {}, 414, "url_too_long"),
        ("/health", {f"X-{n}": "x" * 4000 for n in range(1 + LARGEST_HEADERS_BYTES // 4000)}, 431, "headers_too_large"),
        ("/health?" + "&".join("a" * 101), {}, 422, "too_many_parameters"),
        ("/health?apiKey=secret", {}, 400, "key_in_url"),
        (f"{STATUS}?a=1&api_key=secret", {}, 400, "key_in_url"),
        ("/v2/aggs/x?X-API-KEY=secret", {}, 400, None),
        ("/health", {"Host": "evil.example"}, 421, "unknown_host"),
        ("/health", {"Content-Length": "3"}, 413, "body_not_taken"),
        ("/health", {"Transfer-Encoding": "chunked"}, 413, "body_not_taken"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_is_out_of_bounds_is_refused(
    client: Client, target: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = await _raw(client, target, headers)
    assert answer["status"] == status
    assert "secret" not in answer["body"]
    if code is not None:
        assert json.loads(answer["body"])["error"]["code"] == code


async def test_what_is_within_the_bounds_is_answered(client: Client) -> None:
    answer = await client.ask(f"/health?{'x' * (LONGEST_URL_BYTES - 8)}")
    assert (answer.status, answer.refusal().code) == (422, "unknown_parameter")
    assert (await client.ask("/health", headers={"X-1": "x" * 7000, "X-2": "x" * 7000})).status == 200
    assert (await client.ask("/health", headers={"Content-Length": "0"})).status == 200


async def test_the_connection_of_a_body_that_is_not_taken_is_closed(client: Client) -> None:
    answer = await _raw(client, "/health", {"Content-Length": "3"})
    assert answer["headers"]["connection"] == "close"
    assert answer["ended"]


async def test_where_no_key_is_asked_for_any_is_taken(client: Client) -> None:
    for headers in ({"Authorization": "Bearer anything"}, {"X-API-Key": "anything"}, {"Authorization": "Basic eDp5"}):
        assert (await client.ask(STATUS, headers=headers)).status == 200


@pytest.mark.parametrize("target", ["/health", "/nothing", "/health?apiKey=x", STATUS])
async def test_every_answer_tells_browsers_to_do_nothing_with_it(client: Client, target: str) -> None:
    headers = (await client.ask(target)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "access-control-allow-origin" not in headers


async def test_the_page_keeps_its_own_policy(client: Client) -> None:
    assert "script-src 'self'" in (await client.ask("/docs")).headers["content-security-policy"]


async def test_without_a_key_only_what_is_for_anybody_is_answered(database_url: str) -> None:
    async with served(database_url, access=KEYED) as client:
        for target in FOR_ANYBODY:
            assert (await client.ask(target)).status == 200, target
        for target in FOR_HOLDERS:
            answer = await client.ask(target)
            assert (answer.status, answer.refusal().code) == (401, "missing_key"), target
            assert answer.headers["www-authenticate"] == 'Bearer realm="warehouse"'


async def test_a_key_opens_either_way_until_it_is_revoked(
    database_url: str, access_pool: asyncpg.Pool, key: NewKey
) -> None:
    stranger = make_key().text
    wrong = f"mdw_{key.key_id}_{stranger.rpartition('_')[2]}"
    async with served(database_url, access=KEYED) as client:
        for headers in _sent(key.text):
            assert (await client.ask("/nothing", headers=headers)).refusal().code == "unknown_path"
        for text in (stranger, wrong, "x", "", "é"):
            for headers in _sent(text)[: 1 if text else 0]:
                answer = await client.ask("/nothing", headers=headers)
                assert (answer.status, answer.refusal().code) == (401, "unknown_key")
                assert answer.headers["www-authenticate"].endswith('error="invalid_token"')
        await revoke_key(access_pool, key.key_id, NOW)
        async with asyncio.timeout(30):
            while (await client.ask("/nothing", headers=_sent(key.text)[0])).status != 401:
                await asyncio.sleep(0.1)


async def test_with_the_database_away_a_key_opens_nothing(database_url: str, key: NewKey) -> None:
    async with DatabaseLine(database_url) as line, served(line.url, access=KEYED) as client:
        await line.cut()
        answer = await client.ask("/nothing", headers=_sent(key.text)[0])
        assert (answer.status, answer.refusal().code) == (503, "database_away")
        assert (await client.ask("/health")).status == 200


async def test_the_vendors_clients_are_refused_in_their_language(database_url: str) -> None:
    target = "/v2/aggs/ticker/SEVN/range/1/day/2023-01-01/2023-02-01"
    async with served(database_url, access=KEYED) as client:
        missing = await client.ask(target)
        unknown = await client.ask(target, headers=_sent("anything")[0])
    assert (missing.status, unknown.status) == (401, 401)
    assert (missing.json["status"], missing.json["error"]) == ("ERROR", "API Key was not provided")
    assert (unknown.json["status"], unknown.json["error"]) == ("ERROR", "Unknown API Key")
    assert unknown.json["request_id"]


async def test_each_key_has_its_own_quota_and_is_told_of_it(database_url: str, access_pool: asyncpg.Pool) -> None:
    keys = [make_key(), make_key()]
    for number, key in enumerate(keys):
        await add_key(access_pool, key, f"key-{number}", 2, NOW)
    async with served(database_url, access=KEYED) as client:
        first, second, third = [await client.ask("/nothing", headers=_sent(keys[0].text)[0]) for _ in range(3)]
        other = await client.ask("/nothing", headers=_sent(keys[1].text)[0])
        free = await client.ask("/health", headers=_sent(keys[0].text)[0])
    assert [answer.status for answer in (first, second, third, other, free)] == [404, 404, 429, 404, 200]
    assert first.headers["ratelimit-policy"] == third.headers["ratelimit-policy"] == '"minute";q=2;w=60'
    assert (first.headers["ratelimit"], second.headers["ratelimit"]) == ('"minute";r=1;t=30', '"minute";r=0;t=30')
    assert third.refusal().code == "rate_limited"
    assert third.headers["ratelimit"] == f'"minute";r=0;t={third.headers["retry-after"]}'
    assert "ratelimit" not in free.headers


async def test_where_no_key_is_asked_for_an_address_may_have_a_quota(market_url: str) -> None:
    async with served(market_url, access=Access(per_minute=2)) as client:
        answers = [await client.ask("/nothing") for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 429]


async def test_pages_of_named_origins_may_read(market_url: str) -> None:
    origin = "https://charts.example"
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-api-key"}
    async with served(market_url, access=Access(keys_required=True, origins=(origin,))) as client:
        preflight = await client.ask(STATUS, method="OPTIONS", headers={"Origin": origin, **asked})
        refused = await client.ask(STATUS, headers={"Origin": origin})
        foreign = await client.ask("/health", headers={"Origin": "https://evil.example"})
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, origin)
    assert "RateLimit" in refused.headers["access-control-expose-headers"]
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, origin)
    assert (foreign.status, "access-control-allow-origin" in foreign.headers) == (200, False)


async def test_more_requests_than_it_takes_on_at_once_are_refused() -> None:
    """By the gate alone: a server would need as many slow requests."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await leave.wait()

    gate = Gate(slow, Access(), RateLimit(), most_under_way=1)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": []}
    first = asyncio.create_task(gate(dict(scope), receive, send))
    await entered.wait()
    await gate(dict(scope), receive, send)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["error"]["code"] == "overloaded"
    leave.set()
    await first


def _sent(text: str) -> list[dict[str, str]]:
    """Return the ways to send a key, as headers."""
    return [{"X-API-Key": text}, {"Authorization": f"Bearer {text}"}, {"Authorization": f"bearer  {text}"}]


async def _raw(client: Client, target: str, headers: dict[str, str]) -> dict[str, Any]:
    """Return the answer to a head that no client library would send."""
    host, port = client.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in ({"Host": host} | headers).items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    received = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = (await reader.readexactly(int(received["content-length"]))).decode()
    ended = received.get("connection") == "close" and await reader.read() == b""
    writer.close()
    return {"status": int(head[0].split()[1]), "headers": received, "body": body, "ended": ended}
