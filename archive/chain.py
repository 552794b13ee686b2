"""The hash chain over payloads: each one's chain hash covers everything of it and the chain hash before it.

The database makes it as it appends (append_payload); this module makes it again from what is stored, so whoever
alters, removes or slips in a payload must rewrite every chain hash after it, and the seals that were taken of them.
"""

import datetime as dt
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import asyncpg

from sql import load_queries

_SEAL_HEAD = load_queries("archive.sql")["seal_head"]
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

GENESIS = bytes(32)


def chain_hash(before: bytes, row: Mapping[str, Any]) -> bytes:
    """Return the chain hash of a row of archive.payload that follows one with chain hash `before`.

    Shape: `row` has the columns of the table as asyncpg gives them, `headers` as text.
    """
    values = (
        str(row["archive_seq"]),
        str((row["fetched_at"] - _EPOCH) // dt.timedelta(microseconds=1)),
        row["source"],
        row["endpoint"],
        row["request"],
        row["ticker"],
        _iso(row["from_date"]),
        _iso(row["to_date"]),
        str(row["http_status"]),
        row["headers"],
        row["transfer"],
        str(row["body_bytes"]),
        row["body_sha256"].hex(),
        str(row["run_id"]),
    )
    return sha256(before + "".join(map(_chained, values)).encode()).digest()


async def seal_archive(pool: asyncpg.Pool, now: dt.datetime) -> int | None:
    """Record what the chain is at the head of this moment; return the head, None where it was sealed already."""
    to_seq: int | None = await pool.fetchval(_SEAL_HEAD, now)
    return to_seq


def _iso(date: dt.date | None) -> str | None:
    return None if date is None else date.isoformat()


def _chained(value: str | None) -> str:
    return "-" if value is None else f"{len(value.encode())}:{value}"
