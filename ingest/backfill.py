"""A backfill: plan from what the archive lacks, fetch it, leave both in the run ledger, and seal what came.

One run at a time in a database. Killed at any instant it loses nothing that was archived, and the next run plans only
the rest: the plan comes from the archive, never from what an earlier run meant to do.
"""

import datetime as dt
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence

import asyncpg
import msgspec

from archive.append import open_archiver
from archive.chain import seal_archive
from archive.runs import finish_run, start_run
from ingest.assessments import catch_up_assessments, open_assessment_log
from ingest.coverage import LONG_AGO, read_coverage
from ingest.crew import Crew
from ingest.endpoints import SOURCE
from ingest.errors import InvalidKey, MissingKey
from ingest.exchange import open_exchange
from ingest.fetch import Fetcher, Tally
from ingest.limiter import Limiter
from ingest.one_market import require_one_market
from ingest.one_run import clear_database_errors, one_run_at_a_time
from ingest.patience import Patience
from ingest.period import Period, last_settled, last_surely_absent, settled_at
from ingest.plan import Due, Plan, Step, make_plan
from ingest.progress import ShowProgress, no_progress
from ingest.report import RunReport, StepOutcome, planned_run
from ingest.settings import IngestSettings, VendorKey
from ingest.stop import Stop
from ingest.universe import Universe
from sql import load_queries

_LOG = logging.getLogger("ingest")
_FETCHED_SINCE = load_queries("ingest.sql")["fetched_since"]
_PATIENCE = Patience()
_REFERENCE_LASTS = dt.timedelta(days=30)
_MOST_PASSES = 20
_A_MINUTE = dt.timedelta(seconds=61)


async def plan_backfill(
    pool: asyncpg.Pool,
    universe: Universe,
    period: Period,
    now: dt.datetime,
    *,
    vendor_plan: str = "",
    refusals_since: dt.datetime = LONG_AGO,
    reference: bool = False,
) -> Plan:
    """Return what a backfill of a period would ask for first if it ran now; assesses what a killed run left unassessed.

    Raises: DamagedPayload.
    """
    caught_up = await catch_up_assessments(pool)
    if caught_up:
        _LOG.info("ingest.assessments_caught_up", extra={"payloads": caught_up})
    coverage = await read_coverage(pool, now, vendor_plan, refusals_since)
    due = Due(settled_at(last_settled(now)), now - _REFERENCE_LASTS if reference else None)
    return make_plan(universe, period.sessions(), coverage, due)


async def run_backfill(
    pool: asyncpg.Pool,
    settings: IngestSettings,
    *,
    universe: Universe,
    period: Period,
    now: Callable[[], dt.datetime],
    kind: str = "backfill",
    reference: bool = False,
    retry_refused: bool = False,
    concurrency: int = 8,
    patience: Patience = _PATIENCE,
    stop: Stop | None = None,
    progress: ShowProgress = no_progress,
) -> RunReport:
    """Fetch what the archive lacks of a period and return what was done; what failed is in the report.

    `reference` also asks for tickers, their events and holidays, where those are old; `retry_refused` also for what
    the vendor refused for good.

    Raises: AnotherRunUnderWay; MadeUpMarket; MissingKey when there is something to fetch; InvalidKey as soon as the
    vendor refuses it; DamagedPayload; DatabaseError when the database goes away.
    """
    refusals_since = now() if retry_refused else LONG_AGO
    run = _Backfill(
        pool,
        settings,
        universe,
        period,
        now,
        kind,
        reference,
        refusals_since,
        concurrency,
        patience,
        stop or Stop(),
        progress,
    )
    async with clear_database_errors(), one_run_at_a_time(pool):
        if settings.key is not None:
            await require_one_market(pool, settings.base_url)
        report, refusal = await run.from_plan_to_ledger()
    if refusal is not None:
        raise refusal
    return report


class _Fetched(msgspec.Struct, frozen=True):
    """What came of the steps of one pass."""

    outcomes: tuple[StepOutcome, ...]
    tally: Tally
    refusal: InvalidKey | None


