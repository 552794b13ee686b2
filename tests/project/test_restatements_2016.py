"""The real restatements of 2016 end in bar_revision exactly, and what was believed before and after can be asked for.

A month of them by default; RESTATEMENTS=year takes all 77,588.
"""

import datetime as dt
import os
from pathlib import Path

import asyncpg
import pytest

from project.audit.archive import audit_all
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import archive_all
from tests.project.year_2016 import Restatement, as_published, restatements, sessions_of

RULESET = read_ruleset(DEFAULT_RULES)
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
WHOLE_YEAR = os.environ.get("RESTATEMENTS") == "year"
ALL_OF_2016 = 77_588
_KNOWN = """
    SELECT known.open, known.high, known.low, known.close, known.volume
    FROM unnest($1::text[], $2::date[], $3::timestamptz[]) WITH ORDINALITY AS asked (ticker, session, instant, place)
    LEFT JOIN LATERAL projection.bars_known_at(asked.ticker, asked.session, asked.session, asked.instant) AS known
        ON true
    ORDER BY asked.place
"""


@pytest.fixture
async def restated(market_data: Path, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> list[Restatement]:
    """Archive and project the market as it was published, and return what was restated."""
    sessions = [day for day in sessions_of(market_data) if WHOLE_YEAR or day.month == 1]
    for response in as_published(market_data, sessions):
        await archive_all(ingest_pool, [response])
    await rebuild(project_pool, RULESET, lambda: NOW)
    return restatements(market_data, set(sessions))


async def test_real_restatements_are_remembered_exactly_and_can_be_asked_for(
    restated: list[Restatement], read_pool: asyncpg.Pool
) -> None:
    assert len(restated) == ALL_OF_2016 if WHOLE_YEAR else len(restated) > 3_000
    rows = await read_pool.fetch(
        """SELECT old.ticker, old.session, old.open, old.high, old.low, old.close, old.volume, old.known_from,
            old.known_to, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.known_from
        FROM projection.bar_revision AS old JOIN projection.bar USING (ticker, session)"""
    )
    found = {(row[0], row[1]): (tuple(row)[2:7], tuple(row)[9:14], row[7], row[8], row[14]) for row in rows}
    assert len(found) == len(rows)
    assert found == {
        (one.ticker, one.session): (one.first, one.revised, one.first_at, one.revised_at, one.revised_at)
        for one in restated
    }
    just_before = [one.revised_at - dt.timedelta(microseconds=1) for one in restated]
    assert await _known(read_pool, restated, [one.first_at for one in restated]) == [one.first for one in restated]
    assert await _known(read_pool, restated, just_before) == [one.first for one in restated]
    assert await _known(read_pool, restated, [one.revised_at for one in restated]) == [one.revised for one in restated]
    too_early = [one.first_at - dt.timedelta(microseconds=1) for one in restated]
    assert set(await _known(read_pool, restated, too_early)) == {(None,) * 5}
    async with read_pool.acquire() as connection:
        audited = await audit_all(connection)
    assert (audited.total.revised, audited.total.repeated) == (len(restated), 0)


async def _known(
    pool: asyncpg.Pool, restated: list[Restatement], instants: list[dt.datetime]
) -> list[tuple[float | None, ...]]:
    asked = [one.ticker for one in restated], [one.session for one in restated], instants
    return [tuple(row) for row in await pool.fetch(_KNOWN, *asked)]
