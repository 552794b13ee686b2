"""GET /api/v1/changes: what has come since an instant, by default since the newest run that fetched began."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, InvalidParameter
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.changed import (
    Changed,
    FlaggedBar,
    FlaggedBars,
    Missing,
    NewBars,
    RejectedRows,
    RestatedBar,
    RestatedBars,
    SessionBars,
    StatedDividend,
    StatedDividends,
    StatedSplits,
    read_changed,
)
from api.overview.reading import Reading, read_remembering
from api.params import Instant
from api.warehouse import warehouse_of
from sql import load_queries

_QUERIES = load_queries("api_changes.sql")
_RUN, _FETCHED_AT, _BEFORE = _QUERIES["newest_fetching_run"], _QUERIES["newest_fetched_at"], _QUERIES["archived_before"]

_FETCHING_KINDS = ("nightly", "backfill", "flat_files")
_DAY = dt.timedelta(days=1)


class ChangesParams(Struct, frozen=True, kw_only=True):
    """Since when."""

    since: (
        Annotated[
            Instant,
            Meta(
                description=(
                    "What was fetched at this instant or later; without it, since the newest run that fetched began, "
                    "or, where the ledger has none, in the day before the newest payload."
                )
            ),
        ]
        | None
    ) = None


class FetchingRun(Struct, frozen=True):
    """A run that fetched."""

    run_id: UUID
    kind: str
    started_at: dt.datetime
    finished_at: dt.datetime | None


class Changes(Struct, frozen=True):
    """What has come since an instant."""

    now: Annotated[dt.datetime, Meta(description="The clock of the server.")]
    since: dt.datetime
    run: Annotated[
        FetchingRun | None, Meta(description="The run that since is the start of; null where since was given, or none.")
    ]
    after: Annotated[int, Meta(description="The newest payload before since; 0 where there is none.")]
    payloads: Annotated[int, Meta(description="Payloads since then that are projected.")]
    generation: GenerationRef
    changed: Changed


async def changes(request: Request, params: ChangesParams) -> Response:
    """Answer with what has come; with time another run begins, so that no tag stands for it."""
    warehouse = warehouse_of(request)
    now = warehouse.now()

    async def read(reading: Reading) -> Changes:
        run = None if params.since is not None else await _newest_run(reading, now)
        since = params.since or (run.started_at if run else await _day_before(reading, now))
        after = await reading.connection.fetchval(_BEFORE, since) or 0
        return Changes(
            now=now,
            since=since,
            run=run,
            after=after,
            payloads=max(reading.generation.checkpoint - after, 0),
            generation=GenerationRef.of(reading.generation),
            changed=await read_changed(reading, since, after),
        )

    return json_answer(await read_remembering(warehouse.projection, read))


async def _newest_run(reading: Reading, now: dt.datetime) -> FetchingRun | None:
    row = await reading.connection.fetchrow(_RUN, list(_FETCHING_KINDS), now)
    return None if row is None else FetchingRun(**dict(row))


async def _day_before(reading: Reading, now: dt.datetime) -> dt.datetime:
    """Return the instant a day before the newest payload that is projected."""
    newest: dt.datetime | None = await reading.connection.fetchval(_FETCHED_AT, reading.generation.checkpoint)
    return (newest or now) - _DAY


_NEWEST, _BEFORE_IT = dt.date(2026, 11, 20), dt.date(2026, 11, 19)
_STARTED = dt.datetime(2026, 11, 21, 7, 0, tzinfo=dt.UTC)

OPERATION = Operation(
    path="/api/v1/changes",
    summary="What has come since the last run",
    description=(
        "Counts, and the first rows, of what was fetched since an instant and is projected: new bars by session, bars "
        "restated, rows rejected, splits and dividends stated; and of the newest session the bars that failed a rule "
        "and the symbols whose bar did not arrive."
    ),
    params=ChangesParams,
    answer=Changes,
    example=Changes(
        now=_STARTED + dt.timedelta(hours=5),
        since=_STARTED,
        run=FetchingRun(
            UUID("0b7c7c52-5a0c-4a5b-8c41-21f6c2a3c7aa"), "nightly", _STARTED, _STARTED + dt.timedelta(seconds=71)
        ),
        after=1018,
        payloads=6,
        generation=EXAMPLE_GENERATION,
        changed=Changed(
            new_bars=NewBars(11_187, None, 1, [SessionBars(_NEWEST, 11_187)]),
            restated=RestatedBars(
                212,
                3,
                dt.date(2026, 10, 9),
                _BEFORE_IT,
                [RestatedBar("AAPL", _BEFORE_IT, _STARTED + dt.timedelta(seconds=9), 268.3, 268.31, ["close"])],
            ),
            rejections=RejectedRows(0, {}, []),
            splits=StatedSplits(0, []),
            dividends=StatedDividends(1, [StatedDividend("KO", dt.date(2026, 11, 30), 0.51, "USD")]),
            flagged=FlaggedBars(
                _NEWEST,
                11_187,
                201,
                156,
                {"large_gap": 104, "volume_anomaly": 60, "corporate_action": 37},
                [FlaggedBar("GRPN", ["large_gap", "volume_anomaly"], 0.7, False)],
            ),
            not_arrived=Missing(_NEWEST, _BEFORE_IT, 17, ["ABIO"]),
        ),
    ),
    handle=changes,
    errors=(
        InvalidParameter("since", "yesterday", "must be an instant with its offset, written YYYY-MM-DDTHH:MM:SSZ"),
        *READ_ERRORS,
    ),
)
