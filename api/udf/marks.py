"""GET /udf/marks and /udf/timescale_marks: splits, dividends, flagged and restated bars, on the bars of a chart.

The library wants a mark at the time of a bar and at most ten a bar, so what falls on one bar of a longer resolution is
one mark of its kind, whose text names each, up to a bound.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Annotated, Literal

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct, field
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, InvalidParameter, MissingParameter, UnknownSymbol
from api.etag import etag, is_held, not_modified, tagged
from api.generation import Generation
from api.operation import Operation
from api.params import Symbol
from api.udf.dialect import UDF
from api.udf.times import TIMEFRAMES, Resolution, Seconds, Times, first_of_windows, times_of
from api.warehouse import warehouse_of
from project.columnar import dates_sent
from project.timeframe import Dates
from sql import load_queries

_QUERIES = load_queries("api_udf.sql")
_LAST_SESSION_OF = _QUERIES["last_session_of"]
_VERDICTS_OF = _QUERIES["verdicts_of"]
_RULES = _QUERIES["chart_rules"]
_EVENTS = _QUERIES["chart_events"]
_RESTATEMENTS = _QUERIES["chart_restatements"]

Kind = Literal["split", "dividend", "flagged", "restated"]
Color = Literal["blue", "green", "red", "yellow"]

_COLORS: dict[Kind, Color] = {"split": "blue", "dividend": "green", "flagged": "red", "restated": "yellow"}
_LABELS: dict[Kind, str] = {"split": "S", "dividend": "D", "flagged": "!", "restated": "R"}
_FONT_COLORS: dict[Kind, str] = {"split": "white", "dividend": "white", "flagged": "white", "restated": "black"}
_SIZE = 20
_MOST_LINES = 8

# Every split and dividend fails it, and has a mark of its own.
_HAS_ITS_OWN_MARK = "corporate_action"


class MarksParams(Struct, frozen=True, kw_only=True):
    """Which part of a chart is to be marked."""

    symbol: Symbol
    resolution: Annotated[Resolution, Meta(description="As of /udf/history.", examples=["1D"])] = "1D"
    begin: (
        Annotated[
            Seconds,
            Meta(
                description="The time of the first bar, in seconds since 1970 UTC; without it, from the first.",
                examples=[0],
            ),
        ]
        | None
    ) = field(default=None, name="from")
    to: (
        Annotated[
            Seconds, Meta(description="The time of the last bar; without it, to the last.", examples=[1402444800])
        ]
        | None
    ) = None


class ChartMarks(Struct, frozen=True):
    """Marks as a table, one entry a mark in every field."""

    id: Annotated[list[str], Meta(description="The same for the same mark, whenever it is asked for.")]
    time: Annotated[list[int], Meta(description="The time of a bar, in seconds since 1970 UTC.")]
    color: list[Color]
    text: Annotated[list[str], Meta(description="What is shown of it, as HTML.")]
    label: Annotated[list[str], Meta(description="S split, D dividend, ! failed rules, R restated.")]
    label_font_color: list[str] = field(name="labelFontColor")
    min_size: Annotated[list[int], Meta(description="Pixels.")] = field(name="minSize")


class ChartTimescaleMark(Struct, frozen=True):
    """A mark on the axis of time."""

    id: str
    time: Annotated[int, Meta(description="The time of a bar, in seconds since 1970 UTC.")]
    color: Color
    label: str
    tooltip: Annotated[list[str], Meta(description="Lines of plain text.")]


class _Mark(Struct, frozen=True):
    """What happened on one bar, of one kind."""

    kind: Kind
    time: int
    lines: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.time}"


class _Event(Struct, frozen=True):
    """Something of one date, in words."""

    kind: Kind
    date: dt.date
    text: str


class _Chart(Struct, frozen=True):
    """What can be marked of one ticker: its sessions, ascending, and what happened."""

    sessions: Dates
    events: Sequence[_Event]


async def udf_marks(request: Request, params: MarksParams) -> Response:
    """Answer with the marks on bars."""
    tag, marks = await _read(request, params, with_bars=True)
    if marks is None:
        return not_modified(tag)
    return json_answer(
        ChartMarks(
            id=[mark.id for mark in marks],
            time=[mark.time for mark in marks],
            color=[_COLORS[mark.kind] for mark in marks],
            text=["<br>".join(map(escape, mark.lines)) for mark in marks],
            label=[_LABELS[mark.kind] for mark in marks],
            label_font_color=[_FONT_COLORS[mark.kind] for mark in marks],
            min_size=[_SIZE] * len(marks),
        ),
        tagged(tag),
    )


async def udf_timescale_marks(request: Request, params: MarksParams) -> Response:
    """Answer with the marks on the axis of time: splits and dividends."""
    tag, marks = await _read(request, params, with_bars=False)
    if marks is None:
        return not_modified(tag)
    return json_answer(
        [
            ChartTimescaleMark(mark.id, mark.time, _COLORS[mark.kind], _LABELS[mark.kind], list(mark.lines))
            for mark in marks
        ],
        tagged(tag),
    )


async def _read(request: Request, params: MarksParams, *, with_bars: bool) -> tuple[str, list[_Mark] | None]:
    """Return the tag and the marks of a part of a chart, None where the caller has them."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[str, _Chart | None]:
        tag = etag(request, generation)
        return tag, None if is_held(request, tag) else await _chart(connection, params.symbol, with_bars)

    tag, chart = await warehouse_of(request).projection.read(read)
    return tag, None if chart is None else list(_marks(chart, params))


