"""GET /metrics: read as Prometheus reads it; what is counted of requests, and how the warehouse is."""

import datetime as dt
import logging
import re

import asyncpg
import pytest
from prometheus_client.openmetrics import parser as openmetrics

from api.watch.metrics import CACHE_LOOKUPS, count_cache
from archive.calendar import calendar_version
from project.replay import catch_up
from tests.api.database_line import DatabaseLine
from tests.api.market import project
from tests.api.served import Client, served
from tests.api.watch.watched import (
    FRIDAY,
    MINUTE,
    NIGHT,
    NOW,
    RULESET,
    SYMBOLS,
    WEEK,
    Clock,
    bars_of,
    fill,
    run_of,
    scraped,
)
from tests.payloads import archive_all

HISTORICAL = "/api/v1/historical/{symbol}"


def midnight(session: dt.date) -> float:
    """Return 00:00 UTC of a date in seconds since 1970."""
    return dt.datetime.combine(session, dt.time(), dt.UTC).timestamp()


async def test_requests_are_counted_by_template_and_never_by_path(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await fill(ingest_pool, project_pool)
    async with served(database_url, Clock()) as client:
        before = await scraped(client)
        as_is = {"Accept-Encoding": "identity"}
        targets = [f"/api/v1/historical/{symbol}" for symbol in ("S0", "S1", "S2", "NONE")]
        sent = [await client.ask(target, headers=as_is) for target in targets]
        await client.ask("/health", method="POST")
        await client.ask("/health", method="PROPFIND")
        for number in range(5):
            await client.ask(f"/nothing/{number}")
        await client.ask("/static/docs.css")
        after = await scraped(client)

    def grown(*key: str) -> float:
        return after[key] - before.get(key, 0.0)

    assert grown("http_requests_total", "GET", HISTORICAL, "200") == 3
    assert grown("http_requests_total", "GET", HISTORICAL, "404") == 1
    assert grown("http_requests_total", "POST", "/health", "405") == 1
    assert grown("http_requests_total", "other", "/health", "405") == 1
    assert grown("http_requests_total", "GET", "unmatched", "404") == 5
    assert grown("http_requests_total", "GET", "/static/{name:path}", "200") == 1
    assert grown("http_requests_total", "GET", "/metrics", "200") == 1
    assert grown("http_request_duration_seconds_count", HISTORICAL) == 4
    assert grown("http_request_duration_seconds_bucket", "+Inf", HISTORICAL) == 4
    assert grown("http_response_bytes_total", HISTORICAL) == sum(len(answer.body) for answer in sent)
    # The scrape itself.
    assert after["http_requests_in_progress"] == before["http_requests_in_progress"] == 1
    assert not any("/nothing" in part or "NONE" in part for key in after for part in key)


async def test_the_memory_of_answers_is_counted(database_url: str) -> None:
    before = {outcome: CACHE_LOOKUPS.labels(outcome)._value.get() for outcome in ("hit", "miss")}
    count_cache(hit=True)
    count_cache(hit=True)
    count_cache(hit=False)
    async with served(database_url, Clock()) as client:
        after = await scraped(client)
    assert after["cache_lookups_total", "hit"] == before["hit"] + 2
    assert after["cache_lookups_total", "miss"] == before["miss"] + 1


async def test_the_warehouse_is_described_as_it_is(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await fill(ingest_pool, project_pool, without=SYMBOLS[:1])
    clock = Clock()
    async with served(database_url, clock) as client:
        told = await scraped(client)
        assert (told["warehouse_up"], told["warehouse_projection_up"]) == (1, 1)
        assert (told["warehouse_symbols"], told["warehouse_bars"]) == (10, 49)
        assert (told["warehouse_validated_bars"], told["warehouse_validation_ratio"]) == (49, 1)
        assert (told["warehouse_rejections"], told["warehouse_revisions"], told["warehouse_sessions_missing"]) == (
            0,
            0,
            0,
        )
        assert told["warehouse_newest_session_timestamp_seconds"] == midnight(FRIDAY)
        assert told["warehouse_due_session_timestamp_seconds"] == midnight(FRIDAY)
        assert (told["warehouse_sessions_behind"], told["warehouse_due_session_ratio"]) == (0, 0.9)
        assert told["warehouse_archive_head"] == told["warehouse_archive_payloads"] == 10
        assert told["warehouse_projection_checkpoint"] == 10
        sizes = await owner.fetchrow("SELECT sum(body_bytes), sum(octet_length(body)) FROM archive.payload")
        assert (told["warehouse_archive_body_bytes"], told["warehouse_archive_stored_bytes"]) == tuple(sizes)
        assert told["warehouse_archive_disk_bytes"] > 0
        assert told["warehouse_generation_info", calendar_version(), RULESET.hash] == 1
        assert (told["warehouse_projection_lag_payloads"], told["warehouse_projection_lag_seconds"]) == (0, 0)
        assert (told["warehouse_scheduler_running"], told["warehouse_fetching"]) == (0, 0)
        assert not any("run" in key[0] for key in told if isinstance(key, tuple))
        assert told["warehouse_fresh", "sessions"] == 1

        # A hole, a restatement and a row that is no bar; not projected yet.
        clock.at = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
        waiting = [
            bars_of("HOLE", [WEEK[0], WEEK[3]], clock.at - 20 * MINUTE),
            bars_of("S1", [FRIDAY], clock.at, price=11.0),
            bars_of("S2", [dt.date(2026, 11, 22)], clock.at),
        ]
        await archive_all(ingest_pool, waiting)
        await owner.execute("SELECT pg_advisory_lock(hashtextextended('warehouse.scheduler', 0))")
        await run_of(ingest_pool, "nightly", NIGHT, {"stopped_by": "SIGTERM"})
        await run_of(ingest_pool, "backup", NIGHT, {"passed": True})
        await run_of(ingest_pool, "drill", NIGHT)
        told = await scraped(client)
        assert (told["warehouse_projection_lag_payloads"], told["warehouse_projection_lag_seconds"]) == (3, 1200)
        assert (told["warehouse_sessions_behind"], told["warehouse_due_session_ratio"]) == (1, 0)
        assert told["warehouse_fresh", "projector"] == told["warehouse_fresh", "sessions"] == 0
        assert told["warehouse_scheduler_running"] == 1
        assert told["warehouse_run_started_timestamp_seconds", "drill"] == NIGHT.timestamp()
        assert ("warehouse_run_succeeded", "drill") not in told
        assert told["warehouse_run_finished_timestamp_seconds", "nightly"] == (NIGHT + MINUTE).timestamp()
        assert (told["warehouse_run_succeeded", "nightly"], told["warehouse_run_succeeded", "backup"]) == (0, 1)

        await catch_up(project_pool, clock)
        told = await scraped(client)
        assert (told["warehouse_symbols"], told["warehouse_bars"], told["warehouse_sessions_missing"]) == (11, 51, 2)
        assert (told["warehouse_rejections"], told["warehouse_revisions"]) == (1, 1)
        sizes = await owner.fetchrow("SELECT sum(body_bytes), sum(octet_length(body)) FROM archive.payload")
        assert (told["warehouse_archive_body_bytes"], told["warehouse_archive_stored_bytes"]) == tuple(sizes)
        assert (told["warehouse_projection_lag_payloads"], told["warehouse_projection_lag_seconds"]) == (0, 0)


async def test_without_projection_or_database_the_rest_is_still_there(
    database_url: str, ingest_pool: asyncpg.Pool, projector: asyncpg.Connection
) -> None:
    async with DatabaseLine(database_url) as line, served(line.url, Clock()) as client:
        await archive_all(ingest_pool, [bars_of("S1", WEEK, NOW - MINUTE)])
        told = await scraped(client)
        assert (told["warehouse_up"], told["warehouse_projection_up"]) == (1, 0)
        assert (told["warehouse_archive_head"], told["warehouse_projection_lag_payloads"]) == (1, 1)
        assert "warehouse_bars" not in told
        await line.cut()
        told = await scraped(client)
        assert told["warehouse_up"] == told["warehouse_fresh", "database"] == 0
        assert "warehouse_archive_head" not in told
        assert told["http_requests_total", "GET", "/metrics", "200"] >= 1
        await line.mend()
        await project(projector)
        await projector.execute("TRUNCATE projection.session")
        told = await scraped(client)
        assert (told["warehouse_bars"], told["warehouse_bars_flagged", "large_gap"]) == (13, 2)
        assert "warehouse_due_session_timestamp_seconds" not in told
        assert "warehouse_sessions_missing" not in told


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text"),
        ("application/openmetrics-text;version=none", "application/openmetrics-text"),
        ("text/plain;version=none;escaping=%", "text/plain"),
        ("*/*", "text/plain"),
    ],
)
async def test_openmetrics_is_sent_to_those_who_accept_it(client: Client, accept: str, kind: str) -> None:
    answer = await client.ask("/metrics", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(kind)
    if kind != "text/plain":
        families = openmetrics.text_string_to_metric_families(answer.body.decode())  # type: ignore[no-untyped-call]
        assert {"http_requests", "warehouse_up", "warehouse_build"} <= {family.name for family in families}


async def test_a_request_has_an_id_and_one_line_with_what_is_known_and_no_query(
    market_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api")
    async with served(market_url) as client:
        own = await client.ask("/api/v1/historical/AAPL?colour=secret", headers={"X-Request-ID": "trace:1.a"})
        forged = await client.ask("/health", headers={"X-Request-ID": "a status=200"})
        long = await client.ask("/health", headers={"X-Request-ID": "x" * 65})
        head = await client.ask("/health", method="HEAD")
        nothing = await client.ask("/" + "n" * 400)
    answers = [own, forged, long, head, nothing]
    ids = [answer.headers["x-request-id"] for answer in answers]
    logged = [vars(record) for record in caplog.records if record.getMessage() == "api.request"]
    # The server of other tests may still be at its last line.
    records = [record for record in logged if record["request_id"] in ids]
    assert [record["request_id"] for record in records] == ids
    assert own.headers["x-request-id"] == "trace:1.a"
    made = [answer.headers["x-request-id"] for answer in answers[1:]]
    assert len(set(made)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", request_id) for request_id in made)
    assert [record["route"] for record in records] == [HISTORICAL, "/health", "/health", "/health", "unmatched"]
    assert [record["bytes"] for record in records] == [len(answer.body) for answer in answers]
    assert len(records[-1]["path"]) == 200
    assert all(record["client"] == "127.0.0.1" for record in records)
    assert not any("secret" in str(record) for record in records)
