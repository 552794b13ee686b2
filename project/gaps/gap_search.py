"""The search for gaps: what tables and archive hold of a ticker, or of all, set against the calendar at read time.

Nothing is stored: bars, rejections, lists and the answers that came can all change the class of a missing session.
Whole symbols are read, a part at a time, so memory is bounded by the size of a part.
"""

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

import asyncpg
import msgspec
import numpy as np

from archive.calendar import Calendar, exchange_calendar
from project.gaps.answered import Answer, Expected, answered, expected_sessions
from project.gaps.gaps import (
    EPOCH,
    Ending,
    Gap,
    GapKind,
    Known,
    Market,
    Missing,
    Traded,
    describe,
    find_missing,
    market_of,
)
from project.generation import Generation, live_generation
from project.names.identity import Security, securities, securities_of
from project.names.listing import Listing
from project.names.symbol import UnknownSymbol, read_names
from project.names.ticker_change import TickerChange
from project.rows import Bools, Floats, Ints
from sql import load_queries

_QUERIES = load_queries("gaps.sql")
_SYMBOLS = _QUERIES["symbols_with_bars"]
_LONGEST = _QUERIES["longest_series"]
_RANGE_ANSWERS = _QUERIES["range_answers"]
_MARKET_ANSWERS = _QUERIES["market_answers"]
_REJECTED = _QUERIES["rejected_bars"]
_BAR_COLUMNS = _QUERIES["bar_columns_of"]
_SESSIONS_BETWEEN = _QUERIES["sessions_between"]
_NAMES = load_queries("tickers.sql")
_ALL_CHANGES, _ALL_LISTINGS = _NAMES["all_changes"], _NAMES["all_listings"]

_SERIES = 15
_PART_BARS = 500_000
_PART_SYMBOLS = 1_000
_DAY_OF_2000 = 10_957  # PostgreSQL's dates count from 2000-01-01
_NOTHING_TRADED = Traded(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0))


class SymbolGaps(msgspec.Struct, frozen=True):
    """The gaps of one symbol, by a version of the calendar, up to the newest session that can be judged by now."""

    symbol: str
    calendar_version: str
    judged_up_to: dt.date
    bars: int
    counts: dict[GapKind, int]
    gaps: list[Gap]


class Counted(msgspec.Struct, frozen=True):
    """How many sessions of each class a symbol misses."""

    symbol: str
    bars: int
    counts: dict[GapKind, int]


class MarketGaps(msgspec.Struct, frozen=True):
    """How many sessions every symbol misses, by a version of the calendar, up to the newest that can be judged."""

    calendar_version: str
    judged_up_to: dt.date
    symbols: list[Counted]


class MissingBetween(msgspec.Struct, frozen=True):
    """The sessions of a range that a symbol misses, each with its class, and from where on answers spoke of it at all.

    Shape: `place` and `begins` are places in the calendar, `kind` are places in GapKind. What comes before `begins`
    nobody asked for, and it is not missed.
    """

    place: Ints
    kind: Ints
    begins: int


class _Ground(msgspec.Struct, frozen=True):
    """What a search stands on, whatever the symbol."""

    generation: Generation
    expected: Expected
    whole_market: Bools

    @property
    def judged_up_to(self) -> dt.date:
        """The newest session of which a missing bar can be believed."""
        return EPOCH + dt.timedelta(days=int(self.expected.sessions[-1]))

    def marks(self, days: Ints) -> Bools:
        """Tell of which sessions days are."""
        return np.isin(self.expected.sessions, days)


