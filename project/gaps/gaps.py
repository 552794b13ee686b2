"""Gaps: the sessions of the calendar in which a ticker has no bar, each with the class that the evidence points to.

A session is a gap from the first one that any answer spoke of (or the first bar) to the newest that a missing bar can
be believed of. Before the first bar and after the last one that is no fault; in between it is a trade that did not
happen, a hole of the vendor, a row we rejected, or a session nobody asked for. It is pure: it knows no database and no
payload, only which sessions answers spoke of.

A missing bar that an answer left out is the vendor's hole
- where most of the longest series (`Market`) lack that session too, since an exchange is not shut for most of them; or
- where the bars around it trade so much that a session without any trade is not to be believed: `LIQUID_TRADES` trades
  (the median of ten bars on either side), or where the vendor counts none, `LIQUID_TURNOVER` of close × volume.
Otherwise it did not trade. A halt of a much traded ticker for whole sessions looks like a hole: nothing the vendor
sends tells the two apart.

Before 1970 the calendar library knows the holidays of the exchange only in part, so a session that every series lacks
then was most likely none (68 dates of GE and KO), and counts as one without trade.
"""

import datetime as dt
import math
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from project.rows import Bools, Floats, Ints, starts_of_runs

EPOCH = dt.date(1970, 1, 1)

LIQUID_TRADES = 100
LIQUID_TURNOVER = 100_000.0
"""USD a session: shares alone would say little of a ticker at 200,000 USD or at 0.2 USD a share."""
PRESUMED = 20
"""So many sessions without a bar after the last one, all of them answered for, and a delisting is presumed."""
NEAR_DAYS = 10
"""How far the vendor's date of a delisting or a rename may be from the last bar."""
_NEIGHBOURS = 10
_FEWEST_SERIES = 3
_CALENDAR_FROM = 0  # 1970-01-01 in days since then


class GapKind(StrEnum):
    """Why a ticker has no bar in a session."""

    BEFORE_LISTING = "before_listing"
    AFTER_DELISTING = "after_delisting"
    NO_TRADE = "no_trade"
    VENDOR_HOLE = "vendor_hole"
    REJECTED = "rejected"
    NOT_FETCHED = "not_fetched"


OUTSIDE = frozenset({GapKind.BEFORE_LISTING, GapKind.AFTER_DELISTING})
"""The classes of sessions in which there was nothing to trade."""


class _Cause(NamedTuple):
    kind: GapKind
    why: str


_CAUSES = (
    _Cause(GapKind.NOT_FETCHED, "no good answer spoke of it"),
    _Cause(GapKind.BEFORE_LISTING, "answers had no bar before {first_bar}"),
    _Cause(GapKind.BEFORE_LISTING, "no bar has ever come"),
    _Cause(GapKind.AFTER_DELISTING, "{ending}"),
    _Cause(GapKind.AFTER_DELISTING, "presumed: {silent} sessions after {last_bar} were answered for without a bar"),
    _Cause(GapKind.REJECTED, "its row was rejected; `audit {first} {ticker}` says why"),
    _Cause(GapKind.VENDOR_HOLE, "{lacking} of {asked} of the longest series lack it too"),
    _Cause(GapKind.NO_TRADE, "probably no session: no series has it, and the calendar is incomplete before 1970"),
    _Cause(GapKind.VENDOR_HOLE, "{measure} around it"),
    _Cause(GapKind.NO_TRADE, "{measure} around it"),
)
(NOT_FETCHED, BEFORE, NEVER, ENDED, SILENT, REJECTED, MARKET, CALENDAR, LIQUID, THIN) = range(len(_CAUSES))
_KINDS = np.array([list(GapKind).index(cause.kind) for cause in _CAUSES], np.int64)


class Gap(msgspec.Struct, frozen=True):
    """Sessions on end without a bar for one reason; `first` and `last` are in it."""

    ticker: str
    kind: GapKind
    first: dt.date
    last: dt.date
    sessions: int
    why: str


class Traded(msgspec.Struct, frozen=True):
    """The bars of a ticker in order, as columns: day (since 1970), close, volume and trades (NaN where not counted)."""

    day: Ints
    close: Floats
    volume: Floats
    trades: Floats


class Ending(msgspec.Struct, frozen=True):
    """From `day` on a security no longer has the ticker, and why."""

    day: int
    why: str


