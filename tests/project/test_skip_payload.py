"""Skipped payloads: what nobody can decode holds no rows on a person's word, and is remembered as a rejection."""

import datetime as dt
import itertools
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.payload import Response
from project.audit.session import audit_session
from project.batch import Batch
from project.decide.decisions import Verb
from project.decide.skip import WHOLE_PAYLOAD, Skip, read_skips
from project.errors import NothingProjected, UndecodablePayload
from project.rebuild import rebuild
from project.rejection import Reason, Rejection
from project.replay import catch_up
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.command import complaint, console_command, run_command
from tests.payloads import archive_all, as_payload, bar, range_response, splits_response
from tests.project.decided import about_bar, skip
from tests.project.random_archive import SESSIONS, responses, small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables, status, status_of_tables, the_generation

RULESET = small_ruleset()
NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
DAY = SESSIONS[0]
STRANGE = range_response("AAPL", b'{"results":{"o":1},"status":"OK"}')
SKIP = Skip("a test of theirs", "kim", 3)


def _batch(skips: dict[int, Skip], *sent: Response) -> Batch:
    batch = Batch(exchange_calendar(), RULESET, skips)
    for seq, response in enumerate(sent, start=1):
        batch.add(as_payload(response, seq))
    return batch


def test_a_skipped_payload_is_one_rejection_that_says_why_and_how_it_began() -> None:
    batch = _batch({2: SKIP}, range_response("BCPC", [bar(DAY)]), STRANGE)
    [rejected] = batch.rejections
    assert rejected == Rejection(2, WHOLE_PAYLOAD, "AAPL", None, (Reason.UNDECODABLE_PAYLOAD,), rejected.row_text)
    assert msgspec.json.decode(rejected.row_text) == {
        "because": "a test of theirs",
        "by": "kim",
        "decision": 3,
        "body": '{"results":{"o":1},"status":"OK"}',
    }
    assert batch.spoken == {"BCPC": 1, "AAPL": 2}


def test_a_payload_that_decodes_is_never_skipped() -> None:
    sent = range_response("AAPL", [bar(DAY)])
    batch, plain = _batch({1: SKIP}, sent), _batch({}, sent)
    assert (len(batch.bars[0]), batch.rejections) == (len(plain.bars[0]), []) == (1, [])


def test_what_is_not_skipped_still_stops_and_says_what_can_be_done() -> None:
    with pytest.raises(UndecodablePayload, match="--skip-payload 1 --because"):
        _batch({2: SKIP}, STRANGE)


def test_what_is_remembered_is_printable_and_bounded() -> None:
    body = b'{"results":{"\x00\x7f\xc2\x9b\xff' + b"x" * 10_000
    response = msgspec.structs.replace(splits_response(b'{"results":{}}'), body=b'{"results":{}}' + b" " * 10_000)
    [long] = _batch({1: SKIP}, response).rejections
    decision = msgspec.structs.replace(about_bar(Verb.ACCEPT, "AAPL", DAY), body=body)
    [spoiled] = _batch({1: SKIP}, decision).rejections
    assert long.ticker is None
    for rejected in (long, spoiled):
        assert rejected.row_text.isascii()
        assert rejected.row_text.isprintable()
        assert len(rejected.row_text) < 2000