async def find_gaps(
    connection: asyncpg.Connection, symbol: str, now: dt.datetime, calendar: Calendar | None = None
) -> SymbolGaps:
    """Return the gaps of one symbol up to the newest session that can be judged at `now`.

    `calendar` is the live generation's, for who has it already; without it this software's is made, which is the same.

    Raises: UnknownSymbol where nobody asked for its bars and none came; NothingProjected, OutdatedProjection.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        ground = await _ground(connection, now, calendar)
        if not await connection.fetch(_SYMBOLS, [symbol]):
            raise UnknownSymbol(symbol)
        series = await connection.fetch(_LONGEST, _SERIES)
        answers = await _answers_by_ticker(connection, ground, [symbol, *(row["ticker"] for row in series)])
        rejected = await _rejected(connection, [symbol])
        changes, listings = await read_names(connection, [symbol])
        names = {symbol: securities_of(symbol, changes, listings)}
        [known] = _known(ground, [symbol], answers, rejected, names, listings)
        traded = (await _read_bars(connection, [symbol])).get(symbol, _NOTHING_TRADED)
        market = await _market(connection, ground, series, answers, traded, known)
    sessions = ground.expected.sessions
    missing = find_missing(traded, known, sessions, market)
    return SymbolGaps(
        symbol,
        ground.generation.calendar_version,
        ground.judged_up_to,
        len(traded.day),
        missing.counts(),
        describe(symbol, missing, traded, known, sessions, market),
    )


async def count_gaps(connection: asyncpg.Connection, now: dt.datetime, calendar: Calendar | None = None) -> MarketGaps:
    """Return how many sessions of each class every symbol misses; `calendar` as in `find_gaps`.

    Raises: NothingProjected, OutdatedProjection.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        ground = await _ground(connection, now, calendar)
        changes = [TickerChange(**row) for row in await connection.fetch(_ALL_CHANGES)]
        listings = [Listing(**row) for row in await connection.fetch(_ALL_LISTINGS)]
        found = [
            Counted(row["ticker"], row["bars"], missing.counts())
            async for row, missing in _search(connection, ground, None, changes, listings, dt.date.min, dt.date.max)
        ]
    return MarketGaps(ground.generation.calendar_version, ground.judged_up_to, found)


