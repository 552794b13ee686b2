"""A run over flat files: those of sessions that the archive lacks, from a folder or a bucket; the run ledger; a seal.

Like a backfill it is one run at a time, plans from what the archive has, loses nothing when it is killed, and is safe
to run again. The newest session comes first, so that a key whose plan does not reach far back gets what it may have.
"""

import datetime as dt
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import msgspec

from archive.append import open_archiver
from archive.chain import seal_archive
from archive.runs import finish_run, start_run
from ingest.assess import ASSESSOR
from ingest.assessments import catch_up_assessments, open_assessment_log
from ingest.crew import Crew
from ingest.endpoints import SOURCE
from ingest.errors import FetchError
from ingest.fetch import Fetcher, Tally
from ingest.flat.assess import assess_flat_file
from ingest.flat.bucket import open_bucket
from ingest.flat.folder import FlatFolder
from ingest.flat.settings import FlatFilesSettings
from ingest.flat.source import FLAT_SOURCE, Bucket, Folder
from ingest.limiter import Limiter
from ingest.one_run import clear_database_errors, one_run_at_a_time
from ingest.patience import Patience
from ingest.period import Period, last_settled
from ingest.plan import MARKET, Plan, Step
from ingest.progress import ShowProgress, no_progress
from ingest.report import Ending, RunReport, StepOutcome
from ingest.sender import Sender
from ingest.stop import Stop
from sql import load_queries

KIND = "flat_files"
_LOG = logging.getLogger("ingest")
_ANSWERS = load_queries("flat_files.sql")["whole_market_answers"]
_PATIENCE = Patience()
_AT_ONCE = 8


class SourceRefused(FetchError):
    """The server of flat files refuses how it is asked: its answer would be the same for every other file."""

    def __init__(self, refusal: FetchError, source: Bucket | Folder) -> None:
        super().__init__(refusal.request, refusal.why)
        self.args = (
            f"{source} refuses the file of {refusal.request.from_date} ({refusal.why}); are FLAT_FILES_KEY_ID, "
            "FLAT_FILES_SECRET and FLAT_FILES_REGION right, and does their plan reach back so far (--from)? nothing "
            "more was asked",
        )


class PlannedFlatFiles(msgspec.Struct, frozen=True):
    """The ledger's row for the start of a run."""

    source: str
    first: dt.date
    last: dt.date
    sessions: int
    already_have: dict[str, int]
    requests: tuple[str, ...]


async def plan_flat_files(pool: asyncpg.Pool, source: Bucket | Folder, period: Period) -> Plan:
    """Return the files to fetch: of sessions that no flat file and no grouped answer with rows covers, newest first.

    Raises: DamagedPayload.
    """
    held = await _sessions_held(pool, period)
    sessions = period.sessions()
    missing = [session for session in reversed(sessions) if session not in held]
    reason = f"{len(missing):,} of {len(sessions):,} sessions missing"
    return Plan(
        steps=tuple(Step(source.request(session), reason) for session in missing),
        sessions=len(sessions),
        already_have={MARKET: len(sessions) - len(missing)},
        beyond_plan={},
    )


async def run_flat_files(
    pool: asyncpg.Pool,
    settings: FlatFilesSettings,
    *,
    period: Period,
    now: Callable[[], dt.datetime],
    patience: Patience = _PATIENCE,
    stop: Stop | None = None,
    progress: ShowProgress = no_progress,
) -> RunReport:
    """Fetch the files of the sessions that the archive lacks and return what was done; what failed is in the report.

    Raises: AnotherRunUnderWay; InvalidSetting and MissingLibrary when there is something to fetch from a bucket and
    no key or no botocore; SourceRefused as soon as the server refuses the key; DamagedPayload; DatabaseError.
    """
    run = _Run(pool, settings, period, now, patience, stop or Stop(), progress)
    async with clear_database_errors(), one_run_at_a_time(pool):
        report, refusal = await run.from_plan_to_ledger()
    if refusal is not None:
        raise SourceRefused(refusal, settings.source)
    return report


