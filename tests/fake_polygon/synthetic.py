"""A seeded market with known faults: the same seed, ticker and first session always give the same bars.

Each ticker's series depends on nothing but (seed, ticker, first), and a later `last` only adds to it. Joins the
tales of all tickers into a market, at an instant, and knows the answers. It must not know how the vendor serves it.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from tests.fake_polygon.answers import Answer, Answers, Restatement, episode_answers
from tests.fake_polygon.cast import DEFAULT_UNIVERSE, PREDECESSOR, SPECIAL_TICKERS, TEST_TICKERS, role_of
from tests.fake_polygon.errors import BadSyntheticMarket
from tests.fake_polygon.intraday import seen_at
from tests.fake_polygon.market import (
    EMPTY,
    BarColumns,
    MarketDay,
    MarketDividend,
    MarketHoliday,
    MarketSplit,
    MarketTicker,
    TickerEvent,
)
from tests.fake_polygon.sessions import (
    full_close_at,
    holidays_after,
    new_york_date,
    opens_at,
    sessions_between,
)
from tests.fake_polygon.store import BarStore
from tests.fake_polygon.tale import Tale, Timeline, tell
from tests.fake_polygon.walk import PRICE_TICKS, VOLUME_TICKS

FIRST = date(2021, 1, 4)
_AHEAD = timedelta(days=60)
_AT_THE_END = datetime(9999, 1, 1, tzinfo=UTC)


class SyntheticMarket:
    """A market made of a seed; `answers` lists every fault in it.

    Raises: BadSyntheticMarket for an empty or repeated universe, or a range without a session.
    """

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str] = (*DEFAULT_UNIVERSE, *SPECIAL_TICKERS),
        first: date = FIRST,
        *,
        last: date,
    ) -> None:
        if not symbols or len(set(symbols)) != len(symbols) or not all(symbols):
            raise BadSyntheticMarket("symbols", ",".join(symbols), "needs one or more symbols, each once")
        self._timeline = Timeline(sessions_between(first, last + _AHEAD), last)
        count = self._timeline.count
        if not count:
            raise BadSyntheticMarket("last", last, f"there is no XNYS session from {first} to then")
        self._ahead = self._timeline.ahead
        self._sessions = self._ahead[:count]
        self._seed = seed
        self._symbols = tuple(symbols)
        self._row = {ticker: row for row, ticker in enumerate(self._symbols)}
        self._store = BarStore(self._symbols, self._sessions)
        self._splits: dict[int, Sequence[MarketSplit]] = {}
        self._dividends: dict[int, Sequence[MarketDividend]] = {}
        self._restated_at = [_restated_at(s) for s in self._sessions]

    @property
    def name(self) -> str:
        """Which market this is: "synthetic seed=7"."""
        return f"synthetic seed={self._seed}"

    @property
    def first(self) -> date:
        """The first session."""
        return self._sessions[0]

    @property
    def last(self) -> date:
        """The last session."""
        return self._sessions[-1]

    @property
    def sessions(self) -> Sequence[date]:
        """Every XNYS session of the market."""
        return self._sessions

    def symbols(self) -> Sequence[str]:
        """Every ticker of the universe, in the order it was given."""
        return self._symbols

    def edition(self, as_of: datetime) -> Hashable:
        """Equal at two instants between which nothing was published."""
        today = new_york_date(as_of) if as_of < self._news[-1] else self._ahead[-1]
        live = today <= self.last and opens_at(today) <= as_of < full_close_at(today)
        # While a session is open its bars grow; to the minute is often enough.
        return bisect_right(self._news, as_of), as_of.replace(second=0, microsecond=0) if live else None

    def bars(self, ticker: str, as_of: datetime) -> BarColumns:
        """All bars of a ticker as published at an instant; none for a ticker outside the universe."""
        row = self._row.get(ticker)
        if row is None:
            return EMPTY
        self._fill(row)
        return seen_at(self._store.ticker(row, bisect_right(self._restated_at, as_of)), as_of)

    def grouped(self, session: date, as_of: datetime) -> MarketDay:
        """The bars of every ticker for one date as published at an instant."""
        self._fill_all()
        day = self._store.session(session, published=_restated_at(session) <= as_of)
        shown = seen_at(day.bars, as_of)
        return MarketDay(day.tickers if len(shown) else (), shown)

    def splits(self, as_of: datetime) -> Sequence[MarketSplit]:
        """The splits listed at an instant, by ticker and execution date."""
        self._fill_all()
        return [s for row in range(len(self._symbols)) for s in self._splits[row] if _listed(s, as_of)]

    def dividends(self, as_of: datetime) -> Sequence[MarketDividend]:
        """The dividends listed at an instant, by ticker and ex-date."""
        self._fill_all()
        every = (d for row in range(len(self._symbols)) for d in self._dividends[row])
        return [d for d in every if d.known_from is None or d.known_from <= as_of]

    def tickers(self) -> Sequence[MarketTicker]:
        """The reference list. As with the real vendor, the old ticker of a renamed security is not in it."""
        renamed = {PREDECESSOR[t] for t in self._symbols if t in PREDECESSOR}
        return [self._listing(t) for t in self._symbols if t not in renamed and self._shown(t)[0] <= self.last]

    def events(self, ticker: str) -> Sequence[TickerEvent]:
        """The tickers a security has had, newest first."""
        if ticker not in self._row:
            return ()
        now = TickerEvent(self._shown(ticker)[0], ticker)
        before = PREDECESSOR.get(ticker)
        return (now, TickerEvent(self.first, before)) if before else (now,)

    def holidays(self, after: date) -> Sequence[MarketHoliday]:
        """The exchange's closures and early closes of the year after a date."""
        return holidays_after(after)

    @cached_property
    def answers(self) -> Answers:
        """Every fault of this market, as seen once all restatements are published."""
        facts: list[Answer] = []
        restatements: list[Restatement] = []
        traded: set[tuple[str, date]] = set()
        for row, ticker in enumerate(self._symbols):
            tale = self._fill(row) or tell(self._seed, ticker, self._timeline)
            facts += episode_answers(ticker, tale.script, self._ahead, tale.span, tale.flawed)
            restatements += self._restatements(row, tale)
            traded |= {(ticker, s) for s in self.bars(ticker, _AT_THE_END).sessions.tolist()}
        splits, dividends = self.splits(_AT_THE_END), self.dividends(_AT_THE_END)
        actions = {(s.ticker, s.execution_date) for s in splits}
        actions |= {(d.ticker, d.ex_dividend_date) for d in dividends}
        facts += [Answer(ticker, session, "corporate_action") for ticker, session in actions & traded]
        return Answers(
            facts=tuple(sorted(facts)),
            restatements=tuple(restatements),
            splits=tuple(splits),
            dividends=tuple(dividends),
            test_tickers=frozenset(self._symbols) & frozenset(TEST_TICKERS),
        )

    @cached_property
    def _news(self) -> list[datetime]:
        """The instants at which something is published; announcements come at the close of a session."""
        closes = [full_close_at(s) for s in self._ahead[: len(self._sessions) + 12]]
        return sorted([*(opens_at(s) for s in self._sessions), *closes, *self._restated_at])

    def _fill(self, row: int) -> Tale | None:
        if self._store.has(row):
            return None
        tale = tell(self._seed, self._symbols[row], self._timeline)
        self._store.fill(row, tale.walk, slice(tale.span.first, tale.span.end), tale.flawed)
        self._splits[row], self._dividends[row] = tale.splits, tale.dividends
        return tale

    def _fill_all(self) -> None:
        if len(self._splits) < len(self._symbols):
            for row in range(len(self._symbols)):
                self._fill(row)

    def _restatements(self, row: int, tale: Tale) -> list[Restatement]:
        restated, first_close, first_volume = self._store.restated(row)
        return [
            Restatement(
                ticker=self._symbols[row],
                session=self._sessions[at],
                published_at=self._restated_at[at],
                first_close=int(close) / PRICE_TICKS,
                first_volume=int(volume) / VOLUME_TICKS,
                close=int(tale.walk.close[at]) / PRICE_TICKS,
                volume=int(tale.walk.volume[at]) / VOLUME_TICKS,
            )
            for at, close, volume in zip(restated.tolist(), first_close, first_volume, strict=True)
        ]

    def _shown(self, ticker: str) -> tuple[date, date | None]:
        """From which date on, and up to which date (exclusive), the ticker is listed."""
        role = role_of(ticker)
        listed = self._ahead[role.shown_from] if role.shown_from < len(self._ahead) else date.max
        until = role.shown_until
        return listed, self._sessions[until] if until is not None and until < len(self._sessions) else None

    def _listing(self, ticker: str) -> MarketTicker:
        role = role_of(ticker)
        listed, until = self._shown(ticker)
        digest = hashlib.sha256(ticker.encode()).hexdigest().upper()
        return MarketTicker(
            ticker=ticker,
            name=role.name,
            type=role.type,
            primary_exchange=role.exchange,
            list_date=listed,
            delisted_utc=None if until is None else datetime.combine(until, time(), UTC),
            composite_figi=f"BBG{digest[:9]}",
            cik=f"{int(digest[:8], 16) % 10**7:010d}",
        )


def _restated_at(session: date) -> datetime:
    """16:00 UTC of the next day: a nightly run sees the first values, the next one the final ones."""
    return datetime.combine(session + timedelta(days=1), time(16), UTC)


def _listed(split: MarketSplit, as_of: datetime) -> bool:
    since = split.known_from is None or split.known_from <= as_of
    return since and (split.known_until is None or as_of < split.known_until)
