"""What the tables of a generation hold, for a test to compare, and the fingerprint computed afresh from them.

It reads SQL only: nothing here shares code with how the tables were written but the fingerprint itself.
"""

import datetime as dt

import asyncpg
import numpy as np

from project import content
from project.content import Fingerprint
from project.factors.factor import factor_of
from project.generation import Generation, read_generation
from project.kinds import KINDS
from project.rejection import rejection_from
from project.rows import VALUES, BarRows, Ints, Tickers
from project.store import bars_of_records

TABLES = (
    "bar",
    "factor",
    "bar_revision",
    "rejection",
    "symbol_status",
    "rule",
    "session",
    *(kind.table for kind in KINDS),
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


async def all_tables(pool: asyncpg.Pool) -> dict[str, list[str]]:
    """Return every row of the live generation as text in which −0.0 and 0.0 differ, in a fixed order."""
    return {
        table: sorted(repr(tuple(row)) for row in await pool.fetch(f"SELECT * FROM projection.{table}"))
        for table in TABLES
    }


async def status_of_tables(pool: asyncpg.Pool) -> list[str]:
    """Return the rows of symbol_status as the other tables would have them, but for the last archive_seq."""
    rows = await pool.fetch(
        """
        SELECT
            ticker,
            min(session),
            max(session),
            count(session),
            count(*) FILTER (WHERE validated),
            count(*) FILTER (WHERE failed_rules & (SELECT 1 << bit FROM projection.rule WHERE name = 'large_gap') > 0),
            count(*) FILTER (
                WHERE failed_rules & (SELECT 1 << bit FROM projection.rule WHERE name = 'volume_anomaly') > 0
            ),
            (SELECT count(*) FROM projection.bar_revision AS old WHERE old.ticker = status.ticker),
            (SELECT count(*) FROM projection.rejection AS bad WHERE bad.ticker = status.ticker)
        FROM projection.symbol_status AS status
        LEFT JOIN (SELECT ticker, session, validated, failed_rules FROM projection.bar) AS bar USING (ticker)
        GROUP BY ticker
        """
    )
    return sorted(repr(tuple(row)) for row in rows)


async def status(pool: asyncpg.Pool) -> list[str]:
    """Return the rows of symbol_status, but for the last archive_seq."""
    rows = await pool.fetch("SELECT * FROM projection.symbol_status")
    return sorted(repr(tuple(row)[:-1]) for row in rows)


async def the_generation(pool: asyncpg.Pool) -> Generation:
    """Return the live generation."""
    async with pool.acquire() as connection:
        generation = await read_generation(connection)
    assert generation is not None
    return generation


async def fingerprint_of_tables(pool: asyncpg.Pool) -> Fingerprint:
    """Return the fingerprint of what the tables of the live generation hold."""
    tickers = Tickers()
    bars = bars_of_records(await pool.fetch("SELECT * FROM projection.bar"), tickers)
    total = content.of_bars(bars, tickers)
    total += await _of_revisions(pool)
    rejections = await pool.fetch("SELECT * FROM projection.rejection")
    total += content.of_rejections(map(rejection_from, rejections))
    for kind in KINDS:
        rows = await pool.fetch(f"SELECT * FROM projection.{kind.table}")
        total += content.of_records(kind.record(**dict(row)) for row in rows)
    rows = await pool.fetch("SELECT * FROM projection.factor")
    return total + content.of_factors(map(factor_of, rows))


async def _of_revisions(pool: asyncpg.Pool) -> Fingerprint:
    records = await pool.fetch("SELECT * FROM projection.bar_revision")
    tickers = Tickers()
    old = BarRows(
        tickers.codes([record["ticker"] for record in records]),
        np.array([record["session"] for record in records], "datetime64[D]").astype(np.int64),
        np.array([[record[name] for record in records] for name in VALUES], np.float64).reshape(7, len(records)),
        np.array([record["archive_seq"] for record in records], np.int64),
        _microseconds(records, "known_from"),
    )
    superseded_by = np.array([record["superseded_by"] for record in records], np.int64)
    return content.of_revisions(old, _microseconds(records, "known_to"), superseded_by, tickers)


def _microseconds(records: list[asyncpg.Record], name: str) -> Ints:
    return np.array([(record[name] - _EPOCH) // dt.timedelta(microseconds=1) for record in records], np.int64)
