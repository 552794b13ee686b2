"""GET /api/v1/quality: the trend by session: how many bars came of those expected, and what the rules say of them."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated

import asyncpg
import numpy as np
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.errors import READ_ERRORS, InvalidParameter
from api.formats.answer import answer_rows
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.overview.calendar import frozen_calendar
from api.overview.memory import SessionsKey
from api.overview.reading import Reading, read_remembering
from api.overview.spans import places
from api.params import require_order
from api.warehouse import Warehouse, warehouse_of
from archive.calendar import Calendar, Days
from project.columnar import dates_sent
from project.gaps.gaps import PRESUMED
from sql import load_queries

_QUERIES = load_queries("api_overview.sql")
_VERDICTS, _SPANS, _RULES = _QUERIES["bars_by_verdict"], _QUERIES["spans_of_symbols"], _QUERIES["rules_in_order"]
_REJECTIONS, _RESTATED = _QUERIES["rejections_by_session"], _QUERIES["restatements_by_session"]
_BY_DAY = _QUERIES["restatements_by_day"]

_USUAL = 30
_MOST = 260


class QualityParams(Struct, frozen=True, kw_only=True):
    """Which sessions are asked for."""

    start: (
        Annotated[
            dt.date,
            Meta(description="First date, inclusive; without it, the last 30 sessions.", examples=["2026-10-01"]),
        ]
        | None
    ) = None
    end: Annotated[dt.date, Meta(description="Last date, inclusive; without it, today.")] | None = None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it starts."""
        require_order(self.start, self.end)


class Verdicts(Struct):
    """The bars of one session counted by verdict."""

    failed: dict[str, int]
    bars: int = 0
    validated: int = 0
    quality: float = 0.0
    known_from: dt.datetime | None = None


class QualityRow(Struct, frozen=True):
    """One session in numbers."""

    session: dt.date
    expected: Annotated[
        int,
        Meta(
            description=(
                "Symbols that began by then and had not ended: one has ended whose last bar is more than 20 sessions "
                "older than the newest bar of all."
            )
        ),
    ]
    bars: int
    validated: int
    validation_rate: Annotated[float | None, Meta(description="validated / bars; null without bars.")]
    mean_quality: Annotated[float | None, Meta(description="The mean quality score of the bars; null without bars.")]
    flagged: Annotated[dict[str, int], Meta(description="Bars that failed each rule, in the order of the ruleset.")]
    rejections: Annotated[int, Meta(description="Rows of the session that cannot be a bar.")]
    restatements: Annotated[int, Meta(description="How often the vendor restated a bar of the session.")]
    closed_at: dt.datetime
    known_from: Annotated[
        dt.datetime | None,
        Meta(description="When the first of its bars, as they stand, was fetched; null without bars."),
    ]


class RestatedDay(Struct, frozen=True):
    """What the vendor was found to have restated on a day."""

    day: Annotated[dt.date, Meta(description="In New York: when the payload came that says something else.")]
    bars: int
    symbols: int
    first_session: Annotated[dt.date, Meta(description="The oldest session that was restated.")]
    last_session: dt.date


class Quality(Struct, frozen=True):
    """The trend by session."""

    start: dt.date
    end: dt.date
    count: int
    generation: GenerationRef
    restated: Annotated[
        list[RestatedDay], Meta(description="Restatements by the day on which they came, in the range.")
    ]
    sessions: list[QualityRow]


async def quality(request: Request, params: QualityParams) -> Response:
    """Answer with the trend; a session that is over and has no bars shows as such, so that no tag stands for it."""
    warehouse = warehouse_of(request)

    async def read(reading: Reading) -> Quality:
        calendar = await frozen_calendar(reading)
        sessions = _sessions(warehouse, calendar, params)
        end = params.end or warehouse.today()
        start = params.start or (sessions[0].item() if len(sessions) else end)
        rows = await _known_rows(reading, calendar, sessions)
        restated = [RestatedDay(**dict(row)) for row in await reading.connection.fetch(_BY_DAY, start, end)]
        return Quality(start, end, len(rows), GenerationRef.of(reading.generation), restated, rows)

    found = await read_remembering(warehouse.projection, read)
    return await answer_rows(request, found, "sessions", found.sessions)


def _sessions(warehouse: Warehouse, calendar: Calendar, params: QualityParams) -> Days:
    """Return the sessions asked for of those that are over.

    Raises: InvalidParameter for more than can be counted at once.
    """
    over = calendar.last_closed(warehouse.now())
    begin, end = places(calendar, params.start or dt.date.min, min(params.end or over, over))
    if params.start is None:
        begin = max(begin, end - _USUAL)
    if end - begin > _MOST:
        raise InvalidParameter("start", str(params.start), f"leads to {end - begin:,} sessions; {_MOST} is the most")
    return calendar.sessions[begin:end]


