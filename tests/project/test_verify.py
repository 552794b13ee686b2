"""Verification: what is live is what the archive says by its rules, or the first row that is not is named."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.compare.verify import Verified, verify
from project.errors import NothingProjected, OutdatedProjection
from project.rebuild import catch_up_or_build, rebuild
from tests.command import run_command
from tests.payloads import archive_all, bar, range_response, split, splits_response
from tests.project.random_archive import SESSIONS, responses, small_ruleset

RULESET = small_ruleset()
ROWS = [bar(session, 10.0 + place) for place, session in enumerate(SESSIONS)]
DAY = SESSIONS[1]

Empty = Callable[[], Awaitable[None]]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _verify(pool: asyncpg.Pool) -> Verified:
    async with pool.acquire() as connection:
        return await verify(connection)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_whatever_was_archived_and_caught_up_in_steps_is_verified(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    half = len(sent) // 2
    for some in (sent[:half], sent[half:]):
        await archive_all(ingest_pool, some)
        await catch_up_or_build(project_pool, RULESET, _now)
    found = await _verify(read_pool)
    assert found.agrees, found.why
    assert found.differences == ()
    assert found.checkpoint == len(sent)
    assert found.bars == await read_pool.fetchval("SELECT count(*) FROM projection.bar")


ADD_A_TICKER = """
    INSERT INTO projection.bar
    SELECT (jsonb_populate_record(bar, '{"ticker": "AB"}')).*
    FROM projection.bar
    WHERE ticker = 'BCpC'
"""
ADD_A_SESSION = ADD_A_TICKER.replace('"ticker": "AB"', '"session": "2023-12-19"')
# Each with what is said of the first row that differs.
TAMPERINGS = {
    f"UPDATE projection.bar SET close = 1 WHERE ticker = 'AAPL' AND session = '{DAY}'": (
        f"bar AAPL {DAY} has close 1.0, replayed 11.0"
    ),
    "UPDATE projection.bar SET volume = '-0' WHERE ticker = 'BCpC' AND session = '2023-12-20'": (
        "bar BCpC 2023-12-20 has volume -0.0, replayed 0.0"
    ),
    "UPDATE projection.bar SET validated = NOT validated, quality_score = 0.5 WHERE ticker = 'AAPL'": (
        "bar AAPL 2023-12-20 has quality_score 0.5, replayed 1.0; has validated False, replayed True"
    ),
    "UPDATE projection.bar SET gap = 0 WHERE ticker = 'AAPL' AND gap IS NULL": (
        "bar AAPL 2023-12-20 has gap 0.0, replayed NULL"
    ),
    f"UPDATE projection.bar SET known_from = known_from + interval '1 microsecond' WHERE session = '{DAY}'": (
        f"bar AAPL {DAY} has known_from 2024-07-01T12:00:00.000001+00:00, replayed 2024-07-01T12:00:00+00:00"
    ),
    f"DELETE FROM projection.bar WHERE session >= '{DAY}'": f"bar AAPL {DAY} is missing in the table",
    "DELETE FROM projection.bar WHERE ticker = 'BCpC'": "bar BCpC 2023-12-20 is missing in the table",
    "UPDATE projection.bar SET ticker = 'AB' WHERE ticker = 'BCpC'": "bar BCpC 2023-12-20 is missing in the table",
    ADD_A_SESSION: "bar BCpC 2023-12-19 is in the table and in no replay",
    ADD_A_TICKER: ("bar AB 2023-12-20 is in the table and in no replay"),
    "UPDATE projection.bar_revision SET superseded_by = 9": (
        "bar_revision AAPL 2023-12-26 of payload 1 has superseded_by 9, replayed 3"
    ),
    "DELETE FROM projection.bar_revision": "bar_revision AAPL 2023-12-26 of payload 1 is missing in the table",
    "UPDATE projection.rejection SET row_text = '{}'": "rejection 1 12 has row_text '{}', replayed '{\"v\":1000,",
    "DELETE FROM projection.rejection": "rejection 1 12 is missing in the table",
    "UPDATE projection.split SET split_to = 3": "split AAPL s 4 has split_to 3.0, replayed 2.0",
    "DELETE FROM projection.split": "split AAPL s 4 is missing in the table",
    "UPDATE projection.factor SET volume_factor = 9": "factor AAPL split s 4 has volume_factor 9.0, replayed ",
    "UPDATE projection.generation SET content_hash = repeat('0', 32)": "the generation records content 000000000000",
}


async def test_a_table_that_was_tampered_with_is_named_with_its_first_wrong_row(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [*ROWS, {**ROWS[0], "o": "null"}]),
            range_response("BCpC", [bar(SESSIONS[0], volume=0.0)]),
            range_response("AAPL", [bar(SESSIONS[3], 99.0)]),
            splits_response([split("AAPL", SESSIONS[4], 1, 2, "s")]),
        ],
    )
    await rebuild(project_pool, RULESET, _now)
    for statement, said in TAMPERINGS.items():
        assert await owner.execute(statement) not in ("UPDATE 0", "DELETE 0"), statement
        found = await _verify(project_pool)
        assert not found.agrees, statement
        assert found.why.startswith(said), statement
        await rebuild(project_pool, RULESET, _now)
    assert (await _verify(project_pool)).agrees


async def test_an_overlooked_word_of_the_archive_shows(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """A catch-up that skipped a payload leaves tables that agree with themselves, but with no replay."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS[:2])])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", ROWS[2:3])])
    await owner.execute("UPDATE projection.generation SET checkpoint = 2")
    found = await _verify(project_pool)
    assert found.recorded == found.stored != found.replayed
    assert found.why == f"bar AAPL {SESSIONS[2]} is missing in the table"


async def test_what_cannot_be_replayed_by_this_software_is_no_matter_of_verification(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    with pytest.raises(NothingProjected):
        await _verify(project_pool)
    await rebuild(project_pool, RULESET, _now)
    await owner.execute("UPDATE projection.generation SET calendar_version = 'other'")
    with pytest.raises(OutdatedProjection):
        await _verify(project_pool)


async def test_the_command_prints_what_it_compared_and_leaves_with_1_when_they_differ(
    command_environ: dict[str, str],
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    owner: asyncpg.Connection,
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    done = run_command(command_environ, "project", "--verify")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"equal" in done.stdout
    await owner.execute("UPDATE projection.bar SET close = 1 WHERE session = $1", DAY)
    done = run_command(command_environ, "project", "--verify", "--json")
    assert done.returncode == 1
    facts = msgspec.json.decode(done.stdout)
    assert facts["recorded"] == facts["replayed"] != facts["stored"]
    assert facts["differences"] == [{"table": "bar", "row": f"AAPL {DAY}", "detail": "has close 1.0, replayed 11.0"}]
    said = (
        f"error: verification failed: bar AAPL {DAY} has close 1.0, replayed 11.0; `project --rebuild` makes it right"
    )
    assert done.stderr.decode().splitlines() == [said]
