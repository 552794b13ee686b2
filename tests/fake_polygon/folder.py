"""A market read from a folder of recorded bars, as little of it as is asked for.

Layout: bars/SYMBOL.csv (date,open,high,low,close,volume; the file's name is the ticker, case and all), splits.csv,
dividends.csv, grouped/YYYY-MM-DD.csv.gz and grouped_revisions.csv.gz (see `published_days`). There is no vwap and no
trade count, so the vendor leaves both out. It must not know the wire.
"""

from collections.abc import Hashable, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from tests.fake_polygon.errors import NoMarketInFolder, UnknownSymbol
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
from tests.fake_polygon.market_files import bar_file, dividend_file, first_date, last_date, split_file
from tests.fake_polygon.published_days import PublishedDays
from tests.fake_polygon.sessions import full_close_at, holidays_after

_FUNDS = frozenset({"SPY", "QQQ", "IWM", "EEM", "VTI", "TLT", "DIA", "GLD"})


class FolderMarket:
    """The market in a folder; but for the names of the files nothing is read before it is asked for.

    `symbols` leaves out the other bar files; the whole-market days stay whole.
    Raises: NoMarketInFolder where there are no bars; UnknownSymbol for one without a file. Reading raises
    BadMarketFile.
    """

    def __init__(self, path: Path | str, symbols: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        files = {file.stem: file for file in sorted(self.path.glob("bars/*.csv"))}
        self._published = PublishedDays(self.path)
        if not files and not self._published.dates:
            raise NoMarketInFolder(self.path)
        unknown = [symbol for symbol in symbols or () if symbol not in files]
        if unknown:
            raise UnknownSymbol(self.path, unknown[0])
        self._files = files if symbols is None else {symbol: files[symbol] for symbol in symbols}
        self._bars: dict[str, BarColumns] = {}

    @property
    def name(self) -> str:
        """Which market this is: "folder"."""
        return "folder"

    @cached_property
    def first(self) -> date:
        """The first date with a bar."""
        return min([*map(first_date, self._files.values()), *self._published.dates[:1]])

    @cached_property
    def last(self) -> date:
        """The last date with a bar."""
        return max([*map(last_date, self._files.values()), *self._published.dates[-1:]])

    def symbols(self) -> Sequence[str]:
        """Every ticker with a file of its own; where there is none, those of the newest whole-market day."""
        return list(self._files) or self._published.tickers()

    def edition(self, as_of: datetime) -> Hashable:
        """Equal at two instants between which nothing was published."""
        if as_of >= self._settled_at:
            return "settled"
        # Until then a bar may grow at any minute of a session.
        return as_of.replace(second=0, microsecond=0)

    def bars(self, ticker: str, as_of: datetime) -> BarColumns:
        """All bars of a ticker as published at an instant: from its own file, else from the whole-market days."""
        if ticker in self._files:
            return seen_at(self._own_bars(ticker), as_of)
        return self._published.ticker(ticker, as_of)

    def grouped(self, session: date, as_of: datetime) -> MarketDay:
        """The bars of one date: from that day's whole-market file, else of every ticker with a file of its own."""
        if session in self._published.dates:
            return self._published.market(session, as_of)
        tickers: list[str] = []
        bars = EMPTY
        for ticker in self._files:
            own = self._own_bars(ticker)
            found = own.take(own.sessions == np.datetime64(session, "D"))
            if len(found):
                tickers += [ticker] * len(found)
                bars = bars.followed_by(found)
        shown = seen_at(bars, as_of)
        return MarketDay(tickers if len(shown) else (), shown)

    def splits(self, as_of: datetime) -> Sequence[MarketSplit]:
        """Every split of the folder; when each was announced is not recorded."""
        return self._splits

    def dividends(self, as_of: datetime) -> Sequence[MarketDividend]:
        """Every dividend of the folder; when each was declared is not recorded."""
        return self._dividends

    def tickers(self) -> Sequence[MarketTicker]:
        """The tickers with a file of their own, and those of the newest whole-market day."""
        listed = dict.fromkeys([*self._files, *self._published.tickers()])
        return [self._listing(ticker) for ticker in listed]

    def events(self, ticker: str) -> Sequence[TickerEvent]:
        """The ticker itself since its first bar: the folder records no renames."""
        if ticker in self._files:
            return (TickerEvent(first_date(self._files[ticker]), ticker),)
        return (TickerEvent(self.first, ticker),) if ticker in self._published.tickers() else ()

    def holidays(self, after: date) -> Sequence[MarketHoliday]:
        """The exchange's closures and early closes of the year after a date."""
        return holidays_after(after)

    @cached_property
    def _settled_at(self) -> datetime:
        return full_close_at(max(self.last, self._published.newest_publication or self.last))

    @cached_property
    def _splits(self) -> Sequence[MarketSplit]:
        return split_file(self.path / "splits.csv")

    @cached_property
    def _dividends(self) -> Sequence[MarketDividend]:
        return dividend_file(self.path / "dividends.csv")

    def _own_bars(self, ticker: str) -> BarColumns:
        if ticker not in self._bars:
            self._bars[ticker] = bar_file(self._files[ticker])
        return self._bars[ticker]

    def _listing(self, ticker: str) -> MarketTicker:
        own = self._files.get(ticker)
        return MarketTicker(
            ticker=ticker,
            name=ticker,
            type="ETF" if ticker in _FUNDS else "CS",
            primary_exchange=None,
            list_date=None if own is None else first_date(own),
        )
