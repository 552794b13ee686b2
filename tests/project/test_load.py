"""Loading by binary COPY: every column of every row comes back bit for bit, NULLs too."""

import datetime as dt
import struct
from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest

from archive.calendar import exchange_calendar
from project.generation import NEXT, create_next
from project.judged import JudgedBars
from project.load import copy_bars, copy_revisions
from project.rows import BarRows, Tickers
from project.store import bars_of_records
from tests.project.random_archive import small_ruleset

NAMES = ["A", "BCPC", "BCpC", "BRK.A", "X" * 40, "Z"]
EDGES = [0.0, -0.0, 1e-300, 5e-324, 1.7976931348623157e308, -1.5, 61436228.189065, 0.1, 33166048.0]
# The first and the last session there can be, the days around PostgreSQL's own day zero and around Python's.
DAYS = [-2922, -1, 0, 1, 10_956, 10_957, 10_958, 19_725, 29_219]
INSTANTS = [0, 1, 1_700_000_000_123_456, 946_684_799_999_999, 946_684_800_000_000, 4_000_000_000_000_000]


@pytest.fixture
async def connection(project_pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection that means an empty generation."""
    async with project_pool.acquire() as connection:
        await create_next(connection, small_ruleset(), exchange_calendar())
        yield connection


def _judged(count: int, chance: np.random.Generator, tickers: Tickers) -> JudgedBars:
    """Return bars of every kind there is, in the order of tickers as the fold gives them."""

    def some(values: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return chance.choice(np.array(values, np.float64), count)

    values = np.stack([some(EDGES) for _ in range(7)])
    for optional in (5, 6):
        values[optional, chance.random(count) < 0.4] = np.nan
    gap, ratio = some([*EDGES, np.nan, np.inf]), some([*EDGES, np.nan])
    bars = BarRows(
        np.sort(chance.integers(0, len(tickers), count)),
        chance.choice(np.array(DAYS), count),
        values,
        chance.integers(1, 2**62, count),
        chance.choice(np.array(INSTANTS), count),
    )
    return JudgedBars(
        bars, gap, ratio, chance.integers(0, 2**62, count), some([0.0, 0.85, 1.0]), chance.random(count) < 0.5
    )


def _bits(judged: JudgedBars, tickers: Tickers) -> list[tuple[object, ...]]:
    """Return rows in which two numbers are equal only if every bit of them is; NaN is NULL."""

    def exact(value: float) -> bytes | None:
        return None if np.isnan(value) else struct.pack(">d", value)

    bars = judged.bars
    return sorted(
        (
            tickers.names[bars.ticker[place]],
            int(bars.day[place]),
            int(bars.archive_seq[place]),
            int(bars.known_from[place]),
            *(exact(value) or b"" for value in bars.values[:, place].tolist()),
            exact(judged.gap[place]) or b"",
            exact(judged.volume_ratio[place]) or b"",
            int(judged.failed_rules[place]),
            exact(judged.quality_score[place]) or b"",
            bool(judged.validated[place]),
        )
        for place in range(len(judged))
    )


@pytest.mark.parametrize("count", [1, 2, 300, 30_000])
async def test_bars_come_back_bit_for_bit(connection: asyncpg.Connection, count: int) -> None:
    tickers = Tickers(NAMES)
    judged = _judged(count, np.random.default_rng(count), tickers)
    await copy_bars(connection, "bar", judged, tickers)
    found = bars_of_records(await connection.fetch("SELECT * FROM bar"), tickers)
    assert _bits(found, tickers) == _bits(judged, tickers)


async def test_what_is_unknown_is_null_and_nothing_else_is(connection: asyncpg.Connection) -> None:
    tickers = Tickers(["A"])
    judged = _judged(2000, np.random.default_rng(7), tickers)
    await copy_bars(connection, "bar", judged, tickers)
    for column, values in (
        ("vwap", judged.bars.values[5]),
        ("trades", judged.bars.values[6]),
        ("gap", judged.gap),
        ("volume_ratio", judged.volume_ratio),
    ):
        nulls = await connection.fetchval(f"SELECT count(*) FILTER (WHERE {column} IS NULL) FROM bar")
        assert nulls == np.isnan(values).sum() > 0


async def test_no_rows_are_no_work(connection: asyncpg.Connection) -> None:
    tickers = Tickers(NAMES)
    await copy_bars(connection, "bar", _judged(0, np.random.default_rng(0), tickers), tickers)
    assert await connection.fetchval("SELECT count(*) FROM bar") == 0


async def test_revisions_come_back_with_the_span_in_which_they_were_believed(connection: asyncpg.Connection) -> None:
    tickers = Tickers(["BCpC"])
    old = _judged(1, np.random.default_rng(3), tickers).bars
    known_to = np.array([1_700_000_000_123_457], np.int64)
    await copy_revisions(connection, old, known_to, np.array([99], np.int64), tickers)
    row = await connection.fetchrow("SELECT * FROM bar_revision")
    assert row["ticker"] == "BCpC"
    assert row["session"] == dt.date(1970, 1, 1) + dt.timedelta(days=int(old.day[0]))
    assert row["known_to"] == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(known_to[0]))
    assert (row["archive_seq"], row["superseded_by"]) == (int(old.archive_seq[0]), 99)


async def test_tables_are_those_of_the_next_generation(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval("SELECT current_schema()") == NEXT