async def test_a_catch_up_that_stopped_goes_on_after_the_decision_and_a_rebuild_agrees(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    await rebuild(project_pool, RULESET, lambda: NOW)
    await archive_all(ingest_pool, [STRANGE, range_response("AAPL", [bar(SESSIONS[1])])])
    with pytest.raises(UndecodablePayload, match="payload 2"):
        await catch_up(project_pool, lambda: NOW)
    await archive_all(ingest_pool, [skip(2)])
    caught_up = await catch_up(project_pool, lambda: NOW, batch_payloads=1)
    assert (caught_up.generation.checkpoint, caught_up.payloads) == (4, 3)
    tables = await all_tables(project_pool)
    rebuilt = await rebuild(project_pool, RULESET, lambda: NOW)
    assert rebuilt.generation.fingerprint == caught_up.generation.fingerprint
    assert await all_tables(project_pool) == tables
    async with project_pool.acquire() as connection:
        audited = await audit_session(connection, SESSIONS[1], "AAPL")
    assert (audited.raw_rows, audited.current) == (1, 1)


async def test_the_first_decision_on_a_payload_stands_and_a_decision_can_be_skipped_too(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    foreign = msgspec.structs.replace(skip(1), body=b'{"decision":"bless"}')
    sent = [STRANGE, foreign, skip(1, "first"), skip(2), skip(1, "second"), about_bar(Verb.ACCEPT, "AAPL", DAY)]
    await archive_all(ingest_pool, sent)
    assert await read_skips(project_pool) == {1: Skip("first", "kim", 3), 2: Skip("a test of theirs", "kim", 4)}
    await rebuild(project_pool, RULESET, lambda: NOW)
    rows = await project_pool.fetch("SELECT archive_seq, row_text FROM projection.rejection ORDER BY archive_seq")
    assert [(row["archive_seq"], msgspec.json.decode(row["row_text"])["decision"]) for row in rows] == [(1, 3), (2, 4)]


async def test_skips_are_found_without_reading_the_archive(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """Whatever else there is of the operator and of vendors, only what is to be skipped is read."""
    await archive_all(ingest_pool, [range_response(f"T{number}", [bar(DAY)]) for number in range(300)])
    await archive_all(ingest_pool, [about_bar(Verb.ACCEPT, "AAPL", DAY), STRANGE, skip(302)])
    await owner.execute("ANALYZE archive.payload")
    query = read_skips.__globals__["_SKIP_DECISIONS"]
    plan = await owner.fetch(f"EXPLAIN {query}", "/decisions/skip_payload/")
    assert any("payload_of_endpoint" in row[0] for row in plan), plan


@st.composite
def _archives(draw: st.DrawFn) -> list[Response]:
    """Draw an archive with payloads that cannot be decoded, each skipped by a decision somewhere after it."""
    sent: list[Response] = []
    waiting: list[int] = []
    for response in draw(responses):
        sent.append(response)
        match draw(st.integers(0, 4)):
            case 0:
                sent.append(draw(st.sampled_from([STRANGE, splits_response(b'{"results":{}}')])))
                waiting.append(len(sent))
            case 1 if waiting:
                sent.append(skip(waiting.pop(draw(st.integers(0, len(waiting) - 1)))))
    return [*sent, *(skip(payload) for payload in waiting)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=_archives(), cuts=st.lists(st.integers(0, 25), max_size=4), batch_payloads=st.integers(1, 5))
async def test_wherever_a_catch_up_stopped_it_ends_where_a_rebuild_does(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    empty: Callable[[], Awaitable[None]],
    sent: list[Response],
    cuts: Sequence[int],
    batch_payloads: int,
) -> None:
    await empty()
    edges = sorted({0, *(min(cut, len(sent)) for cut in cuts), len(sent)})
    for start, stop in itertools.pairwise(edges):
        await archive_all(ingest_pool, sent[start:stop])
        try:
            await _replay(project_pool, batch_payloads)
        except UndecodablePayload:
            assert stop < len(sent)
    tables, generation = await all_tables(project_pool), await the_generation(project_pool)
    assert generation.checkpoint == len(sent)
    assert await fingerprint_of_tables(project_pool) == generation.fingerprint
    assert await status(project_pool) == await status_of_tables(project_pool)
    rebuilt = (await rebuild(project_pool, RULESET, lambda: NOW)).generation
    assert rebuilt.fingerprint == generation.fingerprint
    assert await all_tables(project_pool) == tables


async def _replay(pool: asyncpg.Pool, batch_payloads: int) -> None:
    try:
        await catch_up(pool, lambda: NOW, batch_payloads=batch_payloads)
    except NothingProjected:
        await rebuild(pool, RULESET, lambda: NOW)


# The command.


@pytest.fixture
async def stopped(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Project one payload; the second cannot be decoded, and a good one waits behind it."""
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    await archive_all(ingest_pool, [STRANGE, range_response("AAPL", [bar(SESSIONS[1])])])


async def _decisions(pool: asyncpg.Pool) -> list[str]:
    rows = await pool.fetch("SELECT request FROM archive.payload WHERE source = 'operator' ORDER BY archive_seq")
    return [row["request"] for row in rows]


def _facts(environ: dict[str, str], *words: str) -> dict[str, Any]:
    done = run_command(environ, "project", *words, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    facts: dict[str, Any] = msgspec.json.decode(done.stdout)
    return facts


@pytest.mark.usefixtures("stopped")
async def test_a_person_skips_a_payload_and_the_replay_goes_on(
    command_environ: dict[str, str], read_pool: asyncpg.Pool
) -> None:
    assert "--skip-payload 2" in complaint(run_command(command_environ, "project"))
    why = ("--skip-payload", "2", "--because", "the vendor tested a new format")
    facts = _facts(command_environ, *why)
    assert (facts["checkpoint"], facts["bars"], facts["rejections"], facts["skipped_payloads"]) == (4, 2, 1, {"2": 4})
    again = _facts(command_environ, *why)
    assert (again["checkpoint"], again["skipped_payloads"]) == (4, {"2": 4})
    rebuilt = _facts(command_environ, "--rebuild")
    assert (rebuilt["content_hash"], rebuilt["provenance_hash"]) == (facts["content_hash"], facts["provenance_hash"])
    assert await _decisions(read_pool) == ["/decisions/skip_payload/2"]


async def test_killed_between_a_skipped_payload_and_its_decision_it_goes_on(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """At a checkpoint between the two the archive up to there does not say what to skip; the whole of it does."""
    good = [range_response(f"T{number % 9}", [bar(SESSIONS[number % 12], 10.0 + number)]) for number in range(1200)]
    await archive_all(ingest_pool, good[:1])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    await archive_all(ingest_pool, [STRANGE, *good[1:], STRANGE, skip(2), skip(len(good) + 2)])
    process = subprocess.Popen(
        [console_command("project")],
        env=command_environ | {"LOG_LEVEL": "INFO"},
        cwd=command_environ["HOME"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert any(b"project.batch_committed" in line for line in process.stderr)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    killed_at = (await the_generation(project_pool)).checkpoint
    assert 2 < killed_at < len(good) + 3
    done = run_command(command_environ, "project")
    assert done.returncode == 0, done.stderr
    tables, generation = await all_tables(project_pool), await the_generation(project_pool)
    rebuilt = (await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)).generation
    assert (rebuilt.fingerprint, rebuilt.checkpoint) == (generation.fingerprint, len(good) + 4)
    assert await all_tables(project_pool) == tables


@pytest.mark.usefixtures("stopped")
async def test_a_rebuild_can_skip_several_at_once(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [STRANGE])
    await archive_all(ingest_pool, [STRANGE])
    several = ("--skip-payload", "2", "--skip-payload", "4-5")
    facts = _facts(command_environ, "--rebuild", *several, "--because", "a new format", "--by", "kim")
    assert (facts["checkpoint"], facts["bars"], facts["rejections"]) == (8, 2, 3)
    assert facts["skipped_payloads"] == {"2": 6, "4": 7, "5": 8}
    assert await _decisions(read_pool) == [f"/decisions/skip_payload/{seq}" for seq in (2, 4, 5)]


@pytest.mark.usefixtures("stopped")
async def test_a_decision_is_kept_where_the_replay_stops_elsewhere(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [STRANGE])
    done = run_command(command_environ, "project", "--skip-payload", "2", "--because", "x")
    message = complaint(done)
    assert done.returncode == 1
    assert "the decision is payload 5" in message
    assert "payload 4 cannot be decoded" in message
    assert await _decisions(read_pool) == ["/decisions/skip_payload/2"]


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--skip-payload", "9", "--because", "x"), 1, "payload 9 is not in the archive"),
        (("--skip-payload", "3", "--because", "x"), 1, "payload 3 decodes: there is nothing to skip"),
        (("--skip-payload", "2", "--skip-payload", "3", "--because", "x"), 1, "payload 3 decodes"),
        (("--skip-payload", "2"), 2, "say why with --because"),
        (("--skip-payload", "2", "--because", ""), 2, "because is ''"),
        (("--because", "x"), 2, "go with --skip-payload"),
        (("--skip-payload", "0", "--because", "x"), 2, "'0': payloads are numbered from 1"),
        (("--skip-payload", "2-9", "--because", "x"), 1, "payload 3 decodes: there is nothing to skip"),
        (("--skip-payload", "34-20", "--because", "x"), 2, "'34-20' ends before it begins"),
        (("--skip-payload", "2-", "--because", "x"), 2, "'2-' is neither a payload such as 20 nor a range of them"),
        (("--skip-payload", "²", "--because", "x"), 2, "'²' is neither a payload"),
        (("--skip-payload", "1-99999999999", "--because", "x"), 2, "at most 10,000 are skipped at once"),
        (("--status", "--skip-payload", "2", "--because", "x"), 2, "goes with a replay"),
        (("--verify", "--skip-payload", "2", "--because", "x"), 2, "goes with a replay"),
        (("--rebuild", "--dry-run", "--skip-payload", "2", "--because", "x"), 2, "goes with a replay"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value)[:30],
)
async def test_what_cannot_be_skipped_is_refused_and_archives_nothing(
    command_environ: dict[str, str], read_pool: asyncpg.Pool, words: tuple[str, ...], code: int, message: str
) -> None:
    done = run_command(command_environ, "project", *words)
    assert message in complaint(done)
    assert done.returncode == code
    assert await _decisions(read_pool) == []
