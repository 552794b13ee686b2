"""The closes a spot check reads: of one generation, for the period and symbols meant, in shares of the date meant."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import NothingCompared, NothingProjected, ProjectionChanging
from ingest.period import Period
from ingest.spot.projected import read_closes, read_one_generation, read_period, read_symbols
from project.factors.adjust import adjust_prices, applied_split_factors
from project.factors.factor import Factor
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.ingest.spot_market import (
    EX_DATE,
    HOLE,
    RECENT,
    SESSIONS,
    SYMBOLS,
    in_shares_of_today,
    project_market,
    traded,
)
from tests.payloads import FETCHED_AT, archive_all, bar, range_response, split, splits_response

TODAY = dt.date(2024, 7, 1)
ALL = Period(SESSIONS[0], SESSIONS[-1])


@pytest.fixture
async def market(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Project the market."""
    await project_market(ingest_pool, project_pool)


@pytest.fixture
async def connection(read_pool: asyncpg.Pool, market: None) -> AsyncIterator[asyncpg.Connection]:
    """Yield a reader's connection to the projected market."""
    async with read_pool.acquire() as connection:
        yield connection


async def test_by_default_the_period_is_the_last_sessions_with_bars(connection: asyncpg.Connection) -> None:
    assert await read_period(connection, None, None, 30) == Period(RECENT[0], RECENT[-1])
    assert await read_period(connection, None, SESSIONS[-3], 2) == Period(SESSIONS[-4], SESSIONS[-3])
    assert await read_period(connection, SESSIONS[5], None, 30) == Period(SESSIONS[5], SESSIONS[-1])
    assert await read_period(connection, SESSIONS[5], dt.date(2030, 1, 1), 30) == Period(SESSIONS[5], SESSIONS[-1])


async def test_a_period_after_the_newest_bar_has_nothing_to_compare(connection: asyncpg.Connection) -> None:
    with pytest.raises(NothingCompared, match="the projection has no bar from 2024-07-01 on"):
        await read_period(connection, TODAY, None, 30)


async def test_only_symbols_with_a_validated_bar_in_the_period_are_there_to_be_drawn(
    connection: asyncpg.Connection, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    broken = [bar(session, (10, 9, 11, 10)) for session in SESSIONS[1:]]
    await archive_all(
        ingest_pool,
        [
            range_response("WILD", broken),
            range_response("WAS.OK", [bar(SESSIONS[0]), *broken]),
            range_response("OLD", [bar(SESSIONS[0])]),
        ],
    )
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT)
    assert await read_symbols(connection, Period(SESSIONS[1], SESSIONS[-1])) == sorted(SYMBOLS)
    assert await read_symbols(connection, ALL) == sorted([*SYMBOLS, "OLD", "WAS.OK"])


async def test_closes_as_traded_are_what_was_archived(connection: asyncpg.Connection) -> None:
    found = await read_closes(connection, [*SYMBOLS, "NOPE"], ALL, None)
    expected = traded() | {"NOPE": {}}
    del expected[HOLE[0]][HOLE[1]]
    closes = {symbol: {day: each.close for day, each in by_day.items()} for symbol, by_day in found.items()}
    assert closes == expected
    assert {symbol for symbol, by_day in found.items() for each in by_day.values() if not each.validated} == set()


async def test_closes_in_shares_of_a_date_undo_the_splits_up_to_it_once_each(connection: asyncpg.Connection) -> None:
    async def splt(as_of: dt.date) -> dict[dt.date, float]:
        found = await read_closes(connection, ["SPLT"], ALL, as_of)
        return {day: each.close for day, each in found["SPLT"].items()}

    assert await splt(TODAY) == await splt(EX_DATE) == in_shares_of_today()["SPLT"]
    assert await splt(EX_DATE - dt.timedelta(days=1)) == traded()["SPLT"]


