"""The run ledger: what each run meant to do and what it did, as two rows, so that a killed run shows as unfinished."""

import datetime as dt
import re
import uuid
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from archive.errors import ArchiveError
from archive.read import Connection
from sql import load_queries
from sql.errors import Misuse

_QUERIES = load_queries("archive.sql")
_RECORD = _QUERIES["record_run"]
_RUNS, _BETWEEN = _QUERIES["runs"], _QUERIES["runs_between"]
_LOCK_IS_HELD = _QUERIES["lock_is_held"]
_PREFIX = re.compile(r"[0-9a-f]{4,32}")
_NAMED = 10


class Run(msgspec.Struct, frozen=True):
    """A run as the ledger has it; `finished_at` and `result` are None while it runs, or if it was killed."""

    run_id: uuid.UUID
    kind: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    plan: dict[str, Any]
    result: dict[str, Any] | None


class InvalidRunId(ArchiveError, Misuse):
    """No id of a run begins with `text`, whatever ran."""

    def __init__(self, text: str) -> None:
        super().__init__(f"run {text!r} cannot be looked up: an id, or its first 4 or more hex digits, is needed")
        self.text = text


class UnknownRun(ArchiveError):
    """No run in the ledger has an id that begins with `text`."""

    def __init__(self, text: str) -> None:
        super().__init__(f"run {text!r} is not in the ledger; `ingest runs` lists those that are")
        self.text = text


class AmbiguousRun(ArchiveError):
    """The ids of several `runs` begin with `text`."""

    def __init__(self, text: str, runs: Sequence[Run]) -> None:
        named = ", ".join(f"{run.run_id} ({run.kind} of {run.started_at:%Y-%m-%d %H:%M})" for run in runs[:_NAMED])
        rest = f" and {len(runs) - _NAMED:,} more" if len(runs) > _NAMED else ""
        super().__init__(f"run {text!r} is ambiguous: {named}{rest} begin so; give more digits")
        self.text, self.runs = text, tuple(runs)


async def start_run(pool: asyncpg.Pool, kind: str, plan: object, now: dt.datetime) -> uuid.UUID:
    """Record that a run starts, with its plan, and return its id."""
    run_id = uuid.uuid4()
    await pool.execute(_RECORD, run_id, "started", now, kind, msgspec.json.encode(plan).decode())
    return run_id


async def finish_run(pool: asyncpg.Pool, run_id: uuid.UUID, kind: str, result: object, now: dt.datetime) -> None:
    """Record how a run ended."""
    await pool.execute(_RECORD, run_id, "finished", now, kind, msgspec.json.encode(result).decode())


async def list_runs(pool: asyncpg.Pool, limit: int, kinds: Sequence[str] | None = None) -> list[Run]:
    """Return the runs, of these kinds if given, that started last, newest first."""
    rows = await pool.fetch(_RUNS, None if kinds is None else list(kinds), limit)
    return [_run(row) for row in rows]


async def latest_run(pool: asyncpg.Pool, kinds: Sequence[str]) -> Run | None:
    """Return the run of these kinds that started last, None where there was none."""
    return next(iter(await list_runs(pool, 1, kinds)), None)


async def find_run(pool: asyncpg.Pool, text: str) -> Run:
    """Return the run whose id is, or begins with, `text`; dashes and case do not matter.

    Raises: InvalidRunId when it is no beginning of an id, or shorter than 4 digits; UnknownRun; AmbiguousRun.
    """
    digits = text.replace("-", "").lower()
    if not _PREFIX.fullmatch(digits):
        raise InvalidRunId(text)
    rows = await pool.fetch(_BETWEEN, uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f")))
    if not rows:
        raise UnknownRun(text)
    if len(rows) > 1:
        raise AmbiguousRun(text, [_run(row) for row in rows])
    return _run(rows[0])


async def lock_is_held(connection: Connection, name: str) -> bool:
    """Tell whether a session of this database holds the advisory lock of that name at this moment."""
    held: bool = await connection.fetchval(_LOCK_IS_HELD, name)
    return held


def _run(row: asyncpg.Record) -> Run:
    return Run(
        row["run_id"],
        row["kind"],
        row["started_at"],
        row["finished_at"],
        msgspec.json.decode(row["plan"]),
        None if row["result"] is None else msgspec.json.decode(row["result"]),
    )
