"""Replay on a real database: catch-up and rebuild agree, rows add up, and readers see one generation or another."""

import asyncio
import datetime as dt
import itertools
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.payload import Response
from archive.read import archive_head
from project.audit import audit_session
from project.errors import NothingProjected, OutdatedProjection, ProjectorBusy, UndecodablePayload
from project.generation import read_generation
from project.replay import Replayed, catch_up, catch_up_or_build, projector, rebuild
from project.ruleset import Ruleset, read_ruleset
from sql.connect import Role, open_pool
from tests.payloads import archive_all, bar, range_response, split, splits_response
from tests.project.random_archive import FIRST, LAST, SESSIONS, responses, small_ruleset

TABLES = ("bar", "bar_revision", "rejection", "split", "dividend", "symbol_status", "rule", "session")
RULESET = small_ruleset()
PROPERTY = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _tables(pool: asyncpg.Pool, schema: str = "projection") -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted((tuple(row) for row in await pool.fetch(f"SELECT * FROM {schema}.{table}")), key=repr)
        for table in TABLES
    }


async def _hashes(pool: asyncpg.Pool) -> tuple[str, str]:
    async with pool.acquire() as connection:
        generation = await read_generation(connection)
    assert generation is not None
    return generation.content_hash, generation.provenance_hash


def _batches(sent: Sequence[Response], cuts: Sequence[int]) -> list[list[Response]]:
    edges = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    return [list(sent[start:stop]) for start, stop in itertools.pairwise(edges)]


@PROPERTY
@given(sent=responses, cuts=st.lists(st.integers(0, 20), max_size=4), batch_payloads=st.integers(1, 5))
async def test_catching_up_in_any_batches_gives_what_a_rebuild_gives(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    sent: list[Response],
    cuts: list[int],
    batch_payloads: int,
) -> None:
    """The archive grows from one example to the next, so each example also starts from another projection."""
    await rebuild(project_pool, RULESET, _now)
    for batch in _batches(sent, cuts):
        await archive_all(ingest_pool, batch)
        await catch_up(project_pool, _now, batch_payloads=batch_payloads)
    caught_up, hashes = await _tables(project_pool), await _hashes(project_pool)
    await rebuild(project_pool, RULESET, _now)
    assert await _tables(project_pool) == caught_up
    assert await _hashes(project_pool) == hashes


@PROPERTY
@given(sent=responses)
async def test_raw_rows_are_current_superseded_or_rejected_on_every_date(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, sent: list[Response]
) -> None:
    await archive_all(ingest_pool, sent)
    await catch_up_or_build(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        for offset in range((LAST - FIRST).days + 1):
            found = await audit_session(connection, FIRST + dt.timedelta(days=offset))
            assert found.raw_rows == found.current + found.superseded + found.rejected


async def test_replaying_twice_leaves_the_projection_unchanged(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day) for day in SESSIONS])])
    first = await catch_up_or_build(project_pool, RULESET, _now)
    tables = await _tables(project_pool)
    again = await catch_up(project_pool, _now)
    assert (first.payloads, again.payloads) == (1, 0)
    assert await _tables(project_pool) == tables


async def test_a_restated_bar_keeps_what_was_believed_before(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    day, later = SESSIONS[0], _now()
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [bar(day, 10.0)]),
            range_response("AAPL", [bar(day, 10.0)]),
            range_response("AAPL", [bar(day, 11.0)], fetched_at=later),
        ],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    revision = await project_pool.fetchrow("SELECT * FROM projection.bar_revision")
    assert (revision["close"], revision["archive_seq"], revision["superseded_by"]) == (10.0, 1, 3)
    assert revision["known_to"] == later
    current = await project_pool.fetchrow("SELECT * FROM projection.bar")
    assert (current["close"], current["archive_seq"], current["known_from"]) == (11.0, 3, later)