_RATIOS = st.sampled_from([(1, 7), (1, 4), (2, 3), (10, 1), (3, 2), (1, 1.046), (1000, 961), (1, 20)])
_EVENTS = st.lists(st.tuples(st.integers(0, 45), _RATIOS, st.integers(0, 3)), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS, as_of=st.integers(0, 45))
async def test_whatever_the_splits_closes_are_those_that_the_api_would_give(
    owner: asyncpg.Connection, market: None, events: list[tuple[int, tuple[float, float], int]], as_of: int
) -> None:
    """To the last bit: the two rooms compute the same from the same table, and share no code for it."""
    day = dt.timedelta(days=1)
    splits = _splits([(SESSIONS[0] + place * day, ratio, vendor_id) for place, ratio, vendor_id in events])
    async with owner.transaction():
        await owner.execute("DELETE FROM projection.factor")
        await owner.copy_records_to_table(
            "factor",
            schema_name="projection",
            columns=Factor.__struct_fields__,
            records=map(msgspec.structs.astuple, splits),
        )
        found = await read_closes(owner, ["ACME"], ALL, SESSIONS[0] + as_of * day)
    factors = applied_split_factors(np.array(SESSIONS, "datetime64[D]"), splits, SESSIONS[0] + as_of * day)
    expected = adjust_prices(np.array(list(traded()["ACME"].values())), factors)
    assert [each.close for each in found["ACME"].values()] == expected.tolist()


def _splits(events: Sequence[tuple[dt.date, tuple[float, float], int]]) -> list[Factor]:
    by_id = {f"{date}:{ratio}:{number}": (date, ratio) for date, ratio, number in events}
    return [_applied(vendor_id, date, *ratio) for vendor_id, (date, ratio) in by_id.items()]


def _applied(vendor_id: str, date: dt.date, old: float, new: float) -> Factor:
    ratios = (old, new, None, old / new, new / old)
    return Factor("ACME", "split", vendor_id, 1, date, date, *ratios, None, None, (), FETCHED_AT, None)


async def test_where_nothing_is_projected_it_is_said(read_pool: asyncpg.Pool) -> None:
    async with read_pool.acquire() as connection:
        with pytest.raises(NothingProjected, match="nothing is projected yet; run `project`"):
            await read_one_generation(connection, lambda each: read_symbols(each, ALL))


async def test_a_projection_of_nothing_has_nothing_to_compare(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [splits_response([split("ACME", EX_DATE, 1, 2)])])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT)
    async with read_pool.acquire() as connection:
        with pytest.raises(NothingCompared, match=r"^nothing could be compared: the projection has no bar$"):
            await read_one_generation(connection, lambda each: read_period(each, None, None, 30))


async def test_a_swap_in_the_middle_is_noticed_and_what_was_read_is_read_again(
    connection: asyncpg.Connection, owner: asyncpg.Connection, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The second generation restates a bar and knows another split: closes of a mixture would fit neither."""
    after = traded()["ACME"][SESSIONS[1]]
    restated = range_response("ACME", [bar(SESSIONS[0], 3 * after)])
    await archive_all(ingest_pool, [restated, splits_response([split("ACME", SESSIONS[1], 1, 3)])])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT)
    await _swap(owner)
    seen: list[float] = []

    async def read(each: asyncpg.Connection) -> None:
        await read_symbols(each, ALL)
        if not seen:
            await _swap(owner)
        found = await read_closes(each, ["ACME"], ALL, TODAY)
        seen.append(found["ACME"][SESSIONS[0]].close)

    await read_one_generation(connection, read)
    assert len(seen) == 2
    assert seen[-1] == pytest.approx(after)


async def test_a_projection_that_never_stands_still_is_given_up(
    connection: asyncpg.Connection, owner: asyncpg.Connection, project_pool: asyncpg.Pool
) -> None:
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT)

    async def read(_: asyncpg.Connection) -> None:
        await _swap(owner)

    with pytest.raises(ProjectionChanging, match="each of the 16 times"):
        await read_one_generation(connection, read)


async def _swap(owner: asyncpg.Connection) -> None:
    async with owner.transaction():
        await owner.execute("ALTER SCHEMA projection RENAME TO projection_other")
        await owner.execute("ALTER SCHEMA projection_previous RENAME TO projection")
        await owner.execute("ALTER SCHEMA projection_other RENAME TO projection_previous")