class Market(msgspec.Struct, frozen=True):
    """Of the longest series, how many should have a bar of each session, and how many of them lack it."""

    asked: Ints
    lacking: Ints


class Known(msgspec.Struct, frozen=True):
    """What is known of a ticker besides its bars.

    Shape: `answered` has an entry for each session of the calendar: whether a good answer spoke of it. `rejected` are
    the days of rejected rows. `active` tells that the vendor lists it as trading.
    """

    answered: Bools
    rejected: Ints
    endings: Sequence[Ending] = ()
    active: bool = False


class Missing(msgspec.Struct, frozen=True):
    """The sessions without a bar, as places in the calendar, with the cause of each.

    Shape: `before` is the number of bars that went before each.
    """

    place: Ints
    cause: Ints
    before: Ints

    def counts(self) -> dict[GapKind, int]:
        """Return how many sessions are of each class."""
        return dict(zip(GapKind, np.bincount(self.kind, minlength=len(GapKind)).tolist(), strict=True))

    @property
    def kind(self) -> Ints:
        """The class of each, as its place in GapKind."""
        return _KINDS[self.cause]


def find_missing(traded: Traded, known: Known, sessions: Ints, market: Market) -> Missing:
    """Return the sessions in which a ticker has no bar, each with its cause.

    Shape: `sessions` are the days of the calendar up to the newest of which a missing bar can be believed; `market`
    and `known.answered` have an entry for each.
    """
    has = _marked(sessions, traded.day)
    rejected = _marked(sessions, known.rejected) & ~has
    spoken = known.answered | has | rejected
    start = int(np.argmax(spoken)) if spoken.any() else len(sessions)
    place = start + np.flatnonzero(~has[start:])
    before = np.searchsorted(traded.day, sessions[place])
    cause = _by_market_and_liquidity(traded, market, sessions, place, before)
    answered = known.answered[place]
    _beyond_the_bars(cause, before, answered, len(traded.day), active=known.active)
    cause[~answered] = NOT_FETCHED
    _after_endings(cause, traded, known.endings, sessions[place], before)
    cause[rejected[place]] = REJECTED
    return Missing(place, cause, before)


def describe(ticker: str, missing: Missing, traded: Traded, known: Known, sessions: Ints, market: Market) -> list[Gap]:
    """Return the missing sessions as gaps: those on end and for one reason are one."""
    starts = starts_of_runs(missing.cause) | starts_of_runs(missing.before)
    starts[1:] |= np.diff(missing.place) != 1
    edges = [*np.flatnonzero(starts).tolist(), len(missing.place)] if len(missing.place) else []
    last_bar = _date(traded.day[-1]) if len(traded.day) else None
    measures = _measures(traded, missing)
    gaps = []
    for begin, end in pairwise(edges):
        place, before = int(missing.place[begin]), int(missing.before[begin])
        cause = int(missing.cause[begin])
        first = _date(sessions[place])
        why = _CAUSES[cause].why.format(
            ticker=ticker,
            first=first,
            first_bar=_date(traded.day[0]) if len(traded.day) else None,
            last_bar=last_bar,
            silent=int((missing.cause == SILENT).sum()),
            lacking=int(market.lacking[place]),
            asked=int(market.asked[place]),
            measure=measures.get(before, ""),
            ending=_ending_of(known.endings, traded, int(sessions[place]), before) if cause == ENDED else "",
        )
        last = _date(sessions[missing.place[end - 1]])
        gaps.append(Gap(ticker, _CAUSES[cause].kind, first, last, end - begin, why))
    return gaps


def market_of(series: Sequence[tuple[Bools, Bools]], sessions: int) -> Market:
    """Return what the longest series say of each of so many sessions.

    Shape: for each series by session, whether a bar is to be expected (it trades, and answers spoke of it), and
    whether there is one.
    """
    asked, lacking = np.zeros(sessions, np.int64), np.zeros(sessions, np.int64)
    for expected, has in series:
        asked += expected
        lacking += expected & ~has
    return Market(asked, lacking)


