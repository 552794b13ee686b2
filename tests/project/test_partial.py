"""A rebuild of some bars only comes to what a whole one comes to, and mends what was chosen and nothing else."""

import datetime as dt

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.payload import Response
from project.errors import NothingProjected, UnknownSymbols
from project.partial import Choice, rebuild_part
from project.rebuild import rebuild
from project.replay import catch_up
from project.rulesets import recorded_ruleset
from tests.payloads import archive_all, bar, grouped_response, range_response
from tests.project.conftest import Empty
from tests.project.random_archive import SESSIONS, TICKERS, responses, small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables, the_generation

RULESET = small_ruleset()
EVERYTHING = Choice(None, dt.date.min)


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    sent=responses,
    symbols=st.none() | st.sets(st.sampled_from(TICKERS), min_size=1).map(lambda names: tuple(sorted(names))),
    first=st.sampled_from([dt.date.min, *SESSIONS]),
)
async def test_a_sound_projection_stays_as_it_is_whatever_is_chosen(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    empty: Empty,
    sent: list[Response],
    symbols: tuple[str, ...] | None,
    first: dt.date,
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    whole = (await rebuild(project_pool, RULESET, _now)).generation
    tables = await all_tables(project_pool)
    known = {row["ticker"] for row in await project_pool.fetch("SELECT ticker FROM projection.symbol_status")}
    chosen = None if symbols is None else tuple(symbol for symbol in symbols if symbol in known)
    part = (await rebuild_part(project_pool, Choice(chosen, first), _now)).generation
    assert await all_tables(project_pool) == tables
    assert part.fingerprint == whole.fingerprint == await fingerprint_of_tables(project_pool)


async def test_what_was_chosen_is_mended_and_what_was_not_is_left(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    rows = [bar(day, 10.0) for day in SESSIONS]
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", rows),
            range_response("MSFT", rows),
            grouped_response(SESSIONS[3], [bar(SESSIONS[3], 11.0, ticker="AAPL"), {"o": "1"}]),
        ],
    )
    await rebuild(project_pool, RULESET, _now)
    sound = await all_tables(project_pool)
    await owner.execute("UPDATE projection.bar SET close = 99 WHERE session = $1", SESSIONS[5])
    await owner.execute("DELETE FROM projection.bar WHERE ticker = 'AAPL' AND session = $1", SESSIONS[8])
    await owner.execute("DELETE FROM projection.bar_revision")
    await rebuild_part(project_pool, Choice(("AAPL",), SESSIONS[2]), _now)
    assert (await the_generation(project_pool)).fingerprint == await fingerprint_of_tables(project_pool)
    wrong = await project_pool.fetch("SELECT ticker FROM projection.bar WHERE close = 99")
    assert [row["ticker"] for row in wrong] == ["MSFT"]
    await rebuild_part(project_pool, EVERYTHING, _now)
    assert await all_tables(project_pool) == sound


async def test_bars_before_the_first_chosen_session_are_taken_over_as_they_are(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day, 10.0) for day in SESSIONS])])
    await rebuild(project_pool, RULESET, _now)
    await owner.execute("UPDATE projection.bar SET volume = 7 WHERE session = ANY($1)", [SESSIONS[2], SESSIONS[6]])
    await rebuild_part(project_pool, Choice(None, SESSIONS[4]), _now)
    wrong = await project_pool.fetch("SELECT session FROM projection.bar WHERE volume = 7")
    assert [row["session"] for row in wrong] == [SESSIONS[2]]


async def test_it_keeps_the_rules_that_are_live_and_takes_in_what_came_since(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day) for day in SESSIONS[:5]])])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("MSFT", [bar(day) for day in SESSIONS])])
    part = await rebuild_part(project_pool, Choice(("AAPL",), dt.date.min), _now)
    assert (part.generation.checkpoint, part.generation.ruleset_hash) == (2, RULESET.hash)
    async with project_pool.acquire() as connection:
        assert await recorded_ruleset(connection, part.generation.ruleset_hash) == RULESET
    tables = await all_tables(project_pool)
    assert (await catch_up(project_pool, _now)).payloads == 0
    await rebuild(project_pool, RULESET, _now)
    assert await all_tables(project_pool) == tables


async def test_a_symbol_that_nobody_spoke_of_is_refused(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await rebuild_part(project_pool, EVERYTHING, _now)
    await archive_all(ingest_pool, [range_response("BCpC", [bar(SESSIONS[0])])])
    live = (await rebuild(project_pool, RULESET, _now)).generation
    with pytest.raises(UnknownSymbols, match="no payload ever spoke of 'BCPC'; upper and lower case matter"):
        await rebuild_part(project_pool, Choice(("BCPC", "BCpC"), dt.date.min), _now)
    assert await the_generation(project_pool) == live
