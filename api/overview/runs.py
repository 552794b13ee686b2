"""GET /api/v1/runs: the run ledger: what ran, what it was to ask for, what came of it, and how it ended."""

import datetime as dt
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import DatabaseUnreachable, InvalidParameter, QueryTimedOut
from api.formats.answer import answer_rows
from api.generation import clear_database_errors
from api.operation import Operation
from api.records.page import NextCursor
from api.warehouse import warehouse_of
from archive.runs import lock_is_held
from sql import load_queries

_QUERIES = load_queries("api_overview.sql")
_RUNS, _NEWEST = _QUERIES["runs_before"], _QUERIES["newest_run_under_lock"]

_LOCK = "warehouse.ingest"
_LOCKING_KINDS = ("backfill", "nightly", "flat_files")
"""The kinds of run that hold the lock for as long as they live; of others nobody can tell."""
_OF = "runs"
_WAIT_FOR_CONNECTION_S = 10.0

V = TypeVar("V")

RunOutcome = Literal["running", "interrupted", "unfinished", "complete", "incomplete", "not_passed", "stopped"]


class RunsParams(Struct, frozen=True, kw_only=True):
    """Which runs are asked for."""

    kind: (
        Annotated[
            str,
            Meta(
                max_length=64,
                pattern=r"^[^\x00-\x20\x7f]+$",
                description="Only runs of this kind: nightly, backfill, flat_files …; without it, all.",
                examples=["nightly"],
            ),
        ]
        | None
    ) = None
    limit: Annotated[
        int, Meta(ge=1, le=1000, description="How many rows at most; next_cursor leads on to the rest.")
    ] = 100
    cursor: Cursor | None = None


class RunRow(Struct, frozen=True):
    """A run in one line; null is what it does not say."""

    run_id: UUID
    kind: str
    started_at: dt.datetime
    finished_at: Annotated[dt.datetime | None, Meta(description="null while it runs, and if it was killed.")]
    outcome: Annotated[
        RunOutcome,
        Meta(
            description=(
                "running; interrupted: it was killed; unfinished: one of the two, nobody can tell; complete; "
                "incomplete: something was not got; not_passed: what it checked was not well; stopped: it gave up."
            )
        ),
    ]
    stopped_by: Annotated[str | None, Meta(description="Why it gave up.")]
    first: Annotated[dt.date | None, Meta(description="The first date it was about.")]
    last: dt.date | None
    planned: Annotated[int | None, Meta(description="Requests it meant to make.")]
    requests: Annotated[int | None, Meta(description="Requests it made, repeated ones and further pages too.")]
    retries: int | None
    failed: Annotated[int | None, Meta(description="Symbols or sessions that were not got.")]
    rows: Annotated[int | None, Meta(description="Rows that came.")]
    body_bytes: Annotated[int | None, Meta(description="What came, in bytes after content decoding.")]


class Runs(Struct, frozen=True):
    """A page of the run ledger."""

    count: int
    next_cursor: NextCursor
    runs: list[RunRow]


async def runs(request: Request, params: RunsParams) -> Response:
    """Answer with a page of the run ledger, which there is whether anything is projected or not."""
    before = (None, None) if params.cursor is None else decode_cursor(params.cursor, (dt.datetime, UUID), of=_OF)
    with clear_database_errors():
        async with warehouse_of(request).projection.pool.acquire(timeout=_WAIT_FOR_CONNECTION_S) as connection:
            alive = await run_alive(connection)
            found = await connection.fetch(_RUNS, params.kind, *before, params.limit + 1, None)
    page = [run_row(row, alive) for row in found[: params.limit]]
    cursor = encode_cursor(page[-1].started_at, page[-1].run_id, of=_OF) if len(page) < len(found) else None
    return await answer_rows(request, Runs(len(page), cursor, page), "runs", page)


async def run_alive(connection: asyncpg.Connection) -> UUID | None:
    """Return the run that is under way; one without an end that started later has been killed."""
    if not await lock_is_held(connection, _LOCK):
        return None
    newest: UUID | None = await connection.fetchval(_NEWEST, list(_LOCKING_KINDS))
    return newest


def run_row(row: asyncpg.Record, alive: UUID | None) -> RunRow:
    """Return a run in one line, of what its two rows in the ledger say."""
    plan = _Said(msgspec.json.decode(row["plan"]))
    result = _Said({} if row["result"] is None else msgspec.json.decode(row["result"]))
    # What failed and was then got in another way did not fail.
    failed = 0 if result.number("left_to_ask") == 0 else row["failed"]
    stopped_by = result.text("stopped_by")
    return RunRow(
        run_id=row["run_id"],
        kind=row["kind"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=_outcome(row, alive, stopped_by, failed, passed=result.facts.get("passed") is not False),
        stopped_by=stopped_by,
        first=result.date("first") or plan.date("first"),
        last=result.date("last") or plan.date("last"),
        planned=row["listed"] if (planned := result.number("planned")) is None else planned,
        requests=result.number("requests"),
        retries=result.number("retries"),
        failed=failed,
        rows=None if row["found_rows"] is None else int(row["found_rows"]),
        body_bytes=result.number("body_bytes"),
    )


def _outcome(
    row: asyncpg.Record, alive: UUID | None, stopped_by: str | None, failed: int | None, *, passed: bool
) -> RunOutcome:
    if row["finished_at"] is None:
        if row["kind"] not in _LOCKING_KINDS:
            return "unfinished"
        return "running" if row["run_id"] == alive else "interrupted"
    if stopped_by is not None:
        return "stopped"
    if failed:
        return "incomplete"
    return "complete" if passed else "not_passed"


class _Said(Struct, frozen=True):
    """What a run left in the ledger; kinds differ in that, and older software left other things."""

    facts: dict[str, Any]

    def number(self, name: str) -> int | None:
        return self._of(name, int)

    def text(self, name: str) -> str | None:
        return self._of(name, str)

    def date(self, name: str) -> dt.date | None:
        return self._of(name, dt.date)

    def _of(self, name: str, kind: type[V]) -> V | None:
        try:
            return msgspec.convert(self.facts[name], kind)
        except (KeyError, msgspec.ValidationError):
            return None


_EXAMPLE_TIME = dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC)
EXAMPLE_RUN = RunRow(
    run_id=UUID("0b7c7c52-5a0c-4a5b-8c41-21f6c2a3c7aa"),
    kind="nightly",
    started_at=_EXAMPLE_TIME,
    finished_at=_EXAMPLE_TIME + dt.timedelta(seconds=71),
    outcome="complete",
    stopped_by=None,
    first=dt.date(2026, 11, 20),
    last=dt.date(2026, 11, 20),
    planned=4,
    requests=6,
    retries=0,
    failed=0,
    rows=33_561,
    body_bytes=3_406_122,
)

OPERATION = Operation(
    path="/api/v1/runs",
    summary="The run ledger",
    description="What ran, newest first: what it was to ask for, what came of it, and how it ended.",
    params=RunsParams,
    answer=Runs,
    example=Runs(
        count=1,
        next_cursor=None,
        runs=[EXAMPLE_RUN],
    ),
    handle=runs,
    errors=(
        InvalidParameter("limit", "0", "must be a whole number from 1 to 1000"),
        DatabaseUnreachable(),
        QueryTimedOut(),
    ),
    rows="runs",
)
