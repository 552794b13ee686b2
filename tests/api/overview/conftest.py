"""A small real archive, replayed by the real projector, of which every part of the overview has something to tell."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from archive.calendar import exchange_calendar
from archive.payload import Response
from archive.runs import finish_run, start_run
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.market import NOW
from tests.api.served import Client, served
from tests.payloads import Row, archive_all, bar, dividend, dividends_response, range_response, split, splits_response
from tests.project.tickers_payloads import events_response, listed, tickers_response

SESSIONS = exchange_calendar().between(dt.date(2026, 10, 1), dt.date(2026, 11, 20))
LISTED, HOLE, SPOILT, RENAMED, RESTATED, LAST = (SESSIONS[place] for place in (5, 12, 15, 20, 25, -3))
BEFORE = NOW - dt.timedelta(hours=2)
HOUR = dt.timedelta(hours=1)


def archived() -> list[Response]:
    """Return the answers: A has every kind of gap, B all its bars, OLD became NEW, NONE has nothing, ONLY is listed."""
    return [
        _answer("A", [_bar(day) for day in SESSIONS if LISTED <= day <= LAST and day != HOLE]),
        _answer("B", [bar(day, 10.0, 1e6) for day in SESSIONS]),
        _answer("OLD", [bar(day, 10.0, 1e6) for day in SESSIONS if day < RENAMED]),
        _answer("NEW", [bar(day, 10.0, 1e6) for day in SESSIONS if day >= RENAMED]),
        _answer("NONE", []),
        tickers_response(
            [
                listed("A", name="Alpha Works Inc.", composite_figi="BBGA"),
                listed("ONLY", name="Only Listed Corp.", type="ETF"),
                listed("NEW", name="Nova Corp.", composite_figi="BBGN"),
            ]
        ),
        events_response(
            "NEW", [("NEW", str(RENAMED)), ("OLD", "2012-05-18")], composite_figi="BBGN", name="Nova Corp."
        ),
        splits_response([split("B", SESSIONS[-1] + dt.timedelta(days=90), 1, 2, "S1")]),
        dividends_response([dividend("B", SESSIONS[3], 0.1, "D1"), dividend("B", SESSIONS[30], 0.1, "D2")]),
        range_response("B", [bar(RESTATED, 12.5, 1e6)], RESTATED, RESTATED, fetched_at=NOW),
    ]


def _answer(ticker: str, rows: list[Row]) -> Response:
    return range_response(ticker, rows, SESSIONS[0], SESSIONS[-1], fetched_at=BEFORE)


def _bar(day: dt.date) -> Row:
    row = bar(day, 10.0, 1e6)
    return row | {"o": '"ten"'} if day == SPOILT else row


@asynccontextmanager
async def new_warehouse(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a fresh, migrated warehouse, for as many tests as may share it."""
    name = f"overview_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def archive_url(server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with that archive, projected; tests do not change it."""
    async with new_warehouse(server_url, template) as url:
        await _fill(url)
        yield url


async def _fill(url: str) -> None:
    async with open_pool(url, Role.INGEST) as ingest_pool, open_pool(url, Role.PROJECT) as project_pool:
        await archive_all(ingest_pool, archived())
        steps = [
            {"subject": "A", "endpoint": "range", "ending": "answered", "row_count": 30},
            {"subject": "B", "endpoint": "range", "ending": "failed", "row_count": 0},
        ]
        plan = {"first": str(SESSIONS[0]), "last": str(SESSIONS[-1]), "requests": ["/v2/A", "/v2/B"]}
        report = {"planned": 2, "requests": 3, "retries": 1, "body_bytes": 512, "left_to_ask": 1, "outcomes": steps}
        run_id = await start_run(ingest_pool, "backfill", plan, BEFORE - HOUR)
        await finish_run(ingest_pool, run_id, "backfill", report, BEFORE)
        await start_run(ingest_pool, "nightly", plan, BEFORE)
        await start_run(ingest_pool, "spot-check", {"requests": 5}, BEFORE + HOUR)
        await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)


@pytest.fixture(scope="session")
async def overview(archive_url: str) -> AsyncIterator[Client]:
    """Yield a client of the API on that archive."""
    async with served(archive_url) as client:
        yield client
