"""One ticker's whole story, from (seed, ticker, first session): role, script, walk, flaws and announcements.

Here the random numbers come from: one stream per ticker, so no ticker depends on which others there are. It must
not know how bars are kept or served.
"""

import hashlib
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np

from tests.fake_polygon.cast import Role, role_of
from tests.fake_polygon.corporate import Span, dividends_of, splits_of
from tests.fake_polygon.flaws import FlawedRows, flawed_rows
from tests.fake_polygon.market import MarketDividend, MarketSplit
from tests.fake_polygon.script import Script, write_script
from tests.fake_polygon.walk import Walk, padded, walk

# The consolidated tape carries fractions of a share since then (vendor's client v2.3.0).
FRACTIONAL_VOLUME_FROM = date(2026, 2, 24)


class Tale(msgspec.Struct, frozen=True, eq=False):
    """Everything about one ticker; `span` says for which session indices its bars are shown."""

    role: Role
    script: Script
    walk: Walk
    span: Span
    flawed: tuple[FlawedRows, ...]
    splits: tuple[MarketSplit, ...]
    dividends: tuple[MarketDividend, ...]


class Timeline(msgspec.Struct, frozen=True):
    """The dates of a market: `ahead` are its sessions and two months more; bars exist up to the date `last`."""

    ahead: Sequence[date]
    last: date

    @property
    def count(self) -> int:
        """How many sessions have bars."""
        return bisect_right(self.ahead, self.last)


def tell(seed: int, ticker: str, timeline: Timeline) -> Tale:
    """Return a ticker's story; a longer timeline only adds to it."""
    role = role_of(ticker)
    origin = f"{seed}/{role.walk_of or ticker}/{timeline.ahead[0]}"
    length = padded(timeline.count)
    script = write_script(random.Random(origin), role, length)
    stream = np.random.default_rng(int.from_bytes(hashlib.sha256(origin.encode()).digest()[:16], "big"))
    series = walk(script, stream, length, bisect_left(timeline.ahead, FRACTIONAL_VOLUME_FROM))
    end = length if role.shown_until is None else role.shown_until
    span = Span(role.shown_from, end, timeline.count)
    return Tale(
        role=role,
        script=script,
        walk=series,
        span=span,
        flawed=tuple(_flaws(script, series, span, timeline)),
        splits=tuple(splits_of(ticker, script, timeline.ahead, span)),
        dividends=tuple(dividends_of(ticker, script, series, timeline.ahead, span)),
    )


def _flaws(script: Script, series: Walk, span: Span, timeline: Timeline) -> list[FlawedRows]:
    found = []
    for episode in script.episodes:
        if span.first <= episode.at < min(span.end, timeline.count):
            rows = flawed_rows(episode, series, timeline.ahead)
            if rows is not None and rows.session <= timeline.last:
                found.append(rows)
    return found
