"""Reading a generation back: whole columns as they were written, and the fingerprint of what is really there."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project import unload
from project.generation import LIVE, use_schema
from project.judged import JudgedBars
from project.kinds import KINDS
from project.rebuild import catch_up_or_build, rebuild
from project.replay import catch_up
from project.rows import Tickers
from project.store import bars_of_records
from project.unload import fingerprint_of, parts_of, read_part, read_tickers
from tests.payloads import archive_all, bar, range_response, split, splits_response
from tests.project.columns import EPOCH
from tests.project.random_archive import SESSIONS, responses, small_ruleset
from tests.project.tables import fingerprint_of_tables, the_generation

RULESET = small_ruleset()
ROWS = [bar(session, 10.0 + place) for place, session in enumerate(SESSIONS)]

Empty = Callable[[], Awaitable[None]]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _naive(pool: asyncpg.Pool, names: list[str]) -> JudgedBars:
    tickers = Tickers(names)
    bars = bars_of_records(await pool.fetch("SELECT * FROM projection.bar WHERE ticker = ANY($1)", names), tickers)
    order = np.lexsort((bars.bars.day, tickers.ranks()[bars.bars.ticker]))
    return bars.take(order)


def _columns(judged: JudgedBars) -> list[bytes]:
    bars = judged.bars
    whole = [bars.ticker, bars.day, bars.archive_seq, bars.known_from, judged.failed_rules]
    numbers = [bars.values, judged.gap, judged.volume_ratio, judged.quality_score]
    return [column.tobytes() for column in (*whole, *numbers, judged.validated)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_what_is_read_is_what_the_tables_hold(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    half = len(sent) // 2
    for some in (sent[:half], sent[half:]):
        await archive_all(ingest_pool, some)
        await catch_up_or_build(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        names = list(await read_tickers(connection, LIVE))
        assert _columns(await read_part(connection, LIVE, names)) == _columns(await _naive(project_pool, names))
        found = await fingerprint_of(connection, LIVE)
    assert found == await fingerprint_of_tables(project_pool)
    assert found == (await the_generation(project_pool)).fingerprint


async def test_tickers_are_numbered_as_they_were_asked_for_and_come_in_byte_order(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response(name, ROWS[:2]) for name in ("BCPC", "BCpC", "AAPL")])
    await rebuild(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        part = await read_part(connection, LIVE, ["BCpC", "NONE", "BCPC"])
        nothing = await read_part(connection, LIVE, ["NONE"])
    assert part.bars.ticker.tolist() == [2, 2, 0, 0]
    assert part.bars.day.tolist() == [(session - EPOCH).days for session in SESSIONS[:2]] * 2
    assert (len(nothing), nothing.bars.values.shape) == (0, (7, 0))


async def test_a_part_holds_whole_tickers_and_no_more_bars_than_it_may(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive_all(ingest_pool, [range_response(f"T{n}", ROWS[: n + 1]) for n in range(6)])
    restated = [bar(session, 50.0) for session in SESSIONS[:2]]
    await archive_all(ingest_pool, [range_response(f"T{n}", restated) for n in range(6)])
    await rebuild(project_pool, RULESET, _now)
    expected = await fingerprint_of_tables(project_pool)
    for most, parts in ((1, 6), (7, 5), (12, 4), (1000, 1)):
        monkeypatch.setattr(unload, "PART_ROWS", most)
        async with project_pool.acquire() as connection:
            found = parts_of(await read_tickers(connection, LIVE))
            assert await fingerprint_of(connection, LIVE) == expected
        assert len(found) == parts, (most, found)
        assert [name for part in found for name in part] == [f"T{n}" for n in range(6)]


TAMPERINGS = [
    "UPDATE projection.bar SET close = close + 1e-9 WHERE ticker = 'AAPL' AND session = '2023-12-21'",
    "UPDATE projection.bar SET volume = '-0' WHERE ticker = 'AAPL' AND volume = 0",
    "UPDATE projection.bar SET validated = NOT validated WHERE ticker = 'AAPL'",
    "UPDATE projection.bar SET failed_rules = failed_rules + 1 WHERE ticker = 'AAPL'",
    "UPDATE projection.bar SET known_from = known_from + interval '1 microsecond' WHERE ticker = 'AAPL'",
    "UPDATE projection.bar SET gap = 0 WHERE gap IS NULL",
    "DELETE FROM projection.bar WHERE session = '2023-12-21'",
    "UPDATE projection.bar_revision SET superseded_by = superseded_by + 1",
    "UPDATE projection.bar_revision SET known_to = known_to + interval '1 microsecond'",
    "UPDATE projection.rejection SET reasons = '{test_ticker}'",
    "UPDATE projection.rejection SET row_text = row_text || ' '",
    "UPDATE projection.split SET split_to = split_to + 1",
    "UPDATE projection.split SET known_to = known_from",
]


async def test_no_change_of_a_table_escapes_the_fingerprint(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [bar(SESSIONS[0], volume=0.0), *ROWS[1:], {**ROWS[0], "o": "null"}]),
            range_response("AAPL", [bar(SESSIONS[3], 99.0)]),
            splits_response([split("AAPL", SESSIONS[4], 1, 2, "s")]),
        ],
    )
    await rebuild(project_pool, RULESET, _now)
    truth = await fingerprint_of(owner, LIVE)
    assert truth == (await the_generation(project_pool)).fingerprint
    for statement in TAMPERINGS:
        undo = owner.transaction()
        await undo.start()
        assert await owner.execute(statement) != "UPDATE 0", statement
        assert await fingerprint_of(owner, LIVE) != truth, statement
        await undo.rollback()
    assert await fingerprint_of(owner, LIVE) == truth


async def test_every_kind_of_record_is_read_with_all_its_fields(project_pool: asyncpg.Pool) -> None:
    await rebuild(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        await use_schema(connection, LIVE)
        for kind in KINDS:
            statement = await connection.prepare(kind.every)
            assert {column.name for column in statement.get_attributes()} == set(kind.record.__struct_fields__)


async def test_reading_goes_on_after_payloads_were_taken_in(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The fingerprint is that of the tables at the time, on one and the same connection."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    async with project_pool.acquire() as connection:
        first = await fingerprint_of(connection, LIVE)
        await archive_all(ingest_pool, [range_response("MSFT", ROWS)])
        await catch_up(project_pool, _now)
        assert await fingerprint_of(connection, LIVE) == (await the_generation(project_pool)).fingerprint != first