async def _chart(connection: asyncpg.Connection, symbol: str, with_bars: bool) -> _Chart:
    if await connection.fetchrow(_LAST_SESSION_OF, symbol) is None:
        raise UnknownSymbol(symbol)
    verdicts = await connection.fetchrow(_VERDICTS_OF, symbol)
    sessions = dates_sent(verdicts["sessions"])
    events = [_event_of(row) for row in await connection.fetch(_EVENTS, symbol)]
    if with_bars:
        failed = np.frombuffer(verdicts["failed_rules"] or b"", ">i8").astype(np.int64)
        events += _flagged(sessions, failed, {row["bit"]: row["name"] for row in await connection.fetch(_RULES)})
        events += [_restatement_of(row) for row in await connection.fetch(_RESTATEMENTS, symbol)]
    return _Chart(sessions, events)


def _event_of(row: asyncpg.Record) -> _Event:
    if row["kind"] == "split":
        what: str = f"split {row['split_to']:g} for {row['split_from']:g}"
    else:
        what = f"dividend {row['cash']:g} per share"
    if row["effective_on"] != row["ex_date"]:
        what += f", stated for {row['ex_date']}"
    if not row["is_applied"]:
        what += ", not applied" + "".join(f": {flag.replace('_', ' ')}" for flag in row["flags"][:1])
    return _Event(row["kind"], row["effective_on"], f"{row['effective_on']} {what}")


def _flagged(sessions: Dates, failed: npt.NDArray[np.int64], rules: Mapping[int, str]) -> Iterator[_Event]:
    """Return the bars that failed a rule, but for the one that every split and dividend fails."""
    meant = {bit: name for bit, name in rules.items() if name != _HAS_ITS_OWN_MARK}
    mask = sum(1 << bit for bit in meant)
    places = np.flatnonzero(failed & mask)
    for session, verdict in zip(sessions[places].tolist(), failed[places].tolist(), strict=True):
        names = ", ".join(name for bit, name in meant.items() if verdict >> bit & 1)
        yield _Event("flagged", session, f"{session} failed {names}")


def _restatement_of(row: asyncpg.Record) -> _Event:
    times = "" if row["times"] == 1 else f" {row['times']} times, last"
    return _Event("restated", row["session"], f"{row['session']} restated{times} on {row['last_at']:%Y-%m-%d}")


def _marks(chart: _Chart, params: MarksParams) -> Iterator[_Mark]:
    """Return what happened within a range as marks in order of time, one for each bar and kind."""
    dates = np.array([event.date for event in chart.events], dtype="datetime64[D]")
    place = np.searchsorted(chart.sessions, dates)
    times = _bar_times(chart, params)
    placed = [
        (int(times[at]), event.kind, event)
        for at, event in zip(place.tolist(), chart.events, strict=True)
        # What is announced for a session that is not there yet has no bar to stand on.
        if at < len(times)
    ]
    placed.sort(key=lambda one: one[:2])
    for (time, kind), group in groupby(placed, key=lambda one: one[:2]):
        if (params.begin is None or time >= params.begin) and (params.to is None or time <= params.to):
            yield _Mark(kind, time, _bounded([event.text for *_, event in group]))


def _bar_times(chart: _Chart, params: MarksParams) -> Times:
    """Return of each session the time of the bar that it is in."""
    first = first_of_windows(chart.sessions, TIMEFRAMES[params.resolution])
    count = np.diff(np.append(first, len(chart.sessions)))
    return np.repeat(times_of(chart.sessions[first]), count)


def _bounded(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    return (*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more")


_ERRORS = (
    UnknownSymbol("AAPLX"),
    MissingParameter("symbol"),
    InvalidParameter("resolution", "5", f"must be one of {', '.join(TIMEFRAMES)}"),
    *READ_ERRORS,
)

OPERATIONS = (
    Operation(
        path="/udf/marks",
        summary="TradingView UDF: marks on bars",
        description=(
            "Splits, dividends, bars that failed a rule, and bars that the vendor restated, each at the time of the "
            "bar it is in; at most one mark of a kind on a bar."
        ),
        params=MarksParams,
        answer=ChartMarks,
        example=ChartMarks(
            id=["split-1402272000"],
            time=[1402272000],
            color=["blue"],
            text=["2014-06-09 split 7 for 1"],
            label=["S"],
            label_font_color=["white"],
            min_size=[_SIZE],
        ),
        handle=udf_marks,
        errors=_ERRORS,
        tagged=True,
        tags=("TradingView",),
        dialect=UDF,
    ),
    Operation(
        path="/udf/timescale_marks",
        summary="TradingView UDF: marks on the axis of time",
        description="Splits and dividends.",
        params=MarksParams,
        answer=list[ChartTimescaleMark],
        example=[ChartTimescaleMark("split-1402272000", 1402272000, "blue", "S", ["2014-06-09 split 7 for 1"])],
        handle=udf_timescale_marks,
        errors=_ERRORS,
        tagged=True,
        tags=("TradingView",),
        dialect=UDF,
    ),
)
