"""Replay on a real database: catch-up and rebuild agree, whatever is archived and wherever the batches end."""

import datetime as dt
import itertools
import random
from collections.abc import Sequence

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.payload import Response
from project import replay
from project.bulk import replay as build
from project.errors import NothingProjected, OutdatedProjection, ProjectorBusy, UndecodablePayload
from project.rebuild import catch_up_or_build, rebuild
from project.replay import Replayed, catch_up, projector
from tests.payloads import (
    archive_all,
    bar,
    grouped_response,
    range_response,
    split,
    splits_response,
)
from tests.project.conftest import Empty
from tests.project.random_archive import SESSIONS, responses, small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables, status, status_of_tables, the_generation

RULESET = small_ruleset()


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


def _parts(sent: Sequence[Response], cuts: Sequence[int]) -> list[list[Response]]:
    edges = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    return [list(sent[start:stop]) for start, stop in itertools.pairwise(edges)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    sent=responses,
    cuts=st.lists(st.integers(0, 12), max_size=3),
    batch_payloads=st.integers(1, 5),
    part_rows=st.sampled_from([1, 5, 500_000]),
    part_tickers=st.sampled_from([1, 2, 2000]),
)
async def test_catching_up_from_anywhere_in_any_batches_gives_what_one_rebuild_gives(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    empty: Empty,
    sent: list[Response],
    cuts: list[int],
    batch_payloads: int,
    part_rows: int,
    part_tickers: int,
) -> None:
    await empty()
    with pytest.MonkeyPatch.context() as sizes:
        # Of whole tickers so many rows or tickers at a time; a market that reaches the shipped sizes takes too long.
        sizes.setattr(build, "_PART_ROWS", part_rows)
        sizes.setattr(replay, "_PART_TICKERS", part_tickers)
        for part in _parts(sent, cuts):
            if part:
                await archive_all(ingest_pool, part)
            try:
                await catch_up(project_pool, _now, batch_payloads=batch_payloads)
            except NothingProjected:
                await rebuild(project_pool, RULESET, _now)
    caught_up, generation = await all_tables(project_pool), await the_generation(project_pool)
    assert await fingerprint_of_tables(project_pool) == generation.fingerprint
    assert await status(project_pool) == await status_of_tables(project_pool)
    rebuilt = (await rebuild(project_pool, RULESET, _now)).generation
    assert (rebuilt.content_hash, rebuilt.provenance_hash) == (generation.content_hash, generation.provenance_hash)
    assert rebuilt.checkpoint == generation.checkpoint == len(sent)
    assert await all_tables(project_pool) == caught_up


async def test_night_after_night_gives_what_one_rebuild_gives(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The whole market of one session a night, so that each verdict looks back over what earlier nights wrote."""
    chance = random.Random(4)
    await rebuild(project_pool, RULESET, _now)
    for session in SESSIONS:
        rows = [
            bar(session, chance.choice((10.0, 11.5, 20.0)), chance.choice((90.0, 1000.0, 12000.0)), ticker=ticker)
            for ticker in ("AAPL", "BCPC", "BCpC")
            if chance.random() < 0.9
        ]
        await archive_all(ingest_pool, [grouped_response(session, rows)])
        await catch_up(project_pool, _now)
    by_night, generation = await all_tables(project_pool), await the_generation(project_pool)
    rebuilt = (await rebuild(project_pool, RULESET, _now)).generation
    assert await all_tables(project_pool) == by_night
    assert rebuilt.fingerprint == generation.fingerprint
    anomalies = await project_pool.fetchval("SELECT sum(volume_anomalies) FROM projection.symbol_status")
    assert anomalies > 0


async def test_replaying_twice_leaves_the_projection_unchanged(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day) for day in SESSIONS])])
    first = await catch_up_or_build(project_pool, RULESET, _now)
    tables = await all_tables(project_pool)
    again = await catch_up(project_pool, _now)
    assert (first.payloads, again.payloads) == (1, 0)
    assert await all_tables(project_pool) == tables


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
    assert await _flagged(project_pool) == []  # the prices show it where it was
    await archive_all(ingest_pool, [splits_response([split("AAPL", SESSIONS[11], 1, 2, "s")])])
    await catch_up(project_pool, _now)
    assert await _flagged(project_pool) == [SESSIONS[5]]  # the prices show nothing of it there


async def test_an_undecodable_payload_stops_both_ways_and_leaves_the_live_projection(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[0])])])
    await catch_up_or_build(project_pool, RULESET, _now)
    before = await all_tables(project_pool)
    await archive_all(ingest_pool, [range_response("AAPL", b'{"results":{"o":1},"status":"OK"}')])
    for attempt in (catch_up(project_pool, _now), rebuild(project_pool, RULESET, _now)):
        with pytest.raises(UndecodablePayload, match="payload 2"):
            await attempt
    assert await all_tables(project_pool) == before


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


async def test_the_same_archive_has_the_same_hashes_on_every_engine_and_machine(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """Written down once; they change only with what a bar, a verdict or a fingerprint is, and then on purpose."""
    chance = random.Random(11)
    sent = [splits_response([split("BCpC", SESSIONS[6], 1, 3, "s"), split("AAPL", SESSIONS[2], 0, 1, "t")])]
    for _ in range(40):
        ticker = chance.choice(("AAPL", "BCPC", "BCpC"))
        rows = [
            bar(session, chance.choice((10.0, 10.7, 12.345, 3.3)), chance.choice((1e6, 61436228.189065, 7.0)))
            for session in SESSIONS
            if chance.random() < 0.7
        ]
        sent.append(range_response(ticker, [*rows, {"o": '"bad"'}]))
    await archive_all(ingest_pool, sent)
    generation = (await rebuild(project_pool, RULESET, _now)).generation
    assert generation.content_hash == "80ab401f79a79925fb5e1824bcb52681"
    assert generation.provenance_hash == "c2ea4089313fb0e12cec1b0c1f455dcd"
