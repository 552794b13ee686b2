"""Coverage: of the sessions of a range in which a symbol should have a bar, which are there, which are not, and why.

It is what an answer with bars says of itself. It depends on the generation and its checkpoint, on the symbol and the
range, and through the clock only on the newest session that can be judged (`judged_up_to`): an answer that carries a
coverage has to have that date in its ETag. Nothing is queried where nothing is missing, or where the gaps of the symbol
are remembered, but for the calendar once a generation.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from api.errors import ApiError
from api.generation import Generation
from api.overview.calendar import frozen_calendar, newest_judged
from api.overview.known_gaps import known_gaps
from api.overview.memory import GapsKey, KnownGaps, State, memory_of
from api.overview.reading import Reading, read_remembering
from api.overview.spans import NOT_ASKED, MissingSpan, cut, places, span_of
from api.warehouse import Warehouse
from archive.calendar import Calendar, Days
from project.gaps.gaps import OUTSIDE, GapKind

_DAY = dt.timedelta(days=1)


class Coverage(Struct, frozen=True):
    """What there is of a range, and what is not."""

    first: Annotated[
        dt.date | None, Meta(description="From where it speaks: as asked, else from the first bar; null without both.")
    ]
    last: Annotated[
        dt.date, Meta(description="Up to where it speaks: as asked, but not beyond the newest session it can judge.")
    ]
    judged_up_to: Annotated[
        dt.date, Meta(description="The newest session of which a missing bar can be believed by now.")
    ]
    expected: Annotated[
        int, Meta(description="Sessions of the exchange with a bar or without one, but for those outside its listing.")
    ]
    present: Annotated[int, Meta(description="Sessions with a bar, whatever the rules say of it.")]
    missing: Annotated[
        list[MissingSpan], Meta(description="The sessions without a bar, those outside its listing as well.")
    ]


class ProjectionMoved(ApiError):
    """The projection is no longer in the state of `generation`: bars that were read there are to be read again."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(f"the projection is no longer at {generation.checkpoint} of {generation.generation_id}")
        self.generation = generation


async def read_coverage(
    warehouse: Warehouse,
    symbol: str,
    first: dt.date,
    last: dt.date,
    sessions: Days,
    *,
    generation: Generation | None = None,
) -> Coverage:
    """Return the coverage of a range in which `sessions` are those with a bar.

    Shape: `sessions` datetime64[D] in order, best of all bars of the range whatever their quality: then a range without
    a gap is seen at once. Of fewer the answer is the same, but for the sessions newer than `judged_up_to`. `first` is
    date.min for a range that begins with the first bar, `last` date.max for one without an end.
    `generation` is the one that the bars were read from; given, nothing is queried that is remembered of it.

    Raises: ProjectionMoved where `generation` is given and no longer what is live; UnknownSymbol; READ_ERRORS.
    """
    now = warehouse.now()
    if generation is not None:
        remembered = _remembered(warehouse, generation, symbol, first, last, sessions, now)
        if remembered is not None:
            return remembered

    async def read(reading: Reading) -> Coverage | None:
        if generation is not None and State.of(generation) != reading.state:
            return None
        calendar = await frozen_calendar(reading)
        judged = newest_judged(calendar, now)
        whole = _if_whole(calendar, judged, first, last, sessions)
        if whole is not None:
            return whole
        known = await known_gaps(reading, symbol, now)
        return _of_gaps(known, calendar, judged, first, last, sessions)

    found = await read_remembering(warehouse.projection, read)
    if found is None:
        assert generation is not None
        raise ProjectionMoved(generation)
    return found


def _remembered(
    warehouse: Warehouse,
    generation: Generation,
    symbol: str,
    first: dt.date,
    last: dt.date,
    sessions: Days,
    now: dt.datetime,
) -> Coverage | None:
    memory = memory_of(warehouse.projection)
    calendar = memory.calendars.get(generation.generation_id)
    if calendar is None:
        return None
    judged = newest_judged(calendar, now)
    whole = _if_whole(calendar, judged, first, last, sessions)
    if whole is not None:
        return whole
    known = memory.gaps.get(GapsKey(State.of(generation), judged, symbol))
    return None if known is None else _of_gaps(known, calendar, judged, first, last, sessions)


def _if_whole(calendar: Calendar, judged: dt.date, first: dt.date, last: dt.date, sessions: Days) -> Coverage | None:
    """Return the coverage of a range in which nothing is missing, None for any other."""
    if len(sessions) == 0:
        return None
    begins: dt.date = sessions[0].item() if first == dt.date.min else first
    ends = min(last, judged)
    begin, end = places(calendar, begins, ends)
    if len(sessions) - _newer(sessions, judged) != end - begin:
        return None
    return Coverage(begins, ends, judged, len(sessions), len(sessions), [])


def _of_gaps(
    known: KnownGaps, calendar: Calendar, judged: dt.date, first: dt.date, last: dt.date, sessions: Days
) -> Coverage:
    begins = known.first_bar if first == dt.date.min else first
    ends = min(last, judged)
    if begins is None:
        return Coverage(None, ends, judged, 0, 0, [])
    begin, end = places(calendar, begins, ends)
    missing = [*_never_asked(known, calendar, begins, ends), *cut(known.found.gaps, calendar, begins, ends)]
    present = end - begin - sum(span.sessions for span in missing) + _newer(sessions, judged)
    return Coverage(begins, ends, judged, present + _inside(missing), present, missing)


def _newer(sessions: Days, judged: dt.date) -> int:
    """Return how many sessions with a bar are newer than any that is judged."""
    return len(sessions) - int(np.searchsorted(sessions, np.datetime64(judged, "D"), side="right"))


def _inside(missing: Iterable[MissingSpan]) -> int:
    return sum(span.sessions for span in missing if span.kind not in OUTSIDE)


def _never_asked(known: KnownGaps, calendar: Calendar, first: dt.date, last: dt.date) -> list[MissingSpan]:
    """Return the sessions before the first one that any answer spoke of."""
    begun = [gap.first for gap in known.found.gaps[:1]] + [day for day in (known.first_bar,) if day is not None]
    end = min(last, min(begun) - _DAY) if begun else last
    span = span_of(GapKind.NOT_FETCHED, NOT_ASKED, calendar, first, end)
    return [] if span is None else [span]
