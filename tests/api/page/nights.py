"""Nights as their commands leave them: the payloads of each under its run, what the run ledger says of it, and of the
backups and drills beside them. It knows no market, and draws no run's id by chance, so that pages made of it are alike.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from archive.append import append_responses
from archive.chain import seal_archive
from archive.payload import Endpoint, Response
from ingest.report import Ending, PlannedRun, RunReport, StepOutcome
from ops.backup.drill import Drilled, Failed
from ops.backup.drill import Plan as DrillPlan
from ops.backup.make import Made
from ops.backup.scratch import Place
from ops.watch.scrub import Plan as ScrubPlan
from ops.watch.scrub import Scrubbed
from project.generation import Generation
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql import load_queries

LAST = dt.date(2018, 3, 27)
NOW = dt.datetime(2018, 3, 28, 12, 0, tzinfo=dt.UTC)
"""The morning after the newest session that there is."""

BACKFILLED_AT = dt.datetime(2018, 3, 24, 6, 0, tzinfo=dt.UTC)
NIGHT_BEFORE = dt.datetime(2018, 3, 27, 6, 0, tzinfo=dt.UTC)
LAST_NIGHT = dt.datetime(2018, 3, 28, 6, 0, tzinfo=dt.UTC)

_RECORD = load_queries("archive.sql")["record_run"]
_FOLDER = "/srv/backups/warehouse"
_NEW_YORK = ZoneInfo("America/New_York")
_RUNS = uuid.UUID("5f1c7c1e-0000-4000-8000-000000000000")


class Night(msgspec.Struct, frozen=True):
    """A run and the answers that it got. `failed` are symbols that it did not get, and why; one that was `killed` has
    no end in the ledger; `took` is from its start to its end."""

    kind: str
    at: dt.datetime
    responses: tuple[Response, ...]
    failed: dict[str, str] = {}
    killed: bool = False
    took: dt.timedelta = dt.timedelta(seconds=74)


class _Row(msgspec.Struct, frozen=True):
    t: int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    results: list[_Row] | None = None


def nights_by_instant(kind: str, responses: Iterable[Response]) -> list[Night]:
    """Return a night for each instant at which something was fetched."""
    fetched: dict[dt.datetime, list[Response]] = defaultdict(list)
    for response in responses:
        fetched[response.fetched_at].append(response)
    return [Night(kind, at, tuple(fetched[at])) for at in sorted(fetched)]


async def live_through(nights: Sequence[Night], ingest: asyncpg.Pool, project: asyncpg.Pool) -> None:
    """Archive nights in a fresh warehouse, project them, and note the backups, drills and scrubs of the last days."""
    for night in nights:
        await _archive(ingest, night)
    replayed = await catch_up_or_build(
        project, read_ruleset(DEFAULT_RULES), lambda: LAST_NIGHT + dt.timedelta(minutes=2)
    )
    payloads = sum(len(night.responses) for night in nights)
    body_bytes = sum(len(response.body) for night in nights for response in night.responses)
    await _note_safeguards(ingest, replayed.generation, payloads, body_bytes)


async def _archive(pool: asyncpg.Pool, night: Night) -> None:
    run_id = _run_id(night.kind, night.at)
    outcomes = [*map(_outcome, night.responses), *_not_got(night)]
    dates = [date for each in night.responses for date in (each.request.from_date, each.request.to_date) if date]
    first, last = min(dates, default=LAST), max(dates, default=LAST)
    sessions = (last - first).days * 5 // 7 + 1
    targets = tuple(response.request.target for response in night.responses)
    plan = PlannedRun("all", first, last, "", sessions, {}, targets)
    await _record(pool, run_id, "started", night.at - night.took, night.kind, plan)
    await append_responses(pool, run_id, list(night.responses))
    if night.killed:
        return
    report = RunReport(
        run_id=run_id,
        first=first,
        last=last,
        sessions=sessions,
        planned=len(outcomes),
        already_have={},
        beyond_plan={},
        unknown=(),
        left_to_ask=len(night.failed),
        requests=len(outcomes) + 2 * len(night.failed),
        retries=2 * len(night.failed),
        body_bytes=sum(len(response.body) for response in night.responses),
        waited_s=0.0,
        elapsed_s=night.took.total_seconds(),
        stopped_by=None,
        outcomes=tuple(outcomes),
    )
    await _record(pool, run_id, "finished", night.at, night.kind, report)
    await seal_archive(pool, night.at)


def _outcome(response: Response) -> StepOutcome:
    request = response.request
    rows = msgspec.json.decode(response.body, type=_Envelope).results or []
    instants = [row.t for row in rows if row.t is not None]
    days = [dt.datetime.fromtimestamp(t / 1000, _NEW_YORK).date() for t in {*instants[:1], *instants[-1:]}]
    return StepOutcome(
        subject=request.ticker or str(request.from_date or "all"),
        endpoint=request.endpoint,
        ending=Ending.ANSWERED if rows else Ending.EMPTY,
        pages=1,
        row_count=len(rows),
        first_session=min(days, default=None),
        last_session=max(days, default=None),
    )


def _not_got(night: Night) -> list[StepOutcome]:
    return [StepOutcome(symbol, Endpoint.RANGE, Ending.FAILED, why=why) for symbol, why in night.failed.items()]


async def _note_safeguards(pool: asyncpg.Pool, live: Generation, payloads: int, body_bytes: int) -> None:
    """Note what the timers of ops/ start: four backups, two drills, one of each in vain, five scrubs."""
    plan = {"folder": _FOLDER, "projection": True, "keep": 7, "keep_projections": 2, "encrypted_to": None}
    for day in (4, 11, 18, 25):
        at = dt.datetime(2018, 3, day, 3, 0, tzinfo=dt.UTC)
        full = {"passed": False, "folder": _FOLDER, "error": f"{_FOLDER}: No space left on device"}
        await _note(pool, "backup", at, 41, plan, full if day == 11 else _made(at, live, payloads, body_bytes))
    for month in (2, 3):
        at = dt.datetime(2018, month, 4, 6, 0, tzinfo=dt.UTC)
        name = f"{at:%Y-%m-%d}T030000Z"
        damaged = Failed(False, name, "segment 000003 cannot be read: it ends in the middle of a payload")
        drilled = _drilled(name, live, payloads) if month == 3 else damaged
        await _note(pool, "drill", at, 11, DrillPlan(_FOLDER, None), drilled)
    for day in range(24, 29):
        at = dt.datetime(2018, 3, day, 4, 30, tzinfo=dt.UTC)
        bodies = payloads // 20
        await _note(pool, "scrub", at, 3, ScrubPlan(5.0, day), Scrubbed(True, None, 5.0, day, payloads, bodies))


def _drilled(name: str, live: Generation, payloads: int) -> Drilled:
    return Drilled(
        passed=True,
        backup=name,
        compared_with="live",
        checkpoint=live.checkpoint,
        content_hash=live.content_hash,
        dump="loaded",
        payloads=payloads,
        chain_hash="ab" * 32,
        api_keys=0,
        bars=150_000,
        seconds={"check": 0.4, "live": 0.8, "archive": 2.1, "verify": 1.1, "rebuild": 3.9, "dump": 1.2},
        scratch=Place.SERVER,
    )


def _made(at: dt.datetime, live: Generation, payloads: int, body_bytes: int) -> Made:
    return Made(
        passed=True,
        name=f"{at:%Y-%m-%dT%H%M%SZ}",
        folder=_FOLDER,
        head=payloads,
        payloads=payloads,
        new_payloads=min(payloads, 37),
        new_bytes=body_bytes // 100,
        archive_bytes=body_bytes // 4,
        projection_bytes=body_bytes // 8,
        bars=150_000,
        checkpoint=live.checkpoint,
        content_hash=live.content_hash,
        encrypted_to=None,
        healed=(),
        kept=4,
        removed=(),
        projections_removed=(),
        damaged=(),
        free_bytes=412_000_000_000,
        elapsed_s=41.0,
        folder_was_emptied=None,
    )


async def _note(pool: asyncpg.Pool, kind: str, at: dt.datetime, seconds: int, plan: object, result: object) -> None:
    run_id = _run_id(kind, at)
    await _record(pool, run_id, "started", at, kind, plan)
    await _record(pool, run_id, "finished", at + dt.timedelta(seconds=seconds), kind, result)


async def _record(
    pool: asyncpg.Pool, run_id: uuid.UUID, phase: str, at: dt.datetime, kind: str, detail: object
) -> None:
    await pool.execute(_RECORD, run_id, phase, at, kind, msgspec.json.encode(detail).decode())


def _run_id(kind: str, at: dt.datetime) -> uuid.UUID:
    return uuid.uuid5(_RUNS, f"{kind} {at}")
