"""The run ledger: what each run meant to do and what it did, as two rows, so that a killed run shows as unfinished."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from sql import load_queries

_QUERIES = load_queries("archive.sql")
_RECORD = _QUERIES["record_run"]
_LATEST = _QUERIES["latest_run"]


class Run(msgspec.Struct, frozen=True):
    """A run as the ledger has it; `finished_at` and `result` are None while it runs, or if it was killed."""

    run_id: uuid.UUID
    kind: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    plan: dict[str, Any]
    result: dict[str, Any] | None


async def start_run(pool: asyncpg.Pool, kind: str, plan: object, now: dt.datetime) -> uuid.UUID:
    """Record that a run starts, with its plan, and return its id."""
    run_id = uuid.uuid4()
    await pool.execute(_RECORD, run_id, "started", now, kind, msgspec.json.encode(plan).decode())
    return run_id


async def finish_run(pool: asyncpg.Pool, run_id: uuid.UUID, kind: str, result: object, now: dt.datetime) -> None:
    """Record how a run ended."""
    await pool.execute(_RECORD, run_id, "finished", now, kind, msgspec.json.encode(result).decode())


async def latest_run(pool: asyncpg.Pool, kinds: Sequence[str]) -> Run | None:
    """Return the run of these kinds that started last, None where there was none."""
    row = await pool.fetchrow(_LATEST, list(kinds))
    if row is None:
        return None
    return Run(
        row["run_id"],
        row["kind"],
        row["started_at"],
        row["finished_at"],
        msgspec.json.decode(row["plan"]),
        None if row["result"] is None else msgspec.json.decode(row["result"]),
    )
