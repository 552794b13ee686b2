"""Spans of sessions without a bar: the gaps of a symbol, cut to a range. Knows no route and no database."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from archive.calendar import Calendar
from project.gaps.gaps import Gap, GapKind

NOT_ASKED = "no answer spoke of it"


class MissingSpan(Struct, frozen=True):
    """Sessions on end without a bar for one reason."""

    kind: Annotated[
        GapKind,
        Meta(
            description=(
                "before_listing and after_delisting: there was nothing to trade; no_trade: it did not trade; "
                "vendor_hole: it did, the vendor's answer left it out; rejected: its row cannot be a bar; "
                "not_fetched: no answer spoke of the session."
            )
        ),
    ]
    first: dt.date
    last: Annotated[dt.date, Meta(description="Inclusive.")]
    sessions: int
    why: str


def cut(gaps: Iterable[Gap], calendar: Calendar, first: dt.date, last: dt.date) -> list[MissingSpan]:
    """Return what of the gaps lies from `first` to `last`, both included."""
    return list(_cut(gaps, calendar, first, last))


def span_of(kind: GapKind, why: str, calendar: Calendar, first: dt.date, last: dt.date) -> MissingSpan | None:
    """Return the sessions from `first` to `last` as one span, None where there are none."""
    begin, end = places(calendar, first, last)
    if begin >= end:
        return None
    edges = calendar.sessions[[begin, end - 1]].tolist()
    return MissingSpan(kind, edges[0], edges[1], end - begin, why)


def places(calendar: Calendar, first: dt.date, last: dt.date) -> tuple[int, int]:
    """Return where the sessions from `first` to `last` begin and end in the calendar; the end is exclusive."""
    begin = int(np.searchsorted(calendar.sessions, np.datetime64(first, "D")))
    end = int(np.searchsorted(calendar.sessions, np.datetime64(last, "D"), side="right"))
    return begin, max(begin, end)


def _cut(gaps: Iterable[Gap], calendar: Calendar, first: dt.date, last: dt.date) -> Iterator[MissingSpan]:
    for gap in gaps:
        if first <= gap.first and gap.last <= last:
            yield MissingSpan(gap.kind, gap.first, gap.last, gap.sessions, gap.why)
        elif gap.first <= last and first <= gap.last:
            part = span_of(gap.kind, gap.why, calendar, max(first, gap.first), min(last, gap.last))
            if part is not None:
                yield part
