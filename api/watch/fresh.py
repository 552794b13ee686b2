"""GET /fresh: whether the data is as new as it should be by now, and what keeps it so is at work."""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import RefusedRequest
from api.operation import Operation
from api.params import NoParams
from api.warehouse import Warehouse, warehouse_of
from api.watch.check import Check, passed
from api.watch.due import SETTLES
from api.watch.facts import FETCHING_KINDS, ArchiveFacts, Due, Facts, LastRun, ProjectionFacts, Watch
from api.watch.settings import WatchSettings

_STALE = 503
_NIGHTLY = "nightly"
_MEND_NIGHTLY = "run: ingest nightly; `ingest serve` or cron should have; `ingest runs` shows how each ended"


class Freshness(Struct, frozen=True):
    """Whether the data is stale, and why."""

    status: Annotated[Literal["fresh", "stale"], Meta(description="stale where a check failed.")]
    now: Annotated[dt.datetime, Meta(description="The clock of the server.")]
    due_session: Annotated[
        dt.date | None, Meta(description="The newest session whose bars must be here by now; null where unknown.")
    ]
    newest_session: Annotated[dt.date | None, Meta(description="The newest session of any bar.")]
    checks: list[Check]


async def fresh(request: Request, params: NoParams) -> Response:
    """Answer whether the data is as new as it should be."""
    warehouse, watch = warehouse_of(request), watch_of(request)
    freshness = await read_freshness(warehouse, watch)
    return json_answer(freshness, status=200 if freshness.status == "fresh" else _STALE)


def watch_of(request: Request) -> Watch:
    """Return the watch that the application set up when it started."""
    watch: Watch = request.state.watch
    return watch


async def read_freshness(warehouse: Warehouse, watch: Watch) -> Freshness:
    """Read the facts and judge them by the clock of the warehouse."""
    return judge(await watch.read(warehouse), watch.settings, warehouse.now())


def judge(facts: Facts | RefusedRequest, settings: WatchSettings, now: dt.datetime) -> Freshness:
    """Judge facts that were read at `now`."""
    if isinstance(facts, RefusedRequest):
        return Freshness("stale", now, None, None, [_unreadable("database", facts)])
    projection = facts.projection
    lag = _check_projector(facts, settings, now)
    if isinstance(projection, RefusedRequest):
        return Freshness("stale", now, None, None, [_unreadable("projection", projection), lag])
    if projection.due is None:
        return Freshness("stale", now, None, projection.newest, [_without_calendar(), lag])
    sessions = _check_sessions(projection.due, projection.newest, settings)
    nightly = _check_nightly(facts.archive, projection.due, sessions.status == "ok")
    checks = [sessions, lag, nightly, _check_calendar(projection, now)]
    return Freshness("fresh" if passed(checks) else "stale", now, projection.due.session, projection.newest, checks)


def _unreadable(name: str, why: RefusedRequest) -> Check:
    return Check(name, "failed", why.code, None, str(why), "see /ready")


def _without_calendar() -> Check:
    return Check("calendar", "failed", None, None, "the projection has no calendar", "run: project --rebuild")


def _check_sessions(due: Due, newest: dt.date | None, settings: WatchSettings) -> Check:
    share = round(due.share, 4)
    of = f"of the {due.traded_before:,} symbols with bars since the session before, {due.there:,}"
    if due.share >= settings.min_share and due.there:
        return Check("sessions", "ok", share, settings.min_share, f"{of} have {due.session}")
    if newest is None:
        found = "there is no bar at all"
    elif due.behind:
        plural = "s" * (due.behind > 1)
        found = f"{due.session} is due and the newest bar is of {newest}, {due.behind:,} session{plural} behind"
    else:
        found = f"{of} have {due.session}, which is due"
    return Check("sessions", "failed", share, settings.min_share, found, "run: ingest nightly")


def _check_projector(facts: Facts, settings: WatchSettings, now: dt.datetime) -> Check:
    archive, bound = facts.archive, settings.max_lag.total_seconds() / 60
    lag = archive.head - facts.checkpoint
    if not lag:
        return Check("projector", "ok", 0, bound, "every payload is projected")
    waiting = f"{lag:,} payload{' waits' if lag == 1 else 's wait'} to be projected"
    if archive.is_fetching:
        return Check("projector", "ok", None, bound, f"{waiting}, as long as a run fetches")
    minutes = round((now - _waits_since(archive, now)).total_seconds() / 60, 1)
    if minutes <= bound:
        return Check("projector", "ok", minutes, bound, f"{waiting}, for {minutes:g} minutes by now")
    return Check(
        "projector",
        "failed",
        minutes,
        bound,
        f"{waiting}, for {minutes:g} minutes by now; {bound:g} are allowed",
        "run: project; if it stops, its error says at which payload",
    )


