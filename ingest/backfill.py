"""A backfill: plan from what the archive lacks, fetch it, leave both in the run ledger, and seal what came.

One run at a time in a database. Killed at any instant it loses nothing that was archived, and the next run plans only
the rest: the plan comes from the archive, never from what an earlier run meant to do.
"""

import datetime as dt
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from archive.append import open_archiver
from archive.chain import seal_archive
from archive.runs import finish_run, start_run
from ingest.assessments import catch_up_assessments, open_assessment_log
from ingest.coverage import read_coverage
from ingest.crew import Crew
from ingest.endpoints import SOURCE
from ingest.errors import AnotherRunUnderWay, InvalidKey, MissingKey
from ingest.exchange import open_exchange
from ingest.fetch import Fetcher
from ingest.limiter import Limiter
from ingest.patience import Patience
from ingest.period import Period, last_settled, settled_at
from ingest.plan import Plan, make_plan
from ingest.progress import ShowProgress, no_progress
from ingest.report import RunReport, StepOutcome, planned_run
from ingest.settings import IngestSettings, VendorKey
from ingest.stop import Stop
from ingest.universe import Universe
from sql import load_queries
from sql.errors import CONNECTION_LOST, DatabaseError

_LOG = logging.getLogger("ingest")
_QUERIES = load_queries("ingest.sql")
_LOCK = _QUERIES["lock_ingest"]
_WAIT_SHORTLY = _QUERIES["wait_shortly"]
_UNLOCK = _QUERIES["unlock_ingest"]
_FETCHED_SINCE = _QUERIES["fetched_since"]
_PATIENCE = Patience()
_A_MINUTE = dt.timedelta(seconds=61)
_OF_DATABASE = (*CONNECTION_LOST, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


async def plan_backfill(pool: asyncpg.Pool, universe: Universe, period: Period, now: dt.datetime) -> Plan:
    """Return what a backfill of a period would ask for now; assesses first what a killed run left unassessed.

    Raises: DamagedPayload.
    """
    caught_up = await catch_up_assessments(pool)
    if caught_up:
        _LOG.info("ingest.assessments_caught_up", extra={"payloads": caught_up})
    coverage = await read_coverage(pool)
    return make_plan(universe, period.sessions(), coverage, settled_at(last_settled(now)))


async def run_backfill(
    pool: asyncpg.Pool,
    settings: IngestSettings,
    *,
    universe: Universe,
    period: Period,
    now: Callable[[], dt.datetime],
    kind: str = "backfill",
    concurrency: int = 8,
    patience: Patience = _PATIENCE,
    stop: Stop | None = None,
    progress: ShowProgress = no_progress,
) -> RunReport:
    """Fetch what the archive lacks of a period and return what was done; what failed is in the report.

    Raises: AnotherRunUnderWay; MissingKey when there is something to fetch; InvalidKey as soon as the vendor refuses
    it; DamagedPayload; DatabaseError when the database goes away.
    """
    run = _Backfill(pool, settings, universe, period, now, kind, concurrency, patience, stop or Stop(), progress)
    async with _clear_database_errors(), _one_run_at_a_time(pool):
        report, refusal = await run.from_plan_to_ledger()
    if refusal is not None:
        raise refusal
    return report


class _Fetched(msgspec.Struct, frozen=True):
    """What came of a plan's steps."""

    outcomes: tuple[StepOutcome, ...] = ()
    requests: int = 0
    retries: int = 0
    body_bytes: int = 0
    waited_s: float = 0.0
    refusal: InvalidKey | None = None


class _Backfill(msgspec.Struct, frozen=True):
    pool: asyncpg.Pool
    settings: IngestSettings
    universe: Universe
    period: Period
    now: Callable[[], dt.datetime]
    kind: str
    concurrency: int
    patience: Patience
    stop: Stop
    progress: ShowProgress

    async def from_plan_to_ledger(self) -> tuple[RunReport, InvalidKey | None]:
        """Run once; both rows of the ledger are written, whatever the vendor does."""
        plan = await self._plan()
        if plan.steps and self.settings.key is None:
            raise MissingKey
        begun = planned_run(str(self.universe), self.period.first, self.period.last, plan)
        run_id = await start_run(self.pool, self.kind, begun, self.now())
        started = time.monotonic()
        fetched = await self._fetch(plan, run_id, self.settings.key) if self.settings.key else _Fetched()
        left = await self._plan() if plan.steps else plan
        report = RunReport(
            run_id=run_id,
            first=self.period.first,
            last=self.period.last,
            sessions=plan.sessions,
            planned=len(plan.steps),
            already_have=plan.already_have,
            beyond_plan=left.beyond_plan,
            unknown=left.unknown,
            left_to_ask=len(left.steps),
            requests=fetched.requests,
            retries=fetched.retries,
            body_bytes=fetched.body_bytes,
            waited_s=round(fetched.waited_s, 3),
            elapsed_s=round(time.monotonic() - started, 3),
            stopped_by=self.stop.why,
            outcomes=fetched.outcomes,
        )
        await finish_run(self.pool, run_id, self.kind, report, self.now())
        await seal_archive(self.pool, self.now())
        return report, fetched.refusal

    async def _plan(self) -> Plan:
        return await plan_backfill(self.pool, self.universe, self.period, self.now())

    async def _fetch(self, plan: Plan, run_id: uuid.UUID, key: VendorKey) -> _Fetched:
        if not plan.steps:
            return _Fetched()
        limiter = Limiter(self.settings.rate_limit_per_minute, sleep=self.stop.sleep)
        limiter.remember(await self._ages_of_last_requests())
        async with (
            open_archiver(self.pool, run_id) as archiver,
            open_assessment_log(self.pool) as assessments,
            open_exchange(self.settings.base_url, key, self.now, self.patience) as exchange,
        ):
            fetcher = Fetcher(exchange, archiver, assessments, limiter, self.stop, self.patience)
            with self.progress(len(plan.steps), fetcher.tally) as step_done:
                crew = Crew(fetcher, self.stop, self.period.sessions(), step_done)
                outcomes = await crew.work(plan.steps, self.concurrency)
        tally = fetcher.tally
        return _Fetched(
            tuple(outcomes), tally.requests, tally.retries, tally.body_bytes, limiter.waited_s, crew.refusal
        )

    async def _ages_of_last_requests(self) -> list[float]:
        now = self.now()
        rows = await self.pool.fetch(_FETCHED_SINCE, SOURCE, now - _A_MINUTE)
        return [(now - row["fetched_at"]).total_seconds() for row in rows]


@asynccontextmanager
async def _one_run_at_a_time(pool: asyncpg.Pool) -> AsyncIterator[None]:
    async with pool.acquire() as connection:
        try:
            async with connection.transaction():
                await connection.execute(_WAIT_SHORTLY)
                await connection.execute(_LOCK)
        except asyncpg.LockNotAvailableError as exc:
            raise AnotherRunUnderWay from exc
        try:
            yield
        finally:
            await connection.execute(_UNLOCK)


@asynccontextmanager
async def _clear_database_errors() -> AsyncIterator[None]:
    """Turn what the database raises in the middle of a run into one line; a step's own errors are in its outcome."""
    try:
        yield
    except ExceptionGroup as exc:
        raise _database_error(exc.exceptions[0]) from exc
    except _OF_DATABASE as exc:
        raise _database_error(exc) from exc


def _database_error(exc: BaseException) -> BaseException:
    if not isinstance(exc, _OF_DATABASE):
        return exc
    what = type(exc).__name__
    return DatabaseError(f"the database failed during the run ({what}); what was archived stays, run again to go on")
