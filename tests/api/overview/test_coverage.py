"""Coverage: what an answer with bars says is missing of its range, and that a whole range costs no query."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence

import asyncpg
import numpy as np
import numpy.typing as npt
import pytest
from msgspec import Struct

from api.errors import DatabaseUnreachable, UnknownSymbol
from api.generation import Generation, Projection
from api.overview.coverage import Coverage, ProjectionMoved, read_coverage
from api.warehouse import Warehouse
from archive.calendar import exchange_calendar
from project.rebuild import rebuild
from project.replay import catch_up
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_pool
from tests.api.overview.conftest import new_warehouse
from tests.payloads import archive_all, bar, range_response

RULESET = read_ruleset(DEFAULT_RULES)
NOW = dt.datetime(2024, 5, 2, 12, tzinfo=dt.UTC)
JUDGED = dt.date(2024, 4, 30)
SESSIONS = exchange_calendar().between(dt.date(2024, 1, 2), dt.date(2024, 5, 1))
LISTED, HOLE, LAST = SESSIONS[5], SESSIONS[20], SESSIONS[-1]
A = [day for day in SESSIONS if day >= LISTED and day != HOLE]
EVER, ALWAYS = dt.date.min, dt.date.max


def _day(bars: Sequence[dt.date]) -> npt.NDArray[np.datetime64]:
    return np.array(bars, "datetime64[D]")


class Market(Struct, frozen=True):
    """A warehouse whose coverage is asked for as an answer with bars does."""

    warehouse: Warehouse

    async def generation(self) -> Generation:
        async def read(connection: asyncpg.Connection, generation: Generation) -> Generation:
            return generation

        return await self.warehouse.projection.read(read)

    async def coverage(
        self, symbol: str, bars: Sequence[dt.date], first: dt.date = EVER, last: dt.date = ALWAYS, **more: Generation
    ) -> Coverage:
        within = _day([day for day in bars if first <= day <= last])
        return await read_coverage(self.warehouse, symbol, first, last, within, **more)


async def _fill(url: str) -> None:
    """Archive and project A, listed in the sixth session and with a hole, and B, which has every session."""
    async with open_pool(url, Role.INGEST) as ingest_pool, open_pool(url, Role.PROJECT) as project_pool:
        await archive_all(
            ingest_pool,
            [
                range_response("A", [bar(day, 10.0, 1e6) for day in A], SESSIONS[0], LAST, fetched_at=NOW),
                range_response("B", [bar(day, 10.0, 1e6) for day in SESSIONS], SESSIONS[0], LAST, fetched_at=NOW),
                range_response("NONE", [], SESSIONS[0], LAST, fetched_at=NOW),
            ],
        )
        await rebuild(project_pool, RULESET, lambda: NOW)


@pytest.fixture(scope="session")
async def covered_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with both, which tests do not change."""
    async with new_warehouse(server_url, template) as url:
        await _fill(url)
        yield url


@pytest.fixture
async def market(covered_url: str) -> AsyncIterator[Market]:
    """Yield that warehouse, of which nothing is remembered."""
    async with open_pool(covered_url, Role.READ, size=1) as pool:
        yield Market(Warehouse(Projection(pool), lambda: NOW))


def _told(coverage: Coverage) -> list[tuple[str, dt.date, dt.date, int]]:
    return [(span.kind.value, span.first, span.last, span.sessions) for span in coverage.missing]


async def test_a_whole_series_misses_nothing_and_the_newest_session_is_counted_though_it_cannot_be_judged(
    market: Market,
) -> None:
    assert await market.coverage("B", SESSIONS) == Coverage(
        SESSIONS[0], JUDGED, JUDGED, len(SESSIONS), len(SESSIONS), []
    )


async def test_from_the_first_bar_on_only_the_hole_is_missing(market: Market) -> None:
    found = await market.coverage("A", A)
    assert (found.first, found.expected, found.present) == (LISTED, len(A) + 1, len(A))
    assert _told(found) == [("vendor_hole", HOLE, HOLE, 1)]
    assert found.missing[0].why.startswith("median turnover")


async def test_a_range_that_is_asked_for_begins_there_and_says_what_lies_before_the_listing(market: Market) -> None:
    year_before = dt.date(2023, 12, 28)
    found = await market.coverage("A", A, year_before, SESSIONS[10])
    assert _told(found) == [
        ("not_fetched", year_before, dt.date(2023, 12, 29), 2),
        ("before_listing", SESSIONS[0], SESSIONS[4], 5),
    ]
    assert (found.first, found.last) == (year_before, SESSIONS[10])
    assert (found.expected, found.present) == (6 + 2, 6)


async def test_a_gap_is_cut_to_the_range(market: Market) -> None:
    found = await market.coverage("A", A, SESSIONS[3], SESSIONS[6])
    assert _told(found) == [("before_listing", SESSIONS[3], SESSIONS[4], 2)]
    assert (found.expected, found.present) == (2, 2)


async def test_bars_that_a_filter_left_out_are_not_missing(market: Market) -> None:
    everything = await market.coverage("A", A)
    some = await market.coverage("A", [day for day in A if day.day % 2 or day > JUDGED])
    assert some == everything


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (EVER, ALWAYS, []),
        (SESSIONS[0], SESSIONS[1], [("before_listing", SESSIONS[0], SESSIONS[1], 2)]),
        (dt.date(2030, 1, 1), ALWAYS, []),
        (dt.date(2024, 1, 6), dt.date(2024, 1, 7), []),
    ],
    ids=["without end", "some sessions", "in the future", "a weekend"],
)
async def test_a_symbol_without_bars_has_none_of_none(
    market: Market, first: dt.date, last: dt.date, told: list[tuple[str, dt.date, dt.date, int]]
) -> None:
    found = await market.coverage("NONE", [], first, last)
    assert (found.expected, found.present, _told(found)) == (0, 0, told)


async def test_a_symbol_that_nobody_knows_is_refused(market: Market) -> None:
    with pytest.raises(UnknownSymbol):
        await market.coverage("NOPE", [])


async def test_what_is_whole_or_remembered_is_told_without_a_query(market: Market) -> None:
    live = await market.generation()
    asked = await market.coverage("A", A, generation=live)
    await market.warehouse.projection.pool.close()
    assert await market.coverage("A", A, generation=live) == asked
    assert len((await market.coverage("A", A, SESSIONS[3], SESSIONS[30], generation=live)).missing) == 2
    assert (await market.coverage("B", SESSIONS, generation=live)).missing == []
    with pytest.raises(DatabaseUnreachable):
        await market.coverage("B", SESSIONS[:5], SESSIONS[0], generation=live)


async def test_after_a_catch_up_nothing_remembered_is_told(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await _fill(database_url)
    market = Market(Warehouse(Projection(read_pool), lambda: NOW))
    old = await market.generation()
    assert len((await market.coverage("A", A)).missing) == 1
    healed = range_response("A", [bar(HOLE, 10.0, 1e6)], HOLE, HOLE, fetched_at=NOW)
    await archive_all(ingest_pool, [healed])
    await catch_up(project_pool, lambda: NOW)
    assert (await market.coverage("A", A)).missing == []
    with pytest.raises(ProjectionMoved):
        await market.coverage("B", SESSIONS[:5], SESSIONS[0], generation=old)
    assert len((await market.coverage("A", A, generation=old)).missing) == 1, "which is true of what it was asked of"