async def find_missing_between(
    connection: asyncpg.Connection,
    symbols: Sequence[str],
    first: dt.date,
    last: dt.date,
    now: dt.datetime,
    calendar: Calendar | None = None,
) -> Mapping[str, MissingBetween]:
    """Return what each of some symbols misses from `first` to `last`; `calendar` as in `find_gaps`.

    One of which nobody asked for bars, and none came, is left out.

    Raises: NothingProjected, OutdatedProjection.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        ground = await _ground(connection, now, calendar)
        changes, listings = await read_names(connection, symbols)
        sessions = ground.expected.sessions
        begin, end = np.searchsorted(sessions, [_day(first), _day(last) + 1]).tolist()
        found = {}
        async for row, missing in _search(connection, ground, symbols, changes, listings, first, last):
            begins = [*missing.place[:1].tolist(), *_first_place(row, sessions)]
            inside = (missing.place >= begin) & (missing.place < end)
            found[row["ticker"]] = MissingBetween(
                missing.place[inside], missing.kind[inside], min(begins, default=len(sessions))
            )
    return found


async def _search(
    connection: asyncpg.Connection,
    ground: _Ground,
    tickers: Sequence[str] | None,
    changes: Sequence[TickerChange],
    listings: Sequence[Listing],
    first: dt.date,
    last: dt.date,
) -> AsyncIterator[tuple[asyncpg.Record, Missing]]:
    """Yield tickers, None for all, with what they miss; the classes are true of the sessions from `first` to `last`."""
    sessions = ground.expected.sessions
    symbols = await connection.fetch(_SYMBOLS, tickers)
    series = await connection.fetch(_LONGEST, _SERIES)
    about = None if tickers is None else [*tickers, *(row["ticker"] for row in series)]
    answers = await _answers_by_ticker(connection, ground, about)
    rejected = await _rejected(connection, tickers)
    names = _by_ticker(securities(changes, listings))
    market = await _market_between(connection, ground, series, answers, first, last)
    known_of = _known(ground, [row["ticker"] for row in symbols], answers, rejected, names, listings)
    async for part, traded in _parts(connection, zip(symbols, known_of, strict=True), sessions):
        for row, known in part:
            own = traded.get(row["ticker"]) or _unbroken(row, sessions)
            yield row, find_missing(own, known, sessions, market)
            await asyncio.sleep(0)  # a millisecond each: others on the loop have their turn


def _first_place(row: asyncpg.Record, sessions: Ints) -> list[int]:
    if row["first_session"] is None:
        return []
    return [int(np.searchsorted(sessions, _day(row["first_session"])))]


async def _ground(connection: asyncpg.Connection, now: dt.datetime, calendar: Calendar | None = None) -> _Ground:
    generation, _ = await live_generation(connection)
    expected = expected_sessions(calendar or exchange_calendar(), now)
    rows = await connection.fetch(_MARKET_ANSWERS, generation.checkpoint)
    whole = answered(expected, (Answer(row["session"], row["session"], row["fetched_at"]) for row in rows))
    return _Ground(generation, expected, whole)


class _Answers(msgspec.Struct):
    """What answers about one ticker by name spoke of, and whether its newest bar traded over the counter."""

    spans: list[Answer]
    otc: bool = False
    newest_bar: dt.date = dt.date.min


async def _answers_by_ticker(
    connection: asyncpg.Connection, ground: _Ground, tickers: Sequence[str] | None
) -> Mapping[str, _Answers]:
    found: dict[str, _Answers] = {}
    for row in await connection.fetch(_RANGE_ANSWERS, tickers, ground.generation.checkpoint):
        own = found.setdefault(row["ticker"], _Answers([]))
        own.spans.append(Answer(row["from_date"], row["to_date"], row["fetched_at"]))
        if row["newest_bar"] is not None and row["newest_bar"] >= own.newest_bar:
            own.otc, own.newest_bar = row["otc"], row["newest_bar"]
    return found


def _answered_for(ground: _Ground, answers: Mapping[str, _Answers], ticker: str) -> Bools:
    """Tell of which sessions answers for a ticker spoke; those for the whole market leave out what trades otc."""
    own = answers.get(ticker)
    if own is None:
        return ground.whole_market
    by_name = answered(ground.expected, own.spans)
    return by_name if own.otc else by_name | ground.whole_market


def _known(
    ground: _Ground,
    tickers: Iterable[str],
    answers: Mapping[str, _Answers],
    rejected: Mapping[str, Ints],
    names: Mapping[str, Sequence[Security]],
    listings: Iterable[Listing],
) -> Iterator[Known]:
    active = {listing.ticker for listing in listings if listing.active}
    for ticker in tickers:
        yield Known(
            _answered_for(ground, answers, ticker),
            rejected.get(ticker, np.empty(0, np.int64)),
            list(_endings(ticker, names.get(ticker, ()))),
            ticker in active,
        )


def _endings(ticker: str, known: Sequence[Security]) -> Iterator[Ending]:
    for security in known:
        for place, span in enumerate(security.spans):
            if span.ticker != ticker or span.last is None:
                continue
            following = security.spans[place + 1 : place + 2]
            why = f"it became {following[0].ticker}" if following else "it was delisted"
            yield Ending(_day(span.last) + 1, f"{why} after {span.last}")


def _by_ticker(known: Iterable[Security]) -> Mapping[str, Sequence[Security]]:
    found: dict[str, list[Security]] = defaultdict(list)
    for security in known:
        for ticker in {span.ticker for span in security.spans}:
            found[ticker].append(security)
    return found


async def _rejected(connection: asyncpg.Connection, tickers: Sequence[str] | None) -> Mapping[str, Ints]:
    days: dict[str, list[int]] = defaultdict(list)
    for ticker, session in await connection.fetch(_REJECTED, tickers):
        days[ticker].append(_day(session))
    return {ticker: np.array(own, np.int64) for ticker, own in days.items()}


async def _market(
    connection: asyncpg.Connection,
    ground: _Ground,
    series: Sequence[asyncpg.Record],
    answers: Mapping[str, _Answers],
    own: Traded,
    known: Known,
) -> Market:
    """Return what the longest series say of the sessions that one symbol misses."""
    sessions = ground.expected.sessions
    missed = sessions[~ground.marks(own.day) & known.answered]
    missed = missed[missed > own.day[0]] if len(own.day) else missed[:0]
    if len(missed) == 0:
        return market_of([], len(sessions))
    first, last = (EPOCH + dt.timedelta(days=int(missed[place])) for place in (0, -1))
    return await _market_between(connection, ground, series, answers, first, last)


async def _market_between(
    connection: asyncpg.Connection,
    ground: _Ground,
    series: Sequence[asyncpg.Record],
    answers: Mapping[str, _Answers],
    first: dt.date,
    last: dt.date,
) -> Market:
    columns = await connection.fetch(_SESSIONS_BETWEEN, [row["ticker"] for row in series], first, last)
    days = {row["ticker"]: _days(row["session"]) for row in columns}
    sessions = ground.expected.sessions
    told = []
    for row in series:
        within = (sessions >= _day(row["first_session"])) & (sessions <= _day(row["last_session"]))
        has = ground.marks(days.get(row["ticker"], _NOTHING_TRADED.day))
        told.append((within & (has | _answered_for(ground, answers, row["ticker"])), has))
    return market_of(told, len(sessions))


_Part = list[tuple[asyncpg.Record, Known]]


async def _parts(
    connection: asyncpg.Connection, symbols: Iterable[tuple[asyncpg.Record, Known]], sessions: Ints
) -> AsyncIterator[tuple[_Part, Mapping[str, Traded]]]:
    """Yield symbols some at a time, with the bars of those for which a class depends on them."""
    part: _Part = []
    to_read: list[str] = []
    bars = 0
    for row, known in symbols:
        part.append((row, known))
        if _depends_on_bars(row, known, sessions):
            to_read.append(row["ticker"])
            bars += row["bars"]
        if bars >= _PART_BARS or len(part) >= _PART_SYMBOLS:
            yield part, await _read_bars(connection, to_read)
            part, to_read, bars = [], [], 0
    yield part, await _read_bars(connection, to_read)


def _depends_on_bars(row: asyncpg.Record, known: Known, sessions: Ints) -> bool:
    """Tell whether there is a hole between the first and the last bar, or an answer without a bar after the last."""
    bars: int = row["bars"]
    unbroken = _unbroken(row, sessions)
    if len(unbroken.day) == 0:
        return bars > 0
    after_last = int(np.searchsorted(sessions, unbroken.day[-1], side="right"))
    return bars != len(unbroken.day) or bool(known.answered[after_last:].any())


def _unbroken(row: asyncpg.Record, sessions: Ints) -> Traded:
    """Return a symbol's bars if it had one in every session from the first to the last, without what was traded."""
    if row["first_session"] is None:
        return _NOTHING_TRADED
    first, end = np.searchsorted(sessions, [_day(row["first_session"]), _day(row["last_session"]) + 1])
    day = sessions[first:end]
    return Traded(day, np.full(len(day), np.nan), np.full(len(day), np.nan), np.full(len(day), np.nan))


async def _read_bars(connection: asyncpg.Connection, tickers: Sequence[str]) -> Mapping[str, Traded]:
    return {
        row["ticker"]: Traded(
            _days(row["session"]), _floats(row["close"]), _floats(row["volume"]), _floats(row["trades"])
        )
        for row in await connection.fetch(_BAR_COLUMNS, tickers)
    }


def _day(date: dt.date) -> int:
    return (date - EPOCH).days


def _days(sent: bytes) -> Ints:
    return np.frombuffer(sent, ">i4").astype(np.int64) + _DAY_OF_2000


def _floats(sent: bytes) -> Floats:
    return np.frombuffer(sent, ">f8").astype(np.float64)