def _by_market_and_liquidity(traded: Traded, market: Market, sessions: Ints, place: Ints, before: Ints) -> Ints:
    asked, lacking = market.asked[place], market.lacking[place]
    trades, turnover = _medians(traded, before)
    liquid = np.where(np.isnan(trades), turnover >= LIQUID_TURNOVER, trades >= LIQUID_TRADES)
    cause = np.where(liquid, LIQUID, THIN)
    cause[(asked >= _FEWEST_SERIES) & (2 * lacking > asked)] = MARKET
    cause[(sessions[place] < _CALENDAR_FROM) & (lacking == asked)] = CALENDAR
    return cause


def _beyond_the_bars(cause: Ints, before: Ints, answered: Bools, bars: int, *, active: bool) -> None:
    if bars == 0:
        cause[:] = NEVER
        return
    cause[before == 0] = BEFORE
    silent = (before == bars) & answered
    if silent.sum() >= PRESUMED and not active:
        cause[silent] = SILENT


def _after_endings(cause: Ints, traded: Traded, endings: Sequence[Ending], days: Ints, before: Ints) -> None:
    """Mark what lies between an ending and the next bar; the vendor may date an ending some days off the last bar."""
    for ending in endings:
        cause[_is_after(ending, traded, days, before)] = ENDED


def _is_after(ending: Ending, traded: Traded, days: Ints, before: Ints) -> Bools:
    if len(traded.day) == 0:
        return days >= ending.day
    last_bar = int(np.searchsorted(traded.day, ending.day + NEAR_DAYS))
    gone = int(np.searchsorted(traded.day, ending.day))
    if gone != last_bar and last_bar < len(traded.day):
        # Trading went on beyond the date: it ended within the days around it only if nothing came soon after.
        return np.zeros(len(days), np.bool_)
    is_near = last_bar > 0 and abs(ending.day - int(traded.day[last_bar - 1])) <= NEAR_DAYS
    after: Bools = (before == last_bar) & (before > 0) & (is_near | (days >= ending.day))
    return after


def _ending_of(endings: Sequence[Ending], traded: Traded, day: int, before: int) -> str:
    found = [
        ending.why
        for ending in endings
        if _is_after(ending, traded, np.array([day], np.int64), np.array([before], np.int64))[0]
    ]
    return found[-1] if found else ""


def _measures(traded: Traded, missing: Missing) -> dict[int, str]:
    """Return in words how much the bars around each place between bars trade, where a class depends on it."""
    before = np.unique(missing.before[np.isin(missing.cause, (LIQUID, THIN))])
    columns = (before.tolist(), *(column.tolist() for column in _medians(traded, before)))
    return {
        place: f"median turnover {turnover:,.0f} USD" if math.isnan(trades) else f"median {trades:,.0f} trades"
        for place, trades, turnover in zip(*columns, strict=True)
    }


# The vendor's numbers may be any double; what becomes infinite is a measure like any other.
@np.errstate(all="ignore")
def _medians(traded: Traded, before: Ints) -> tuple[Floats, Floats]:
    """Return for each place between bars the median of trades and of turnover of the bars around it."""
    bars = len(traded.day)
    if bars == 0 or len(before) == 0:
        return np.full(len(before), np.nan), np.zeros(len(before))
    distinct, where = np.unique(before, return_inverse=True)
    near = distinct[:, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS)
    inside = (near >= 0) & (near < bars)
    near = np.clip(near, 0, bars - 1)
    trades = _median(np.where(inside, traded.trades[near], np.nan))
    turnover = _median(np.where(inside, (traded.close * traded.volume)[near], np.nan))
    return trades[where], turnover[where]


def _median(rows: Floats) -> Floats:
    """Return the median of each row's numbers, NaN for a row of none."""
    ordered = np.sort(rows, axis=1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=1)
    lower, upper = np.clip((count - 1) // 2, 0, None), np.clip(count // 2, 0, rows.shape[1] - 1)
    every = np.arange(len(rows))
    return np.where(count > 0, (ordered[every, lower] + ordered[every, upper]) / 2, np.nan)


def _marked(sessions: Ints, days: Ints) -> Bools:
    marked = np.zeros(len(sessions), np.bool_)
    if len(sessions) and len(days):
        places = np.clip(np.searchsorted(sessions, days), 0, len(sessions) - 1)
        marked[places[sessions[places] == days]] = True
    return marked


def _date(day: np.int64) -> dt.date:
    return EPOCH + dt.timedelta(days=int(day))