async def _known_rows(reading: Reading, calendar: Calendar, sessions: Days) -> list[QualityRow]:
    """Return the sessions in numbers; those that were asked for last are remembered until the projection changes."""
    if len(sessions) == 0:
        return []
    qualities, key = reading.memory.qualities, SessionsKey(reading.state, *sessions[[0, -1]].tolist())
    known = reading.get(qualities, key)
    if known is not None:
        return known
    return reading.keep(qualities, key, await _rows(reading.connection, calendar, sessions), weight=len(sessions))


async def _rows(connection: asyncpg.Connection, calendar: Calendar, sessions: Days) -> list[QualityRow]:
    between = sessions[[0, -1]].tolist()
    rules = {row["bit"]: row["name"] for row in await connection.fetch(_RULES)}
    verdicts = _counted(await connection.fetch(_VERDICTS, *between), rules)
    rejections = dict(await connection.fetch(_REJECTIONS, *between))
    restated = dict(await connection.fetch(_RESTATED, *between))
    expected = _expected(await connection.fetchrow(_SPANS), calendar, sessions)
    nothing = Verdicts(failed=dict.fromkeys(rules.values(), 0))
    return [
        QualityRow(
            session=session,
            expected=due,
            bars=found.bars,
            validated=found.validated,
            validation_rate=found.validated / found.bars if found.bars else None,
            mean_quality=found.quality / found.bars if found.bars else None,
            flagged=found.failed,
            rejections=rejections.get(session, 0),
            restatements=restated.get(session, 0),
            closed_at=calendar.close_of(session),
            known_from=found.known_from,
        )
        for session, due in zip(sessions.tolist(), expected, strict=True)
        for found in (verdicts.get(session, nothing),)
    ]


def _counted(rows: Iterable[asyncpg.Record], rules: Mapping[int, str]) -> Mapping[dt.date, Verdicts]:
    found: dict[dt.date, Verdicts] = defaultdict(lambda: Verdicts(failed=dict.fromkeys(rules.values(), 0)))
    for row in rows:
        session = found[row["session"]]
        session.bars += row["bars"]
        session.validated += row["bars"] * row["validated"]
        session.quality += row["quality"]
        session.known_from = min(session.known_from or row["known_from"], row["known_from"])
        for bit, name in rules.items():
            session.failed[name] += row["bars"] * (row["failed_rules"] >> bit & 1)
    return dict(found)


def _expected(spans: asyncpg.Record, calendar: Calendar, sessions: Days) -> list[int]:
    """Return how many symbols should trade in each session, by the spans of their bars."""
    if spans["first_sessions"] is None:
        return [0] * len(sessions)
    first, last = (np.sort(dates_sent(spans[name])) for name in ("first_sessions", "last_sessions"))
    newest = int(np.searchsorted(calendar.sessions, last[-1]))
    ended = last[last < calendar.sessions[max(newest - PRESUMED, 0)]]
    begun = np.searchsorted(first, sessions, side="right")
    counted: list[int] = (begun - np.searchsorted(ended, sessions)).tolist()
    return counted


OPERATION = Operation(
    path="/api/v1/quality",
    summary="The trend of quality by session",
    description=(
        "For each session that is over: how many symbols should have a bar, how many have one, how many bars are "
        "validated, how many failed each rule, what was rejected and what the vendor restated since; and by the day on "
        "which they came, what restatements there were."
    ),
    params=QualityParams,
    answer=Quality,
    example=Quality(
        start=dt.date(2026, 11, 20),
        end=dt.date(2026, 11, 21),
        count=1,
        generation=EXAMPLE_GENERATION,
        restated=[RestatedDay(dt.date(2026, 11, 21), 212, 57, dt.date(2026, 10, 9), dt.date(2026, 11, 19))],
        sessions=[
            QualityRow(
                session=dt.date(2026, 11, 20),
                expected=11_204,
                bars=11_187,
                validated=11_031,
                validation_rate=0.986,
                mean_quality=0.9951,
                flagged={"large_gap": 104, "volume_anomaly": 60, "corporate_action": 37},
                rejections=2,
                restatements=0,
                closed_at=dt.datetime(2026, 11, 20, 21, 0, tzinfo=dt.UTC),
                known_from=dt.datetime(2026, 11, 21, 7, 0, 9, tzinfo=dt.UTC),
            )
        ],
    ),
    handle=quality,
    errors=(InvalidParameter("start", "2014-06-01", f"leads to 3,138 sessions; {_MOST} is the most"), *READ_ERRORS),
    rows="sessions",
)
