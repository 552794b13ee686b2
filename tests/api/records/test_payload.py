"""Raw payloads over HTTP: the very bytes, what is known of them, and nothing that a browser would run."""

import hashlib
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest

from archive.payload import Endpoint, Request
from tests.api.records.archived import BROKEN, FLAT, GROUPED, HTML, RANGE, responses
from tests.api.served import Client, served
from tests.command import run_command
from tests.payloads import archive_all, range_response, respond

_AS_SENT = {"Accept-Encoding": "identity"}


async def test_every_body_is_served_byte_for_byte(records: Client) -> None:
    for seq, response in enumerate(responses(), 1):
        answer = await records.ask(f"/api/v1/payloads/{seq}", headers=_AS_SENT)
        assert (answer.status, answer.body) == (200, response.body)
        digest = hashlib.sha256(response.body).hexdigest()
        assert (answer.headers["x-body-sha256"], answer.headers["etag"]) == (digest, f'"{digest}"')
        assert answer.headers["content-length"] == str(len(response.body))


async def test_headers_tell_what_the_archive_knows(records: Client) -> None:
    headers = (await records.ask(f"/api/v1/payloads/{GROUPED}")).headers
    sent = responses()[GROUPED - 1]
    assert headers["content-type"] == "application/json"
    assert headers["content-disposition"] == f'inline; filename="payload-{GROUPED}.json"'
    assert headers["x-request"] == sent.request.target
    assert headers["x-fetched-at"] == sent.fetched_at.isoformat()
    assert (headers["x-archive-seq"], headers["x-endpoint"], headers["x-http-status"]) == ("2", "grouped", "200")
    assert headers["cache-control"].startswith("private")


async def test_a_page_of_the_vendor_is_never_one_of_ours(records: Client) -> None:
    answer = await records.ask(f"/api/v1/payloads/{BROKEN}")
    assert answer.body == HTML
    assert answer.headers["x-http-status"] == "502"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    untold = await records.ask(f"/api/v1/payloads/{FLAT}")
    assert untold.headers["content-type"] == "application/octet-stream"


async def test_head_tells_the_same_without_the_body(records: Client) -> None:
    answer = await records.ask(f"/api/v1/payloads/{RANGE}", headers=_AS_SENT)
    head = await records.ask(f"/api/v1/payloads/{RANGE}", method="HEAD", headers=_AS_SENT)
    assert (head.status, head.body) == (200, b"")
    of_the_moment = {"date", "x-request-id"}
    assert {name: head.headers[name] for name in head.headers if name not in of_the_moment} == {
        name: answer.headers[name] for name in answer.headers if name not in of_the_moment
    }


async def test_a_body_that_is_held_is_not_sent_again(records: Client) -> None:
    tag = (await records.ask(f"/api/v1/payloads/{RANGE}", headers=_AS_SENT)).headers["etag"]
    for held in (tag, f'"other", W/{tag}'):
        again = await records.ask(f"/api/v1/payloads/{RANGE}", headers={"If-None-Match": held, **_AS_SENT})
        assert (again.status, again.body) == (304, b"")


async def test_facts_are_those_that_the_command_tells(records: Client, records_environ: dict[str, str]) -> None:
    told = msgspec.json.decode(run_command(records_environ, "archive", "show", str(GROUPED), "--json").stdout)
    assert (await records.ask(f"/api/v1/payloads/{GROUPED}/facts")).json == told


@pytest.mark.parametrize("rest", ["", "/facts"])
async def test_a_payload_that_is_not_there_is_unknown(records: Client, rest: str) -> None:
    for seq in ("99", str(2**63 - 1)):
        answer = await records.ask(f"/api/v1/payloads/{seq}{rest}")
        assert (answer.status, answer.refusal().code) == (404, "unknown_payload")
    for seq in ("0", "-1", str(2**63), "one", "1.5", "%00"):
        answer = await records.ask(f"/api/v1/payloads/{seq}{rest}")
        assert (answer.status, answer.refusal().parameter) == (422, "seq"), seq


async def test_what_a_vendor_sends_breaks_no_header(database_url: str, ingest_pool: asyncpg.Pool) -> None:
    target = "/v2/aggs/ticker/Ä\r\nSet-Cookie: a=b/range?x=%C3%84"
    odd = respond(Request(Endpoint.RANGE, target, "Ä"), b"x" * 300_000)
    odd = msgspec.structs.replace(odd, headers=[("Content-Type", "text/html\r\nSet-Cookie: a=b")])
    await archive_all(ingest_pool, [odd])
    async with served(database_url) as client:
        answer = await client.ask("/api/v1/payloads/1", headers=_AS_SENT)
    assert (answer.status, answer.body) == (200, b"x" * 300_000)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-request"] == "/v2/aggs/ticker/%C3%84%0D%0ASet-Cookie:%20a=b/range?x=%C3%84"
    assert "set-cookie" not in answer.headers


async def test_a_damaged_body_is_not_served(
    database_url: str, ingest_pool: asyncpg.Pool, tamper: Callable[[str], Awaitable[None]]
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", []), range_response("AAPL", [])])
    await tamper("UPDATE archive.payload SET body = overlay(body placing '\\x00'::bytea from 20) WHERE archive_seq = 1")
    async with served(database_url) as client:
        answer = await client.ask("/api/v1/payloads/1")
        assert (answer.status, answer.refusal().code) == (500, "payload_damaged")
        assert "payload 1 is damaged" in answer.refusal().message
        assert (await client.ask("/api/v1/payloads/1/facts")).status == 200
        assert (await client.ask("/api/v1/payloads/2")).status == 200