class _Backfill(msgspec.Struct, frozen=True):
    pool: asyncpg.Pool
    settings: IngestSettings
    universe: Universe
    period: Period
    now: Callable[[], dt.datetime]
    kind: str
    reference: bool
    refusals_since: dt.datetime
    concurrency: int
    patience: Patience
    stop: Stop
    progress: ShowProgress

    async def from_plan_to_ledger(self) -> tuple[RunReport, InvalidKey | None]:
        """Run once; both rows of the ledger are written, whatever the vendor does."""
        plan = await self._plan(self.period)
        if plan.steps and self.settings.key is None:
            raise MissingKey
        begun = planned_run(self.universe, self.period, self.settings.vendor_plan, plan)
        run_id = await start_run(self.pool, self.kind, begun, self.now())
        started = time.monotonic()
        limiter = Limiter(self.settings.rate_limit_per_minute, sleep=self.stop.sleep)
        passes = [fetched async for fetched in self._passes(plan, run_id, limiter)]
        left = await self._plan(self.period) if passes else plan
        report = RunReport(
            run_id=run_id,
            first=self.period.first,
            last=self.period.last,
            sessions=plan.sessions,
            planned=sum(len(fetched.outcomes) for fetched in passes),
            already_have=plan.already_have,
            beyond_plan=left.beyond_plan,
            unknown=left.unknown,
            left_to_ask=len(left.steps),
            requests=sum(fetched.tally.requests for fetched in passes),
            retries=sum(fetched.tally.retries for fetched in passes),
            body_bytes=sum(fetched.tally.body_bytes for fetched in passes),
            waited_s=round(limiter.waited_s, 3),
            elapsed_s=round(time.monotonic() - started, 3),
            stopped_by=self.stop.why,
            outcomes=tuple(outcome for fetched in passes for outcome in fetched.outcomes),
        )
        await finish_run(self.pool, run_id, self.kind, report, self.now())
        await seal_archive(self.pool, self.now())
        return report, passes[-1].refusal if passes else None

    async def _plan(self, period: Period) -> Plan:
        return await plan_backfill(
            self.pool,
            self.universe,
            period,
            self.now(),
            vendor_plan=self.settings.vendor_plan,
            refusals_since=self.refusals_since,
            reference=self.reference,
        )

    async def _passes(self, plan: Plan, run_id: uuid.UUID, limiter: Limiter) -> AsyncIterator[_Fetched]:
        """Fetch what is planned, and then what the answers turned out to lack, until a plan has nothing new in it."""
        if not plan.steps or self.settings.key is None:
            return
        limiter.remember(await self._ages_of_last_requests())
        asked: set[str] = set()
        steps = plan.steps
        for _ in range(_MOST_PASSES):
            if not steps or self.stop.why is not None:
                return
            asked.update(step.request.target for step in steps)
            yield await self._fetch(steps, run_id, limiter, self.settings.key)
            steps = tuple(step for step in await self._steps_after() if step.request.target not in asked)

    async def _steps_after(self) -> tuple[Step, ...]:
        """Plan again, without the newest sessions: that those have no bar is only believed tomorrow."""
        last = min(self.period.last, last_surely_absent(self.now()))
        if last < self.period.first:
            return ()
        return (await self._plan(Period(self.period.first, last))).steps

    async def _fetch(self, steps: Sequence[Step], run_id: uuid.UUID, limiter: Limiter, key: VendorKey) -> _Fetched:
        async with (
            open_archiver(self.pool, run_id) as archiver,
            open_assessment_log(self.pool) as assessments,
            open_exchange(self.settings.base_url, key, self.now, self.patience) as exchange,
        ):
            fetcher = Fetcher(exchange, archiver, assessments, limiter, self.stop, self.patience)
            with self.progress(len(steps), fetcher.tally) as step_done:
                crew = Crew(fetcher, self.stop, self.period.sessions(), step_done)
                outcomes = await crew.work(steps, self.concurrency)
        return _Fetched(tuple(outcomes), fetcher.tally, crew.refusal)

    async def _ages_of_last_requests(self) -> list[float]:
        now = self.now()
        rows = await self.pool.fetch(_FETCHED_SINCE, SOURCE, now - _A_MINUTE)
        return [(now - row["fetched_at"]).total_seconds() for row in rows]
