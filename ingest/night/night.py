"""A night: fetch what the archive lacks, then have it projected, whatever could not be fetched.

What is missing comes from the archive, so a night after a week without one makes up for all of it, and a night with
nothing missing asks for nothing. It knows no clock and no projector, only that there is one to call.
"""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec

from archive.payload import Endpoint
from ingest.backfill import run_backfill
from ingest.errors import IngestError, InvalidKey, MissingKey, ProjectFailed, RunFailed, RunStopped
from ingest.night.project_command import Facts
from ingest.night.stop import NightStop
from ingest.patience import Patience
from ingest.period import asked_period
from ingest.progress import ShowProgress, no_progress
from ingest.report import Ending, RunReport
from ingest.settings import IngestSettings
from ingest.stop import StopRequested
from ingest.universe import Universe

Project = Callable[[NightStop], Awaitable[Facts | None]]
_PATIENCE = Patience()
_UNANSWERED = (Ending.FAILED, Ending.NOT_TRIED)
_BARS = (Endpoint.RANGE, Endpoint.GROUPED)


class Night(msgspec.Struct, frozen=True):
    """What came of a night: the report of what was fetched, None where there is no key or the vendor refused it; what
    the projector said, None where it said nothing or was not called; and everything that went wrong."""

    report: RunReport | None = None
    projected: Facts | None = None
    errors: tuple[IngestError, ...] = ()

    def require_success(self) -> None:
        """Raise what went wrong, as one error.

        Raises: RunFailed, InvalidKey, MissingKey, ProjectFailed, RunStopped; IngestError for several at once.
        """
        if len(self.errors) > 1:
            raise IngestError("; ".join(map(str, self.errors)))
        if self.errors:
            raise self.errors[0]

    def may_get_better(self) -> bool:
        """Tell whether another try in the same night may bring more: not if only a person can mend what is wrong."""
        kinds = {type(error) for error in self.errors}
        if kinds & {InvalidKey, MissingKey}:
            return False
        return ProjectFailed in kinds or (self.report is not None and _is_unfinished(self.report))


async def run_night(
    pool: asyncpg.Pool,
    settings: IngestSettings,
    *,
    universe: Universe,
    now: Callable[[], dt.datetime],
    stop: NightStop,
    project: Project | None,
    on_fetched: Callable[[RunReport], None] = lambda report: None,
    patience: Patience = _PATIENCE,
    progress: ShowProgress = no_progress,
) -> Night:
    """Fetch and project; return what came of it, with what went wrong.

    `project` is called when fetching failed too, so that what came is seen, and when there was nothing to fetch; None
    leaves it out. A `stop` lets what is on the wire be archived, and nothing more begin.

    Raises: AnotherRunUnderWay; DamagedPayload; DatabaseError when the database goes away.
    """
    report: RunReport | None = None
    errors: tuple[IngestError, ...] = ()
    try:
        report = await run_backfill(
            pool,
            settings,
            universe=universe,
            period=asked_period(None, None, now()),
            now=now,
            kind="nightly",
            reference=True,
            patience=patience,
            stop=stop.of_fetching(),
            progress=progress,
        )
        on_fetched(report)
        errors = (RunFailed(report.failures()),) if report.failures() else ()
    except (InvalidKey, MissingKey) as exc:
        errors = (exc,)
    try:
        stop.check()
        projected = await project(stop) if project else None
    except StopRequested as exc:
        return Night(report, None, (RunStopped(str(exc)),))
    except ProjectFailed as exc:
        return Night(report, None, (*errors, exc))
    return Night(report, projected, errors)


def _is_unfinished(report: RunReport) -> bool:
    """Tell whether something was asked for and not got, or the vendor has not put its newest session out yet."""
    if not report.left_to_ask:
        return False
    if any(outcome.ending in _UNANSWERED for outcome in report.outcomes):
        return True
    newest = [outcome.last_session for outcome in report.outcomes if outcome.endpoint in _BARS]
    return bool(newest) and all(session is None or session < report.last for session in newest)
