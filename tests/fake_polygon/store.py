"""The synthetic bars of many tickers at once, dense and small, read by ticker or by session.

One row per ticker, one column per session, in integer ticks: 33 bytes a bar, and untouched rows cost no memory.
It must not know how bars come about, nor the vendor.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from tests.fake_polygon.flaws import FlawedRows
from tests.fake_polygon.market import ABSENT, EMPTY, BarColumns, Floats, MarketDay
from tests.fake_polygon.walk import PRICE_TICKS, VOLUME_TICKS, Walk

_Cells = npt.NDArray[np.int64]
_First = tuple[_Cells, _Cells, _Cells]  # session indices, first closes, first volumes


class BarStore:
    """Bars of a fixed set of tickers and sessions, filled ticker by ticker."""

    def __init__(self, tickers: Sequence[str], sessions: Sequence[date]) -> None:
        self._tickers = tickers
        self._sessions = sessions
        self._days = np.array(sessions, dtype="datetime64[D]")
        shape = (len(tickers), len(sessions))
        self._prices = [np.zeros(shape, np.int32) for _ in ("open", "high", "low", "close", "vwap")]
        self._volume = np.zeros(shape, np.int64)
        self._trades = np.zeros(shape, np.int32)
        self._present = np.zeros(shape, bool)
        self._first: dict[int, _First] = {}
        self._flawed: dict[int, list[FlawedRows]] = {}
        self._flawed_on: dict[date, list[tuple[int, FlawedRows]]] = defaultdict(list)
        self._filled = np.zeros(len(tickers), bool)

    def has(self, row: int) -> bool:
        """Whether that ticker was filled."""
        return bool(self._filled[row])

    def fill(self, row: int, walk: Walk, shown: slice, flawed: Sequence[FlawedRows]) -> None:
        """Take one ticker's walk, of which only the `shown` session indices have bars."""
        n = len(self._sessions)
        for column, ticks in zip(self._prices, (walk.open, walk.high, walk.low, walk.close, walk.vwap), strict=True):
            column[row] = ticks[:n]
        self._volume[row], self._trades[row] = walk.volume[:n], walk.trades[:n]
        self._present[row, shown] = walk.present[:n][shown]
        self._flawed[row] = list(flawed)
        for rows in flawed:
            at = bisect_left(self._sessions, rows.session)
            if at < n and self._sessions[at] == rows.session:
                self._present[row, at] = False
            self._flawed_on[rows.session].append((row, rows))
        restated = np.flatnonzero(walk.restated[:n] & self._present[row])
        self._first[row] = (restated, walk.first_close[restated], walk.first_volume[restated])
        self._filled[row] = True

    def restated(self, row: int) -> _First:
        """Return the session indices of a ticker's restated bars, and their first closes and volumes in ticks."""
        return self._first[row]

    def ticker(self, row: int, unpublished: int) -> BarColumns:
        """Return a ticker's bars; restatements of sessions from index `unpublished` on are not yet known."""
        at = np.flatnonzero(self._present[row])
        bars = self._bars(row, at, self._days[at])
        restated, first_close, first_volume = self._first[row]
        late = restated >= unpublished
        if late.any():
            where = np.searchsorted(at, restated[late])
            bars.close[where] = first_close[late] / PRICE_TICKS
            bars.volume[where] = first_volume[late] / VOLUME_TICKS
        flawed = self._flawed[row]
        if not flawed:
            return bars
        extra = BarColumns.of(r for rows in flawed for r in rows.rows)
        every = bars.followed_by(extra)
        return every.take(np.argsort(every.sessions, kind="stable"))

    def session(self, day: date, *, published: bool) -> MarketDay:
        """Return the market of one date; with `published` False as before its restatements."""
        at = bisect_left(self._sessions, day)
        tickers: list[str] = []
        bars = EMPTY
        if at < len(self._sessions) and self._sessions[at] == day:
            rows = np.flatnonzero(self._present[:, at])
            tickers = [self._tickers[row] for row in rows.tolist()]
            bars = self._bars(rows, at, np.full(len(rows), np.datetime64(day, "D")))
            if not published:
                self._unrestate(bars, rows, at)
        extra = self._flawed_on.get(day, [])
        if extra:
            tickers += [self._tickers[row] for row, flawed in extra for _ in flawed.rows]
            bars = bars.followed_by(BarColumns.of(r for _, flawed in extra for r in flawed.rows))
        return MarketDay(tickers, bars)

    def _unrestate(self, bars: BarColumns, rows: _Cells, at: int) -> None:
        for where, row in enumerate(rows.tolist()):
            restated, first_close, first_volume = self._first[row]
            k = int(np.searchsorted(restated, at))
            if k < len(restated) and restated[k] == at:
                bars.close[where] = first_close[k] / PRICE_TICKS
                bars.volume[where] = first_volume[k] / VOLUME_TICKS

    def _bars(self, row: int | _Cells, at: int | _Cells, days: npt.NDArray[np.datetime64]) -> BarColumns:
        opened, high, low, close, vwap = (column[row, at] / PRICE_TICKS for column in self._prices)
        trades: Floats = self._trades[row, at].astype(np.float64)
        vwap[vwap == 0] = ABSENT
        trades[trades == 0] = ABSENT
        return BarColumns(days, opened, high, low, close, self._volume[row, at] / VOLUME_TICKS, vwap, trades)
