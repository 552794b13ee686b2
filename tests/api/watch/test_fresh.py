"""GET /fresh: green while the data is as new as it should be, red when it is not, and never red for a weekend."""

import datetime as dt
from typing import Any

import asyncpg
import pytest

from api.watch.due import closed_by, last_deadline
from api.watch.settings import WatchSettings
from project.replay import catch_up
from sql.errors import InvalidSetting
from tests.api.database_line import DatabaseLine
from tests.api.market import project
from tests.api.served import served
from tests.api.watch.watched import (
    FRIDAY,
    MINUTE,
    NIGHT,
    NOW,
    SYMBOLS,
    Clock,
    bars_of,
    fill,
    freshness,
    levels,
    run_of,
)
from tests.payloads import archive_all

TEN = dt.time(10)
WELL = {"outcomes": [{"subject": "S1", "ending": "answered"}], "left_to_ask": 0}
# Thursday the 26th is Thanksgiving, and Friday the 27th closes at 13:00.
MONDAY_IS_DUE = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    """Return an instant in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "deadline"),
    [
        ("2026-11-21T14:59", "2026-11-20T15:00"),
        ("2026-11-21T15:00", "2026-11-21T15:00"),
        ("2026-11-22T03:00", "2026-11-21T15:00"),
        # New York's clock was set forward on March 8th.
        ("2026-03-08T13:59", "2026-03-07T15:00"),
        ("2026-03-08T14:00", "2026-03-08T14:00"),
    ],
)
def test_a_deadline_is_a_time_of_new_yorks_clock(now: str, deadline: str) -> None:
    assert last_deadline(at(now), TEN) == at(deadline)


def test_a_session_is_due_at_the_first_such_time_after_it_has_settled() -> None:
    """Friday closes at 21:00 UTC and settles at 01:30."""
    close = at("2026-11-20T21:00")
    for now, fresh_by, is_due in (
        ("2026-11-21T14:59", TEN, False),
        ("2026-11-21T15:00", TEN, True),
        ("2026-11-21T01:29", dt.time(20, 29), False),
        ("2026-11-21T01:30", dt.time(20, 30), True),
    ):
        assert (close <= closed_by(last_deadline(at(now), fresh_by))) is is_due


async def test_fresh_data_stays_fresh_over_a_weekend_and_turns_stale_when_the_next_session_is_due(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool)
    await run_of(ingest_pool, "nightly", NIGHT, WELL)
    clock = Clock()
    async with served(database_url, clock) as client:
        found, checks = await freshness(client)
        assert (found.status, found.due_session, found.newest_session) == ("fresh", FRIDAY, FRIDAY)
        assert found.now == clock()
        assert {name: check.status for name, check in checks.items()} == {
            "sessions": "ok",
            "projector": "ok",
            "nightly": "ok",
            "calendar": "ok",
        }
        assert (checks["sessions"].value, checks["sessions"].bound) == (1.0, 0.9)
        clock.at = MONDAY_IS_DUE - MINUTE
        assert set((await levels(client)).values()) == {"ok"}
        clock.at = MONDAY_IS_DUE
        found, checks = await freshness(client)
        assert found.due_session == dt.date(2026, 11, 23)
        assert (checks["sessions"].status, checks["nightly"].status) == ("failed", "failed")
        assert "1 session behind" in checks["sessions"].message
        assert checks["projector"].status == "ok"


async def test_a_holiday_and_the_weekend_after_it_make_nothing_due(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool)
    wednesday = dt.date(2026, 11, 25)
    night = at("2026-11-26T07:00")
    await archive_all(ingest_pool, [bars_of(symbol, [wednesday], night) for symbol in SYMBOLS])
    await run_of(ingest_pool, "nightly", night, WELL)
    clock = Clock()
    await _catch_up(project_pool)
    async with served(database_url, clock) as client:
        for now in ("2026-11-26T15:00", "2026-11-27T15:00", "2026-11-28T14:59"):
            clock.at = at(now)
            found, _ = await freshness(client)
            assert (found.status, found.due_session) == ("fresh", wednesday)
        clock.at = at("2026-11-28T15:00")
        found, _ = await freshness(client)
        assert (found.status, found.due_session) == ("stale", dt.date(2026, 11, 27))


async def test_one_symbol_with_the_newest_session_is_not_enough(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool, without=SYMBOLS[2:])
    await run_of(ingest_pool, "nightly", NIGHT, WELL)
    async with served(database_url, Clock()) as client:
        found, checks = await freshness(client)
        assert found.newest_session == FRIDAY
        assert (checks["sessions"].status, checks["sessions"].value) == ("failed", 0.2)
        assert "of the 10 symbols with bars since the session before, 2 have 2026-11-20" in checks["sessions"].message
        await archive_all(ingest_pool, [bars_of(symbol, [FRIDAY]) for symbol in SYMBOLS[2:9]])
        await _catch_up(project_pool)
        assert (await levels(client))["sessions"] == "ok"


async def test_a_projector_that_stands_still_turns_it_red_and_its_catching_up_green(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await fill(ingest_pool, project_pool)
    await run_of(ingest_pool, "nightly", NIGHT, WELL)
    clock = Clock()
    async with served(database_url, clock) as client:
        await archive_all(ingest_pool, [bars_of("S1", [FRIDAY], NOW - 15 * MINUTE)])
        _, checks = await freshness(client)
        assert (checks["projector"].status, checks["projector"].value) == ("ok", 15.0)
        clock.at = NOW + MINUTE
        _, checks = await freshness(client)
        assert (checks["projector"].status, checks["projector"].value) == ("failed", 16.0)
        # What a run fetches is projected when it has ended.
        await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))")
        assert (await levels(client))["projector"] == "ok"
        await owner.execute("SELECT pg_advisory_unlock_all()")
        assert (await levels(client))["projector"] == "failed"
        await run_of(ingest_pool, "backfill", NOW - 20 * MINUTE, WELL)
        assert (await levels(client))["projector"] == "failed"
        await run_of(ingest_pool, "backfill", NOW - 2 * MINUTE, WELL)
        assert (await levels(client))["projector"] == "ok"
        clock.at = NOW + 15 * MINUTE
        assert (await levels(client))["projector"] == "failed"
        await _catch_up(project_pool)
        assert set((await levels(client)).values()) == {"ok"}


async def test_how_the_last_nightly_went_is_told(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await fill(ingest_pool, project_pool)
    clock = Clock()
    async with served(database_url, clock) as client:
        # The bars came by hand: to be told, and no reason to be red until one is missing.
        assert (await levels(client))["nightly"] == "warn"
        clock.at = MONDAY_IS_DUE
        _, checks = await freshness(client)
        assert (checks["nightly"].status, checks["nightly"].message) == ("failed", "no nightly ever ran")
        clock.at = NOW

        results: tuple[dict[str, Any], ...] = (
            WELL,
            {"outcomes": [{"ending": "failed"}], "left_to_ask": 1},
            {"outcomes": [{"ending": "failed"}], "left_to_ask": 0},
            {"outcomes": [{"ending": "not_tried"}]},
            {"outcomes": [{"ending": "not_yet"}], "left_to_ask": 1},
            {"stopped_by": "the vendor refuses the key", "outcomes": []},
            {"passed": False},
            {},
        )
        told = []
        for minute, result in enumerate(results):
            await run_of(ingest_pool, "nightly", NIGHT + minute * MINUTE, result)
            told.append((await levels(client))["nightly"])
        assert told == ["ok", "failed", "ok", "failed", "ok", "failed", "failed", "ok"]

        await run_of(ingest_pool, "nightly", NIGHT + 20 * MINUTE)
        _, checks = await freshness(client)
        assert (checks["nightly"].status, "was killed" in checks["nightly"].message) == ("failed", True)
        await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.ingest', 0))")
        assert (await levels(client))["nightly"] == "ok"


async def test_a_nightly_before_the_session_settled_is_late_whatever_came_by_hand(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool)
    await run_of(ingest_pool, "nightly", at("2026-11-21T01:29"), WELL)
    await run_of(ingest_pool, "backfill", NIGHT, WELL)
    async with served(database_url, Clock()) as client:
        assert await levels(client) == {"sessions": "ok", "projector": "ok", "nightly": "failed", "calendar": "ok"}
        await run_of(ingest_pool, "nightly", at("2026-11-21T01:30"), WELL)
        assert (await levels(client))["nightly"] == "ok"


async def test_a_calendar_that_ends_is_a_warning(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await fill(ingest_pool, project_pool)
    await run_of(ingest_pool, "nightly", NIGHT, WELL)
    await owner.execute("DELETE FROM projection.session WHERE session > $1", FRIDAY)
    async with served(database_url, Clock()) as client:
        found, checks = await freshness(client)
    assert (found.status, checks["calendar"].status, checks["calendar"].value) == ("fresh", "warn", "2026-11-20")


async def test_without_projection_calendar_or_database_it_is_stale_and_says_so(
    database_url: str, projector: asyncpg.Connection
) -> None:
    async with DatabaseLine(database_url) as line, served(line.url, Clock()) as client:
        _, checks = await freshness(client)
        assert (checks["projection"].status, checks["projection"].value) == ("failed", "nothing_projected")
        await project(projector)
        await projector.execute("TRUNCATE projection.session")
        _, checks = await freshness(client)
        assert checks["calendar"].status == "failed"
        await line.cut()
        _, checks = await freshness(client)
        assert {name: check.value for name, check in checks.items()} == {"database": "database_away"}
        await line.mend()
        assert "calendar" in await levels(client)


def test_settings_are_read_and_refused_with_their_bound() -> None:
    assert WatchSettings.from_environ({}) == WatchSettings(TEN, 0.9, 15 * MINUTE)
    given = {"FRESH_BY": "09:00", "FRESH_MIN_SHARE": "0.5", "FRESH_MAX_LAG_MINUTES": "60"}
    assert WatchSettings.from_environ(given) == WatchSettings(dt.time(9), 0.5, 60 * MINUTE)
    for name, value in (("FRESH_BY", "25:00"), ("FRESH_MIN_SHARE", "90"), ("FRESH_MAX_LAG_MINUTES", "0")):
        with pytest.raises(InvalidSetting, match=f"{name} is '{value}': must be"):
            WatchSettings.from_environ({name: value})


async def _catch_up(pool: asyncpg.Pool) -> None:
    await catch_up(pool, lambda: NOW)