async def test_a_split_that_is_archived_late_explains_the_gap_it_made(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    rows = [bar(day, 20.0 if day < SESSIONS[5] else 10.0) for day in SESSIONS]
    await archive_all(ingest_pool, [range_response("AAPL", rows)])
    await catch_up_or_build(project_pool, RULESET, _now)
    assert await _flagged(project_pool) == [SESSIONS[5]]
    await archive_all(ingest_pool, [splits_response([split("AAPL", SESSIONS[5], 1, 2, "s")])])
    await catch_up(project_pool, _now)
    assert await _flagged(project_pool) == []
    await archive_all(ingest_pool, [splits_response([split("AAPL", SESSIONS[7], 1, 2, "s")])])
    await catch_up(project_pool, _now)
    assert await _flagged(project_pool) == [SESSIONS[5], SESSIONS[7]]


async def test_readers_under_constant_load_see_one_generation_or_the_other(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """An answer is one statement over one table; half a rebuild would show as another count or another total.

    How an answer of several tables is proved to be of one generation is the API's (tests/api/test_generation.py).
    """
    lenient = msgspec.structs.replace(RULESET, validated_from=0.0)
    rows = [bar(day, 20.0 if place % 2 else 10.0) for place, day in enumerate(SESSIONS)]
    await archive_all(ingest_pool, [range_response(f"T{n}", rows) for n in range(20)])
    statement = "SELECT count(*), count(*) FILTER (WHERE validated) FROM projection.bar"
    expected = set()
    for ruleset in (RULESET, lenient):
        await rebuild(project_pool, ruleset, _now)
        expected.add(tuple(await project_pool.fetchrow(statement)))
    assert len(expected) == 2
    done = asyncio.Event()
    answers: list[tuple[int, int]] = []

    async def read(pool: asyncpg.Pool) -> None:
        while not done.is_set():
            answers.append(tuple(await pool.fetchrow(statement)))

    async with open_pool(database_url, Role.READ, size=8) as readers, asyncio.TaskGroup() as crew:
        for _ in range(8):
            crew.create_task(read(readers))
        for turn in range(10):
            await rebuild(project_pool, (RULESET, lenient)[turn % 2], _now)
        done.set()
    assert set(answers) == expected


async def test_payloads_that_arrive_during_a_rebuild_are_in_the_generation_that_goes_live(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    arrived = asyncio.Event()

    async def arrive() -> None:
        await archive_all(ingest_pool, [range_response("BCpC", [bar(SESSIONS[0])])])
        arrived.set()

    started: list[asyncio.Task[None]] = []

    def progress(done: int, total: int) -> None:
        if not started:
            started.append(asyncio.get_running_loop().create_task(arrive()))

    replayed = await rebuild(project_pool, RULESET, _now, progress=progress)
    await arrived.wait()
    assert replayed.generation.checkpoint == 2 == await archive_head(project_pool)
    assert await project_pool.fetchval("SELECT count(*) FROM projection.bar") == 2


async def test_an_undecodable_payload_stops_both_ways_and_leaves_the_live_projection(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    await catch_up_or_build(project_pool, RULESET, _now)
    before = await _tables(project_pool)
    await archive_all(ingest_pool, [range_response("AAPL", b'{"results":{"o":1},"status":"OK"}')])
    for replay in (catch_up(project_pool, _now), rebuild(project_pool, RULESET, _now)):
        with pytest.raises(UndecodablePayload, match="payload 2"):
            await replay
    assert await _tables(project_pool) == before


async def test_two_projectors_at_once_are_refused(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    async with projector(project_pool):
        with pytest.raises(ProjectorBusy):
            await rebuild(project_pool, RULESET, _now)
    assert (await rebuild(project_pool, RULESET, _now)).rebuilt


async def test_catching_up_without_a_projection_says_so(project_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await catch_up(project_pool, _now)


async def test_a_projection_of_other_tables_is_not_continued(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    await catch_up_or_build(project_pool, RULESET, _now)
    await owner.execute("UPDATE projection.generation SET shape = 'older'")
    with pytest.raises(OutdatedProjection, match="rebuild"):
        await catch_up(project_pool, _now)


async def test_edited_rules_wait_for_a_rebuild(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    strict = msgspec.structs.replace(RULESET, validated_from=1.0)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    await catch_up_or_build(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[1])])])
    continued: Replayed = await catch_up_or_build(project_pool, strict, _now)
    assert continued.generation.ruleset_hash == RULESET.hash
    assert (await rebuild(project_pool, strict, _now)).generation.ruleset_hash == strict.hash
    texts = await project_pool.fetch("SELECT ruleset_hash, body FROM archive.ruleset")
    assert {row["ruleset_hash"]: row["body"] for row in texts} == {one.hash: one.body for one in (RULESET, strict)}


async def test_the_same_answers_archived_in_another_order_of_retries_have_the_same_content(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    good = range_response("AAPL", [bar(day) for day in SESSIONS])
    await archive_all(ingest_pool, [good])
    first = await catch_up_or_build(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [msgspec.structs.replace(good, fetched_at=_now())])
    second = await rebuild(project_pool, RULESET, _now)
    assert first.generation.content_hash == second.generation.content_hash


async def _flagged(pool: asyncpg.Pool) -> list[dt.date]:
    rows = await pool.fetch(
        """SELECT session FROM projection.bar, projection.rule
        WHERE rule.name = 'large_gap' AND failed_rules >> rule.bit & 1 = 1 ORDER BY session"""
    )
    return [row["session"] for row in rows]


def test_the_shipped_rules_can_be_read() -> None:
    shipped: Ruleset = read_ruleset(Path(__file__).parents[2] / "ops" / "rules.toml")
    assert [use.name for use in shipped.rules][-1] == "corporate_action"
