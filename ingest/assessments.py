"""Assessments in the archive: written in batches behind the payloads, and caught up where a crash left some out.

An assessment can be derived from its payload at any time, so losing a batch of them loses nothing but time.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg

from archive.read import read_payload
from ingest.assess import ASSESSOR, Assessment, assess
from ingest.endpoints import SOURCE
from ingest.flat.assess import assess_flat_file
from ingest.flat.source import FLAT_SOURCE
from ingest.sender import Judge
from sql import load_queries

_QUERIES = load_queries("ingest.sql")
_UNASSESSED = _QUERIES["unassessed"]
_RECORD = _QUERIES["record_assessment"]
_BATCH = 64
_JUDGES: dict[str, Judge] = {SOURCE: assess, FLAT_SOURCE: assess_flat_file}

Assessed = tuple[int, Assessment]


class AssessmentLog:
    """Takes the assessments of one run. Get one from `open_assessment_log`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._waiting: list[Assessed] = []

    async def add(self, archive_seq: int, assessment: Assessment) -> None:
        """Take the assessment of a payload; it is written with the next batch."""
        self._waiting.append((archive_seq, assessment))
        if len(self._waiting) >= _BATCH:
            await self._flush()

    async def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        await _record(self._pool, batch)


@asynccontextmanager
async def open_assessment_log(pool: asyncpg.Pool) -> AsyncIterator[AssessmentLog]:
    """Yield a log of assessments; on leaving, all of them are written."""
    log = AssessmentLog(pool)
    yield log
    await log._flush()


async def catch_up_assessments(pool: asyncpg.Pool) -> int:
    """Assess every payload that has no assessment by this version, and return how many there were.

    Raises: DamagedPayload.
    """
    return sum([await _catch_up(pool, source, judge) for source, judge in _JUDGES.items()])


async def _catch_up(pool: asyncpg.Pool, source: str, judge: Judge) -> int:
    missing = [row["archive_seq"] for row in await pool.fetch(_UNASSESSED, source, ASSESSOR)]
    async with open_assessment_log(pool) as log:
        for archive_seq in missing:
            payload = await read_payload(pool, archive_seq)
            await log.add(archive_seq, judge(payload.response))
    return len(missing)


async def _record(pool: asyncpg.Pool, batch: Iterable[Assessed]) -> None:
    rows = [
        (
            archive_seq,
            ASSESSOR,
            found.outcome.value,
            found.row_count,
            found.first_session,
            found.last_session,
            found.otc,
            found.next_request,
            found.message,
        )
        for archive_seq, found in batch
    ]
    if rows:
        await pool.executemany(_RECORD, rows)
