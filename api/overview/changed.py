"""What has come since an instant: counts, and the first of each, read from one generation. It knows no route.

Everything is found by archive_seq: only the sessions and tickers that the payloads since then spoke of are looked at,
and of those as many of the newest sessions as hold no more bars than can be counted in a moment.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from api.overview.calendar import frozen_calendar
from api.overview.memory import ChangesKey
from api.overview.reading import Reading
from archive.calendar import Calendar
from project.rows import VALUES
from sql import load_queries

_QUERIES = load_queries("api_changes.sql")
_MARKETS, _RANGES, _SYMBOLS = _QUERIES["markets_after"], _QUERIES["ranges_after"], _QUERIES["count_symbols"]
_OF_SESSIONS, _OF_TICKERS = _QUERIES["bars_of_sessions_after"], _QUERIES["bars_of_tickers_after"]
_RESTATED, _NEWEST_RESTATED = _QUERIES["restated_after"], _QUERIES["newest_restated_after"]
_REJECTED, _NEWEST_REJECTED = _QUERIES["rejections_after"], _QUERIES["newest_rejections_after"]
_SPLITS, _DIVIDENDS = _QUERIES["splits_after"], _QUERIES["dividends_after"]
_VERDICTS, _WORST, _ENDED = _QUERIES["verdicts_of_session"], _QUERIES["worst_of_session"], _QUERIES["ended_at"]
_VALUES_NOW = load_queries("api_records.sql")["values_now"]
_RULES = load_queries("api_overview.sql")["rules_in_order"]

FIRST = 10
"""How many rows of each kind are told; the rest is counted."""
_SESSIONS = 30
_MOST_BARS = 500_000


class SessionBars(Struct, frozen=True):
    """How many bars of a session."""

    session: dt.date
    bars: int


class NewBars(Struct, frozen=True):
    """Bars that were not known before, by session."""

    count: int
    counted_from: Annotated[
        dt.date | None,
        Meta(description="Bars of older sessions came too and are not counted: there are too many. null: all are."),
    ]
    sessions_count: Annotated[int, Meta(description="How many sessions have new bars.")]
    sessions: Annotated[list[SessionBars], Meta(description="The newest of them, the newest first.")]


class RestatedBar(Struct, frozen=True):
    """A bar known before of which something else was said."""

    symbol: str
    session: dt.date
    restated_at: dt.datetime
    old_close: float
    new_close: float
    changed: Annotated[list[str], Meta(description="The values that differ from those believed now.")]


class RestatedBars(Struct, frozen=True):
    """Bars known before that the vendor restated."""

    count: int
    sessions_count: int
    first_session: dt.date | None
    last_session: dt.date | None
    rows: Annotated[list[RestatedBar], Meta(description="The latest of them; /api/v1/revisions has all.")]


class RejectedRow(Struct, frozen=True):
    """A row that cannot be a bar, a split or a dividend."""

    archive_seq: int
    row_index: int
    symbol: str | None
    session: dt.date | None
    reasons: list[str]


class RejectedRows(Struct, frozen=True):
    """Rows that were rejected."""

    count: int
    reasons: Annotated[dict[str, int], Meta(description="How many for each reason; a row may have several.")]
    rows: Annotated[list[RejectedRow], Meta(description="The newest of them; /api/v1/rejections has all.")]


class StatedSplit(Struct, frozen=True):
    """A split as stated."""

    symbol: str
    ex_date: dt.date
    split_from: float
    split_to: float


class StatedSplits(Struct, frozen=True):
    """Splits that were stated, or stated anew."""

    count: int
    rows: Annotated[list[StatedSplit], Meta(description="Those with the newest ex-date.")]


class StatedDividend(Struct, frozen=True):
    """A dividend as stated."""

    symbol: str
    ex_date: dt.date
    cash_amount: float
    currency: str | None


class StatedDividends(Struct, frozen=True):
    """Dividends that were stated, or stated anew."""

    count: int
    rows: Annotated[list[StatedDividend], Meta(description="Those with the newest ex-date.")]


class FlaggedBar(Struct, frozen=True):
    """A bar that failed a rule."""

    symbol: str
    failed_rules: list[str]
    quality_score: float
    validated: bool


class FlaggedBars(Struct, frozen=True):
    """The newest session, and its bars that failed a rule."""

    session: Annotated[dt.date | None, Meta(description="The newest session of any bar; null without bars.")]
    bars: int
    count: Annotated[int, Meta(description="Bars that failed a rule.")]
    not_validated: Annotated[int, Meta(description="Bars whose score is too low, or that a person rejected.")]
    rules: Annotated[dict[str, int], Meta(description="How many failed each rule, in the order of the ruleset.")]
    rows: Annotated[list[FlaggedBar], Meta(description="Those with the worst score; /api/v1/audit/{date} has all.")]


class Missing(Struct, frozen=True):
    """Symbols that had a bar in the session before the newest one and have none in the newest."""

    session: dt.date | None
    before: dt.date | None
    count: int
    symbols: Annotated[list[str], Meta(description="Those with most bars.")]


class Changed(Struct, frozen=True):
    """What has come."""

    new_bars: NewBars
    restated: RestatedBars
    rejections: RejectedRows
    splits: StatedSplits
    dividends: StatedDividends
    flagged: FlaggedBars
    not_arrived: Missing


async def read_changed(reading: Reading, since: dt.datetime, after: int) -> Changed:
    """Return what of the generation that is being read came after an archive_seq, the newest one before `since`."""
    changes, key = reading.memory.changes, ChangesKey(reading.state, since, after)
    known = reading.get(changes, key)
    return known or reading.keep(changes, key, await _read(reading, since, after))


async def _read(reading: Reading, since: dt.datetime, after: int) -> Changed:
    connection, calendar = reading.connection, await frozen_calendar(reading)
    symbols, newest = await connection.fetchrow(_SYMBOLS)
    restated = {row["session"]: row["bars"] for row in await connection.fetch(_RESTATED, since, after)}
    return Changed(
        new_bars=await _new_bars(reading, calendar, after, symbols, restated),
        restated=await _restated(connection, since, after, restated),
        rejections=await _rejections(connection, after),
        splits=await _splits(connection, after),
        dividends=await _dividends(connection, after),
        flagged=await _flagged(connection, newest),
        not_arrived=await _not_arrived(connection, calendar, newest),
    )


async def _new_bars(
    reading: Reading, calendar: Calendar, after: int, symbols: int, restated: Mapping[dt.date, int]
) -> NewBars:
    """Count the bars that came, less those that took the place of values known before."""
    upto = reading.generation.checkpoint
    markets = [row["session"] for row in await reading.connection.fetch(_MARKETS, after, upto)]
    ranges = await reading.connection.fetch(_RANGES, after, upto)
    floor = _floor(_bars_asked(calendar, markets, ranges, symbols), calendar)
    markets = [session for session in markets if floor is None or session >= floor]
    asked = [
        (row["ticker"], max(row["first"], floor or row["first"]), row["last"])
        for row in ranges
        if floor is None or row["last"] >= floor
    ]
    tickers, firsts, lasts = (list(column) for column in zip(*asked, strict=True)) if asked else ([], [], [])
    came: Counter[dt.date] = Counter(dict(await reading.connection.fetch(_OF_SESSIONS, markets, after)))
    came.update(dict(await reading.connection.fetch(_OF_TICKERS, tickers, firsts, lasts, after, markets)))
    came.subtract({session: bars for session, bars in restated.items() if session in came})
    new = [SessionBars(session, bars) for session, bars in sorted(came.items(), reverse=True) if bars > 0]
    return NewBars(sum(row.bars for row in new), floor, len(new), new[:_SESSIONS])


def _bars_asked(
    calendar: Calendar, markets: Sequence[dt.date], ranges: Sequence[asyncpg.Record], symbols: int
) -> npt.NDArray[np.int64]:
    """Return how many bars there may be to look at in each session of the calendar."""
    sessions, size = calendar.sessions, len(calendar.sessions) + 1
    firsts, lasts = (np.array([row[name] for row in ranges], "datetime64[D]") for name in ("first", "last"))
    begins = np.bincount(np.searchsorted(sessions, firsts), minlength=size)
    ends = np.bincount(np.searchsorted(sessions, lasts, side="right"), minlength=size)
    asked: npt.NDArray[np.int64] = np.cumsum(begins - ends)[:-1]
    asked[np.isin(sessions, np.array(markets, "datetime64[D]"))] = symbols
    return asked


def _floor(asked: npt.NDArray[np.int64], calendar: Calendar) -> dt.date | None:
    """Return from which session on there are no more bars than can be counted; None where that is all of them."""
    from_the_end = np.cumsum(asked[::-1])
    within = int(np.searchsorted(from_the_end, _MOST_BARS, side="right"))
    if within == len(asked):
        return None
    floor: dt.date = calendar.sessions[len(asked) - max(within, 1)].item()
    return floor


async def _restated(
    connection: asyncpg.Connection, since: dt.datetime, after: int, by_session: Mapping[dt.date, int]
) -> RestatedBars:
    old = await connection.fetch(_NEWEST_RESTATED, since, after, FIRST)
    now = await connection.fetch(_VALUES_NOW, [row["ticker"] for row in old], [row["session"] for row in old])
    new = {(row["ticker"], row["session"]): row for row in now}
    rows = [
        RestatedBar(
            row["ticker"],
            row["session"],
            row["known_to"],
            row["close"],
            bar["close"],
            [name for name in VALUES if row[name] != bar[name]],
        )
        for row in old
        for bar in (new[row["ticker"], row["session"]],)
    ]
    sessions = by_session.keys()
    return RestatedBars(
        sum(by_session.values()), len(sessions), min(sessions, default=None), max(sessions, default=None), rows
    )


async def _rejections(connection: asyncpg.Connection, after: int) -> RejectedRows:
    found = await connection.fetch(_REJECTED, after)
    reasons: Counter[str] = Counter()
    for row in found:
        reasons.update(dict.fromkeys(row["reasons"], row["found"]))
    rows = [
        RejectedRow(row["archive_seq"], row["row_index"], row["ticker"], row["session"], row["reasons"])
        for row in await connection.fetch(_NEWEST_REJECTED, after, FIRST)
    ]
    return RejectedRows(sum(row["found"] for row in found), dict(reasons.most_common()), rows)


async def _splits(connection: asyncpg.Connection, after: int) -> StatedSplits:
    rows = await connection.fetch(_SPLITS, after, FIRST)
    told = [StatedSplit(row["ticker"], row["execution_date"], row["split_from"], row["split_to"]) for row in rows]
    return StatedSplits(rows[0]["found"] if rows else 0, told)


async def _dividends(connection: asyncpg.Connection, after: int) -> StatedDividends:
    rows = await connection.fetch(_DIVIDENDS, after, FIRST)
    told = [StatedDividend(row["ticker"], row["ex_dividend_date"], row["cash_amount"], row["currency"]) for row in rows]
    return StatedDividends(rows[0]["found"] if rows else 0, told)


async def _flagged(connection: asyncpg.Connection, newest: dt.date | None) -> FlaggedBars:
    rules = [(row["bit"], row["name"]) for row in await connection.fetch(_RULES)]

    def failed(bits: int) -> list[str]:
        return [name for bit, name in rules if bits >> bit & 1]

    verdicts = await connection.fetch(_VERDICTS, newest)
    by_rule = dict.fromkeys((name for _, name in rules), 0)
    for row in verdicts:
        for name in failed(row["failed_rules"]):
            by_rule[name] += row["bars"]
    return FlaggedBars(
        session=newest,
        bars=sum(row["bars"] for row in verdicts),
        count=sum(row["bars"] for row in verdicts if row["failed_rules"]),
        not_validated=sum(row["bars"] for row in verdicts if not row["validated"]),
        rules=by_rule,
        rows=[
            FlaggedBar(row["ticker"], failed(row["failed_rules"]), row["quality_score"], row["validated"])
            for row in await connection.fetch(_WORST, newest, FIRST)
        ],
    )


async def _not_arrived(connection: asyncpg.Connection, calendar: Calendar, newest: dt.date | None) -> Missing:
    if newest is None:
        return Missing(None, None, 0, [])
    place = int(np.searchsorted(calendar.sessions, np.datetime64(newest, "D")))
    before: dt.date | None = calendar.sessions[place - 1].item() if place else None
    rows = await connection.fetch(_ENDED, before, FIRST)
    return Missing(newest, before, rows[0]["found"] if rows else 0, [row["ticker"] for row in rows])
