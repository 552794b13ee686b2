"""A person's decision as an event: its bytes, its place in the archive, and that nobody else stumbles over it."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.payload import Endpoint, Payload, Request
from archive.portable import export_archive, import_archive
from archive.read import read_payload, read_payloads_about
from archive.runs import list_runs
from archive.verify import verify_archive
from ingest.assessments import catch_up_assessments
from ingest.coverage import read_coverage
from project.decide.decisions import MOST_BECAUSE, Decision, Verb, as_response, decode_decision, record_decision
from project.errors import InvalidDecision, UndecodablePayload
from project.rebuild import rebuild
from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.command import run_command
from tests.payloads import archive_all, as_payload, bar, grouped_response, range_response
from tests.project.decided import AT, about_bar, skip
from tests.project.random_archive import SESSIONS, small_ruleset
from tests.project.tables import all_tables

DAY = SESSIONS[0]
ACCEPT = Decision(Verb.ACCEPT, "AAPL", DAY, None, "the exchange confirms it", "kim", AT)

_lines = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40)
_texts = _lines.filter(lambda text: text.isprintable() and bool(text.strip()))
_tickers = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
_bar_verbs = st.sampled_from([Verb.ACCEPT, Verb.REJECT, Verb.REVOKE])
_sessions = st.dates(dt.date(1962, 1, 2), dt.date(2049, 12, 31))


@given(verb=_bar_verbs, ticker=_tickers, session=_sessions, because=_texts, by=_texts)
def test_a_decision_on_a_bar_is_read_back_as_it_was_made(
    verb: Verb, ticker: str, session: dt.date, because: str, by: str
) -> None:
    made = Decision(verb, ticker, session, None, because, by, AT)
    assert decode_decision(as_payload(as_response(made))) == made


def test_the_body_is_the_same_bytes_wherever_it_is_made() -> None:
    assert as_response(ACCEPT).body == (
        b'{"decision":"accept","ticker":"AAPL","session":"2023-12-20","payload":null,'
        b'"because":"the exchange confirms it","by":"kim","at":"2024-07-02T08:30:00Z"}'
    )
    assert ACCEPT.request == Request(Endpoint.DECISION, "/decisions/override/AAPL/2023-12-20", "AAPL", DAY, DAY)
    assert skip(7).request == Request(Endpoint.DECISION, "/decisions/skip_payload/7")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("because", ""),
        ("because", "  "),
        ("because", "x" * (MOST_BECAUSE + 1)),
        ("because", "two\nlines"),
        ("because", "a\x1b[31mred"),
        ("by", ""),
        ("by", "k" * 101),
        ("at", AT.replace(tzinfo=None)),
        ("ticker", "A B"),
        ("ticker", ""),
        ("ticker", None),
        ("session", None),
        ("payload", 3),
        ("decision", Verb.SKIP_PAYLOAD),
    ],
)
def test_what_no_decision_can_be_is_refused_by_name(part: str, value: object) -> None:
    with pytest.raises(InvalidDecision, match=r"^decision: "):
        msgspec.structs.replace(ACCEPT, **{part: value})


def _spoiled(body: bytes, request: Request = ACCEPT.request, seq: int = 5) -> Payload:
    return as_payload(msgspec.structs.replace(as_response(ACCEPT), body=body, request=request), seq)


@pytest.mark.parametrize(
    "payload",
    [
        _spoiled(b"<html>busy</html>"),
        _spoiled(b"\xff\xfe"),
        _spoiled(b"[]"),
        _spoiled(as_response(ACCEPT).body.replace(b'"accept"', b'"maybe"')),
        _spoiled(as_response(ACCEPT).body.replace(b'"by":"kim",', b"")),
        _spoiled(as_response(ACCEPT).body.replace(b'"by":"kim"', b'"by":"kim","on_behalf_of":"lee"')),
        _spoiled(as_response(ACCEPT).body.replace(b"the exchange", b"the\\nexchange")),
        _spoiled(as_response(ACCEPT).body.replace(b'00Z"', b'00"')),
        _spoiled(as_response(ACCEPT).body, skip(3).request),
        _spoiled(skip(3).body, skip(4).request),
        _spoiled(skip(5).body, skip(5).request),
        _spoiled(skip(0).body, skip(0).request),
    ],
    ids=str,
)
def test_a_payload_of_the_operator_that_is_no_decision_cannot_be_decoded(payload: Payload) -> None:
    with pytest.raises(UndecodablePayload, match="payload 5"):
        decode_decision(payload)


async def test_a_decision_is_archived_sealed_and_found_by_whoever_asks_about_the_bar(ingest_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    archive_seq = await record_decision(ingest_pool, ACCEPT)
    payload = await read_payload(ingest_pool, archive_seq)
    assert archive_seq == 2
    assert decode_decision(payload) == ACCEPT
    assert (payload.response.source, payload.response.fetched_at) == ("operator", AT)
    about = [found.archive_seq async for found in read_payloads_about(ingest_pool, DAY, "AAPL")]
    elsewhere = [found.archive_seq async for found in read_payloads_about(ingest_pool, DAY, "BCPC")]
    assert (about, elsewhere) == ([1, 2], [])
    verified = await verify_archive(ingest_pool)
    assert (verified.first_bad, verified.payloads, verified.seals) == (None, 2, 1)


async def test_only_the_role_that_may_append_can_archive_a_decision(project_pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await record_decision(project_pool, ACCEPT)


@pytest.fixture
async def elsewhere(empty_database_url: str) -> AsyncIterator[str]:
    """Yield the URL of a second, empty warehouse."""
    async with open_owner(empty_database_url) as owner:
        await migrate(owner)
    yield empty_database_url


async def test_decisions_travel_with_an_export_and_hold_where_it_is_imported(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, elsewhere: str, tmp_path: Path
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)]), range_response("AAPL", b'{"results":{"o":1}}')])
    await record_decision(ingest_pool, msgspec.structs.replace(ACCEPT, decision=Verb.REJECT))
    await archive_all(ingest_pool, [skip(2)])
    here = (await rebuild(project_pool, small_ruleset(), lambda: AT)).generation
    await export_archive(ingest_pool, tmp_path / "out")
    async with open_pool(elsewhere, Role.INGEST) as pool:
        assert (await import_archive(pool, tmp_path / "out"))[1] == 4
        assert (await verify_archive(pool)).first_bad is None
    async with open_pool(elsewhere, Role.PROJECT) as pool:
        there = (await rebuild(pool, small_ruleset(), lambda: AT)).generation
        assert await all_tables(pool) == await all_tables(project_pool)
    assert there.fingerprint == here.fingerprint


async def test_ingest_passes_over_decisions(ingest_pool: asyncpg.Pool) -> None:
    """Neither what is assessed, nor what is thought covered, nor the run ledger is moved by one."""
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)]), grouped_response(DAY, [bar(DAY, ticker="B")])])
    assert await catch_up_assessments(ingest_pool) == 2
    before = await read_coverage(ingest_pool, AT)
    await record_decision(ingest_pool, ACCEPT)
    await archive_all(ingest_pool, [skip(1), about_bar(Verb.REVOKE, "AAPL", DAY)])
    assert await catch_up_assessments(ingest_pool) == 0
    assert await read_coverage(ingest_pool, AT) == before
    assert await list_runs(ingest_pool, 10) == []


async def test_the_archive_command_shows_decisions(command_environ: dict[str, str], ingest_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    await record_decision(ingest_pool, ACCEPT)
    listed = run_command(command_environ, "archive", "list", "--endpoint", "decision", "--json")
    assert [row["request"] for row in msgspec.json.decode(listed.stdout)] == [ACCEPT.request.target]
    assert run_command(command_environ, "archive", "show", "2", "--body").stdout == as_response(ACCEPT).body
    stats = msgspec.json.decode(run_command(command_environ, "archive", "stats", "--json").stdout)
    assert [(row["source"], row["payloads"]) for row in stats["endpoints"]] == [("operator", 1), ("polygon", 1)]
    assert run_command(command_environ, "archive", "verify").stdout.startswith(b"archive is whole: 2 payloads")
