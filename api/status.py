"""GET /api/v1/status: how much there is, how good it is, and whether the projection keeps up with the archive."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.operation import Operation
from api.overview.calendar import frozen_calendar, newest_judged
from api.overview.reading import Reading, read_remembering
from api.params import NoParams
from api.warehouse import warehouse_of
from api.watch.safeguards import Safeguard, read_safeguards
from archive.calendar import Calendar
from archive.read import archive_head
from archive.runs import Run, latest_run, lock_is_held
from sql import load_queries

_QUERIES = load_queries("api.sql")
_ALL_COVERAGE = _QUERIES["all_coverage"]

_SCHEDULER_LOCK, _INGEST_LOCK = "warehouse.scheduler", "warehouse.ingest"
_FETCHING_RUNS = ("backfill", "nightly")
_UNANSWERED = ("failed", "not_tried")

Outcome = Literal["running", "interrupted", "complete", "incomplete"]


class DatabaseStatus(Struct, frozen=True):
    """How much there is."""

    symbols_available: Annotated[int, Meta(description="Symbols with at least one bar.")]
    latest_data: Annotated[dt.date | None, Meta(description="The newest session of any bar.")]
    total_records: Annotated[int, Meta(description="Bars.")]
    validation_rate_pct: Annotated[
        float | None, Meta(description="Validated bars in percent of all; null where there are none.")
    ]


class LastBackfill(Struct, frozen=True):
    """The run that fetched last."""

    started_at: dt.datetime
    finished_at: Annotated[dt.datetime | None, Meta(description="null while it runs, and if it was killed.")]
    outcome: Annotated[
        Outcome,
        Meta(description="running; interrupted: it was killed; complete; incomplete: some requests got no answer."),
    ]


class _Step(Struct, frozen=True):
    ending: str


class _Report(Struct, frozen=True):
    """What is read here of the report that ingest leaves in the run ledger."""

    stopped_by: str | None = None
    outcomes: tuple[_Step, ...] = ()


class DataQuality(Struct, frozen=True):
    """How good it is, and who keeps it fresh."""

    records_with_gaps_flagged: Annotated[int, Meta(description="Bars that failed the rule large_gap.")]
    scheduler_status: Annotated[
        Literal["running", "not running"], Meta(description="Whether a process is there that fetches every night.")
    ]
    last_backfill: LastBackfill | None


class GenerationStatus(Struct, frozen=True):
    """What the projection is a function of."""

    generation_id: UUID
    ruleset_hash: str
    calendar_version: str
    content_hash: str
    built_at: dt.datetime
    caught_up_at: dt.datetime


class ArchiveStatus(Struct, frozen=True):
    """How far the projection has come in the archive."""

    head: Annotated[int, Meta(description="The newest payload.")]
    checkpoint: Annotated[int, Meta(description="The last payload that is projected.")]
    lag: Annotated[int, Meta(description="Payloads that are not projected yet.")]


class DataFreshness(Struct, frozen=True):
    """Whether the newest session is there; one symbol may be further behind, see /api/v1/symbols/{symbol}."""

    newest_session: Annotated[dt.date | None, Meta(description="The newest session of any bar.")]
    newest_expected: Annotated[
        dt.date, Meta(description="The newest session of which a missing bar can be believed: a day after it settled.")
    ]
    sessions_behind: Annotated[
        int | None, Meta(description="Sessions between the two, 0 where it is there; null without any bar.")
    ]


class LastSafeguard(Struct, frozen=True):
    """The last backup; or the last drill: a backup restored and compared; or the last scrub: the archive verified."""

    started_at: dt.datetime
    finished_at: Annotated[dt.datetime | None, Meta(description="null while it runs, and if it was killed.")]
    passed: Annotated[bool | None, Meta(description="Whether it went well; null while it has not finished.")]
    backup: Annotated[
        str | None, Meta(description="The backup that was made or restored; null where unknown, and of a scrub.")
    ]
    error: Annotated[str | None, Meta(description="Why it failed; null where it did not.")]
    last_passed_at: Annotated[dt.datetime | None, Meta(description="When one last ended well; null if none ever did.")]


class Status(Struct, frozen=True):
    """The state of the warehouse."""

    status: Annotated[
        Literal["current", "behind"], Meta(description="behind where payloads wait to be projected, else current.")
    ]
    database: DatabaseStatus
    data_quality: DataQuality
    generation: GenerationStatus
    archive: ArchiveStatus
    freshness: DataFreshness
    last_backup: Annotated[LastSafeguard | None, Meta(description="The last backup; null where there was none.")]
    last_drill: Annotated[LastSafeguard | None, Meta(description="The last drill; null where there was none.")]
    last_scrub: Annotated[LastSafeguard | None, Meta(description="The last scrub; null where there was none.")]


async def status(request: Request, params: NoParams) -> Response:
    """Answer with the state of the warehouse."""
    warehouse = warehouse_of(request)

    async def read(reading: Reading) -> Status:
        return await _read(reading, warehouse.now())

    return json_answer(await read_remembering(warehouse.projection, read))


async def _read(reading: Reading, now: dt.datetime) -> Status:
    connection, generation = reading.connection, reading.generation
    coverage = await connection.fetchrow(_ALL_COVERAGE)
    calendar = await frozen_calendar(reading)
    head = await archive_head(connection)
    lag = head - generation.checkpoint
    safeguards = await read_safeguards(connection, now)
    return Status(
        status="behind" if lag else "current",
        database=DatabaseStatus(
            symbols_available=coverage["symbols"],
            latest_data=coverage["last_session"],
            total_records=coverage["bars"],
            validation_rate_pct=_percent(coverage["validated_bars"], coverage["bars"]),
        ),
        data_quality=DataQuality(
            records_with_gaps_flagged=coverage["gaps_flagged"],
            scheduler_status="running" if await lock_is_held(connection, _SCHEDULER_LOCK) else "not running",
            last_backfill=await _last_backfill(connection),
        ),
        generation=GenerationStatus(
            generation_id=generation.generation_id,
            ruleset_hash=generation.ruleset_hash,
            calendar_version=generation.calendar_version,
            content_hash=generation.content_hash,
            built_at=generation.built_at,
            caught_up_at=generation.caught_up_at,
        ),
        archive=ArchiveStatus(head=head, checkpoint=generation.checkpoint, lag=lag),
        freshness=_freshness(calendar, coverage["last_session"], now),
        last_backup=_told(safeguards.get("backup")),
        last_drill=_told(safeguards.get("drill")),
        last_scrub=_told(safeguards.get("scrub")),
    )


def _freshness(calendar: Calendar, newest: dt.date | None, now: dt.datetime) -> DataFreshness:
    expected = newest_judged(calendar, now)
    behind = None if newest is None else len(calendar.between(newest + dt.timedelta(days=1), expected))
    return DataFreshness(newest, expected, behind)


def _told(last: Safeguard | None) -> LastSafeguard | None:
    if last is None:
        return None
    return LastSafeguard(last.started_at, last.finished_at, last.passed, last.backup, last.error, last.passed_at)


def _percent(part: int, whole: int) -> float | None:
    return round(100.0 * part / whole, 2) if whole else None


async def _last_backfill(connection: asyncpg.Connection) -> LastBackfill | None:
    run = await latest_run(connection, _FETCHING_RUNS)
    if run is None:
        return None
    if run.finished_at is None:
        alive = await lock_is_held(connection, _INGEST_LOCK)
        return LastBackfill(run.started_at, None, "running" if alive else "interrupted")
    return LastBackfill(run.started_at, run.finished_at, _ended(run))


def _ended(run: Run) -> Outcome:
    report = msgspec.convert(run.result or {}, _Report)
    unanswered = any(step.ending in _UNANSWERED for step in report.outcomes)
    return "incomplete" if report.stopped_by is not None or unanswered else "complete"


_EXAMPLE_TIME = dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC)
_EXAMPLE_END = dt.datetime(2026, 11, 15, 3, 1, 7, tzinfo=dt.UTC)
_EXAMPLE_BACKUP = LastSafeguard(
    started_at=_EXAMPLE_END - dt.timedelta(seconds=67),
    finished_at=_EXAMPLE_END,
    passed=True,
    backup="2026-11-15T030000Z",
    error=None,
    last_passed_at=_EXAMPLE_END,
)

OPERATION = Operation(
    path="/api/v1/status",
    summary="The state of the warehouse",
    description="How much there is, how good it is, and whether the projection keeps up with the archive.",
    params=NoParams,
    answer=Status,
    example=Status(
        status="current",
        database=DatabaseStatus(15, dt.date(2026, 11, 20), 18_870, 98.71),
        data_quality=DataQuality(
            41, "not running", LastBackfill(_EXAMPLE_TIME, _EXAMPLE_TIME + dt.timedelta(minutes=3), "complete")
        ),
        generation=GenerationStatus(
            generation_id=UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"),
            ruleset_hash="9f86d081884c7d65…",
            calendar_version="exchange_calendars 4.13.2 XNYS",
            content_hash="1b4f0e9851971998…",
            built_at=_EXAMPLE_TIME,
            caught_up_at=_EXAMPLE_TIME + dt.timedelta(minutes=4),
        ),
        archive=ArchiveStatus(head=1024, checkpoint=1024, lag=0),
        freshness=DataFreshness(dt.date(2026, 11, 20), dt.date(2026, 11, 20), 0),
        last_backup=_EXAMPLE_BACKUP,
        last_drill=None,
        last_scrub=None,
    ),
    handle=status,
    errors=READ_ERRORS,
)