def _waits_since(archive: ArchiveFacts, now: dt.datetime) -> dt.datetime:
    """Return since when payloads could have been projected: nobody projects before the run that fetched them ended."""
    ends = (archive.runs[kind].ended_at for kind in FETCHING_KINDS if kind in archive.runs)
    return max([archive.oldest_waiting or now, *(end for end in ends if end is not None)])


def _check_nightly(archive: ArchiveFacts, due: Due, is_there: bool) -> Check:
    settled = due.closed_at + SETTLES
    run = archive.runs.get(_NIGHTLY)
    if run is None or (run.ended_at is None and archive.is_fetching):
        return _without_nightly(run, settled, is_there)
    if not run.has_finished and not archive.is_fetching:
        return _bad_night(run.started_at, settled, f"the nightly of {_minute(run.started_at)} was killed")
    assert run.ended_started_at is not None
    started = run.ended_started_at
    if not run.succeeded:
        return _bad_night(started, settled, f"the nightly of {_minute(started)} failed")
    if started < settled:
        why = f"the last nightly was that of {_minute(started)}, and {due.session} settled at {_minute(settled)}"
        return _bad_night(started, settled, why)
    return Check(_NIGHTLY, "ok", _minute(started), _minute(settled), f"the nightly of {_minute(started)} went well")


def _without_nightly(run: LastRun | None, settled: dt.datetime, is_there: bool) -> Check:
    found = "no nightly ever ran" if run is None else "the first nightly is under way"
    if is_there:
        return Check(_NIGHTLY, "warn", None, _minute(settled), f"{found}; the bars came otherwise", _MEND_NIGHTLY)
    return Check(_NIGHTLY, "failed", None, _minute(settled), found, _MEND_NIGHTLY)


def _bad_night(started: dt.datetime, settled: dt.datetime, why: str) -> Check:
    return Check(_NIGHTLY, "failed", _minute(started), _minute(settled), why, _MEND_NIGHTLY)


def _check_calendar(projection: ProjectionFacts, now: dt.datetime) -> Check:
    ends, today = projection.calendar_ends, now.date()
    assert ends is not None
    value, bound = ends.isoformat(), today.isoformat()
    if ends >= today:
        return Check("calendar", "ok", value, bound, f"the calendar goes on until {ends}")
    return Check(
        "calendar",
        "warn",
        value,
        bound,
        f"the calendar ends with {ends}: no later session is expected",
        "update this software and run: project --rebuild",
    )


def _minute(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")


_DUE = dt.date(2026, 11, 20)
_NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
_EXAMPLE = Freshness(
    "fresh",
    _NOW,
    _DUE,
    _DUE,
    [
        Check(
            "sessions", "ok", 0.9981, 0.9, "of the 11,034 symbols with bars since the session before, 11,013 have it"
        ),
        Check("projector", "ok", 0, 15.0, "every payload is projected"),
        Check("nightly", "ok", "2026-11-21T07:00Z", "2026-11-21T01:30Z", "the nightly of 2026-11-21T07:00Z went well"),
        Check("calendar", "ok", "2049-12-31", "2026-11-22", "the calendar goes on until 2049-12-31"),
    ],
)
_STALE_EXAMPLE = Freshness(
    "stale",
    _NOW,
    _DUE,
    dt.date(2026, 11, 19),
    [
        Check(
            "sessions",
            "failed",
            0.0,
            0.9,
            "2026-11-20 is due and the newest bar is of 2026-11-19, 1 session behind",
            "run: ingest nightly",
        )
    ],
)

OPERATION = Operation(
    path="/fresh",
    summary="Is the data stale",
    description=(
        "200 where the newest session that is due is there for most symbols, payloads do not wait to be projected, and "
        "the last nightly went well since that session settled; else 503 with the same answer. A session is due at "
        "FRESH_BY (10:00 New York) after it settled; weekends and holidays make nothing due."
    ),
    params=NoParams,
    answer=Freshness,
    example=_EXAMPLE,
    handle=fresh,
    also={_STALE: _STALE_EXAMPLE},
    tags=("Operations",),
)