async def _sessions_held(pool: asyncpg.Pool, period: Period) -> set[dt.date]:
    """Return the sessions of a period of which the archive has the whole market, as it was once they had settled."""
    caught_up = await catch_up_assessments(pool)
    if caught_up:
        _LOG.info("ingest.assessments_caught_up", extra={"payloads": caught_up})
    rows = await pool.fetch(_ANSWERS, [SOURCE, FLAT_SOURCE], ASSESSOR, period.first, period.last)
    return {row["session"] for row in rows if row["session"] <= last_settled(row["fetched_at"])}


class _Fetched(msgspec.Struct, frozen=True):
    """What came of a plan's steps."""

    outcomes: tuple[StepOutcome, ...]
    tally: Tally
    refusal: FetchError | None


class _Run(msgspec.Struct, frozen=True):
    pool: asyncpg.Pool
    settings: FlatFilesSettings
    period: Period
    now: Callable[[], dt.datetime]
    patience: Patience
    stop: Stop
    progress: ShowProgress

    async def from_plan_to_ledger(self) -> tuple[RunReport, FetchError | None]:
        """Run once; both rows of the ledger are written, whatever the server does."""
        plan = await plan_flat_files(self.pool, self.settings.source, self.period)
        limiter = Limiter(0, sleep=self.stop.sleep)
        async with AsyncExitStack() as stack:
            sender = await stack.enter_async_context(self._open_sender()) if plan.steps else None
            run_id = await start_run(self.pool, KIND, self._planned(plan), self.now())
            started = time.monotonic()
            fetched = await self._fetch(plan.steps, sender, run_id, limiter) if sender else _Fetched((), Tally(), None)
        left = await plan_flat_files(self.pool, self.settings.source, self.period) if plan.steps else plan
        report = RunReport(
            run_id=run_id,
            first=self.period.first,
            last=self.period.last,
            sessions=plan.sessions,
            planned=len(plan.steps),
            already_have=plan.already_have,
            beyond_plan={},
            unknown=(),
            left_to_ask=len(left.steps),
            requests=fetched.tally.requests,
            retries=fetched.tally.retries,
            body_bytes=fetched.tally.body_bytes,
            waited_s=round(limiter.waited_s, 3),
            elapsed_s=round(time.monotonic() - started, 3),
            stopped_by=self.stop.why,
            outcomes=fetched.outcomes,
        )
        await finish_run(self.pool, run_id, KIND, report, self.now())
        await seal_archive(self.pool, self.now())
        return report, fetched.refusal

    def _planned(self, plan: Plan) -> PlannedFlatFiles:
        targets = tuple(step.request.target for step in plan.steps)
        source, period = str(self.settings.source), self.period
        return PlannedFlatFiles(source, period.first, period.last, plan.sessions, plan.already_have, targets)

    @asynccontextmanager
    async def _open_sender(self) -> AsyncIterator[Sender]:
        source = self.settings.source
        if isinstance(source, Folder):
            yield FlatFolder(source, self.now)
        else:
            async with open_bucket(source, self.settings.required_keys(), self.now, self.patience) as bucket:
                yield bucket

    async def _fetch(self, steps: Sequence[Step], sender: Sender, run_id: uuid.UUID, limiter: Limiter) -> _Fetched:
        async with (
            open_archiver(self.pool, run_id) as archiver,
            open_assessment_log(self.pool) as assessments,
        ):
            fetcher = Fetcher(sender, archiver, assessments, limiter, self.stop, self._patience(), assess_flat_file)
            with self.progress(len(steps), fetcher.tally) as step_done:
                crew = Crew(fetcher, self.stop, self.period.sessions(), step_done)
                outcomes = await crew.work(steps, _AT_ONCE)
        for outcome in outcomes:
            if outcome.ending is Ending.ANSWERED and outcome.first_session is None:
                facts = {"subject": outcome.subject, "row_count": outcome.row_count}
                _LOG.warning("ingest.file_of_another_session", extra=facts)
        return _Fetched(tuple(outcomes), fetcher.tally, crew.refusal)

    def _patience(self) -> Patience:
        """Return how often a file is asked for: one on a disk is the same each time."""
        once = isinstance(self.settings.source, Folder)
        return msgspec.structs.replace(self.patience, attempts=1) if once else self.patience
