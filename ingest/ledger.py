"""What the two rows of a run say together, whatever kind of run it was: how it ended and what it cost.

Kinds differ in what they leave, and older software left other things, so only what is there is read. Whether a run
without an end goes on or was killed, its rows cannot say: the lock that fetching runs hold says it.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import asyncpg
import msgspec

from archive.runs import Run, find_run, latest_run, list_runs, lock_is_held
from ingest.report import Ending, RunReport

S = TypeVar("S", bound=msgspec.Struct)

LOCK = "warehouse.ingest"
LOCKING_KINDS = ("backfill", "nightly", "flat_files")
"""The kinds of run that hold the lock for as long as they live; of others nobody can tell."""


class State(StrEnum):
    """How a run ended, or that it did not."""

    DONE = "done"
    NOTHING_TO_DO = "nothing to do"
    FAILED = "failed"
    NOT_PASSED = "not passed"
    STOPPED = "stopped"
    UNDER_WAY = "under way"
    KILLED = "killed"
    UNFINISHED = "unfinished"


class RunSummary(msgspec.Struct, frozen=True):
    """A run in one line. `failed` symbols or sessions were not got; None is what the run does not say.

    Units: body_bytes after content decoding; waited_s is how long the rate limit and pauses held requests back.
    """

    run_id: uuid.UUID
    kind: str
    started_at: dt.datetime
    took_s: float | None
    state: State
    stopped_by: str | None
    failed: int
    planned: int | None
    requests: int | None
    body_bytes: int | None
    retries: int | None
    waited_s: float | None


class _Step(msgspec.Struct, frozen=True):
    subject: str
    ending: str


class _Result(msgspec.Struct, frozen=True):
    planned: int | None = None
    requests: int | None = None
    body_bytes: int | None = None
    retries: int | None = None
    waited_s: float | None = None
    stopped_by: str | None = None
    passed: bool | None = None
    outcomes: tuple[_Step, ...] = ()


class _Plan(msgspec.Struct, frozen=True):
    requests: tuple[str, ...] | None = None


async def read_ledger(pool: asyncpg.Pool, limit: int, kind: str | None = None) -> list[tuple[Run, RunSummary]]:
    """Return the runs, of one kind if given, that started last, newest first."""
    held = await lock_is_held(pool, LOCK)
    runs = await list_runs(pool, limit, None if kind is None else [kind])
    alive = await _alive(pool, held)
    return [(run, summary_of(run, alive)) for run in runs]


async def read_run(pool: asyncpg.Pool, text: str) -> tuple[Run, RunSummary]:
    """Return the run whose id begins with `text`.

    Raises: InvalidRunId; UnknownRun; AmbiguousRun.
    """
    held = await lock_is_held(pool, LOCK)
    run = await find_run(pool, text)
    return run, summary_of(run, await _alive(pool, held))


async def _alive(pool: asyncpg.Pool, was_held: bool) -> uuid.UUID | None:
    """Return the run that is under way, if one is.

    The lock is looked at before and after the rows: a run may begin or end between two queries.
    """
    if not (was_held or await lock_is_held(pool, LOCK)):
        return None
    newest = await latest_run(pool, LOCKING_KINDS)
    return newest.run_id if newest is not None and newest.finished_at is None else None


def summary_of(run: Run, alive: uuid.UUID | None) -> RunSummary:
    """Return a run in one line; `alive` is the run that is under way."""
    plan, result = known(run.plan, _Plan), known(run.result or {}, _Result)
    planned = result.planned
    if planned is None and plan.requests is not None:
        planned = len(plan.requests)
    failed = _failed(run, result)
    return RunSummary(
        run_id=run.run_id,
        kind=run.kind,
        started_at=run.started_at,
        took_s=None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds(),
        state=_state(run, result, failed, alive),
        stopped_by=result.stopped_by,
        failed=failed,
        planned=planned,
        requests=result.requests,
        body_bytes=result.body_bytes,
        retries=result.retries,
        waited_s=result.waited_s,
    )


def _failed(run: Run, result: _Result) -> int:
    """Return how many symbols or sessions were not got: what the report says, or its steps where it is of no kind here.

    A run of older software is of no kind here either: its report may lack what today's has.
    """
    try:
        return len(msgspec.convert(run.result, RunReport).failures())
    except msgspec.ValidationError:
        return len({step.subject for step in result.outcomes if step.ending in (Ending.FAILED, Ending.NOT_TRIED)})


def _state(run: Run, result: _Result, failed: int, alive: uuid.UUID | None) -> State:
    if run.finished_at is None:
        if run.kind not in LOCKING_KINDS:
            return State.UNFINISHED
        return State.UNDER_WAY if run.run_id == alive else State.KILLED
    if result.stopped_by is not None:
        return State.STOPPED
    if failed:
        return State.FAILED
    if result.passed is False:
        return State.NOT_PASSED
    return State.NOTHING_TO_DO if result.planned == 0 else State.DONE


def known(detail: Mapping[str, Any], kind: type[S]) -> S:
    """Return what `detail` has of the fields of a struct; what is missing or of another type keeps its default."""
    found = {}
    for field in msgspec.structs.fields(kind):
        try:
            found[field.name] = msgspec.convert(detail[field.name], field.type)
        except (KeyError, msgspec.ValidationError):
            continue
    return kind(**found)
