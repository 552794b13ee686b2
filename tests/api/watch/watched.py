"""A warehouse that is well: ten symbols with bars up to a Friday, projected by the real projector after a real night.

Saturday 2026-11-21 02:00 New York had the nightly; at NOW it is that evening.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from api.watch.check import Check
from api.watch.fresh import Freshness
from archive.payload import Response
from archive.runs import finish_run, start_run
from project.rebuild import rebuild
from project.ruleset import read_ruleset, rules_path
from tests.api.served import Client
from tests.payloads import archive_all, bar, range_response

RULESET = read_ruleset(rules_path({}))
SYMBOLS = tuple(f"S{number}" for number in range(10))
WEEK = tuple(dt.date(2026, 11, day) for day in range(16, 21))
FRIDAY = WEEK[-1]
NIGHT = dt.datetime(2026, 11, 21, 7, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: dt.datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        """Return what it shows."""
        return self.at


def bars_of(symbol: str, sessions: Sequence[dt.date], fetched_at: dt.datetime = NIGHT, price: float = 10.0) -> Response:
    """Return an answer with a bar for each session."""
    rows = [bar(session, price) for session in sessions]
    return range_response(symbol, rows, sessions[0], sessions[-1], fetched_at=fetched_at)


async def run_of(pool: asyncpg.Pool, kind: str, at: dt.datetime, result: dict[str, Any] | None = None) -> None:
    """Record a run that took a minute; one without a result has no end."""
    run_id = await start_run(pool, kind, {}, at)
    if result is not None:
        await finish_run(pool, run_id, kind, result, at + MINUTE)


async def fill(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, without: Sequence[str] = ()) -> None:
    """Archive and project the week, without Friday for some symbols."""
    responses = [bars_of(symbol, WEEK[:-1] if symbol in without else WEEK) for symbol in SYMBOLS]
    await archive_all(ingest_pool, responses)
    await rebuild(project_pool, RULESET, lambda: NIGHT)


async def freshness(client: Client) -> tuple[Freshness, dict[str, Check]]:
    """Return the answer of /fresh, whose status must be that of its checks, and the checks by name."""
    answer = await client.ask("/fresh")
    found = msgspec.json.decode(answer.body, type=Freshness)
    is_fresh = all(check.status != "failed" for check in found.checks)
    assert (answer.status, found.status) == ((200, "fresh") if is_fresh else (503, "stale"))
    assert answer.headers["cache-control"] == "no-store"
    assert all(check.todo for check in found.checks if check.status == "failed")
    return found, {check.name: check for check in found.checks}


async def levels(client: Client) -> dict[str, str]:
    """Return how each check of /fresh stands."""
    return {name: check.status for name, check in (await freshness(client))[1].items()}


async def scraped(client: Client) -> dict[str | tuple[str, ...], float]:
    """Return every sample of /metrics as Prometheus would read it: by name, or by name and values of labels.

    Values are in the order of the labels' names.
    """
    answer = await client.ask("/metrics")
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items())))
        if sample.labels
        else sample.name: sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
