"""What the prices did around a date: the bars of a ticker next to an ex-date, and the moves between them.

Everything is looked up for many dates at once, and nothing beyond a window of days is looked at but the one bar
before its first. This file knows bars and dates; what a move means is for others to say.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from project.rows import CLOSE, OPEN, BarRows, Bools, Floats, Ints, Tickers, sort_keys

WINDOW_DAYS = 10
"""How far from a date a bar can tell what happened on it."""
OFFSETS = (0, -1, 1, -2, 2, -3, 3)
"""The bars looked at: the first one from the date on, then its neighbours, the nearest first."""

_UNKNOWN = -1


class Around(msgspec.Struct, frozen=True):
    """The bars around some dates, one entry each.

    Shape: `codes` and `day` are the ticker and the date; `place` is that of the first bar from the date on; `traded`
    tells whether it lies within the window; `close` is that of the bar before, `move` the bar's open / that close, as
    traded, NaN where one of them is missing or not positive.
    """

    codes: Ints
    day: Ints
    place: Ints
    traded: Bools
    close: Floats
    move: Floats


class Neighbours(msgspec.Struct, frozen=True):
    """The bars of OFFSETS around some dates.

    Shape: three arrays (n, len(OFFSETS)): the session of each bar, the close before it, and its open / that close;
    NaN where there is no such bar within the window.
    """

    day: Ints
    close: Floats
    move: Floats


class Prices:
    """Current bars, unadjusted, in order of (ticker, session)."""

    def __init__(self, bars: BarRows, tickers: Tickers) -> None:
        self._ranks = tickers.ranks()
        self._codes = {name: code for code, name in enumerate(tickers.names)}
        self._keys = sort_keys(bars.ticker, bars.day, self._ranks)
        self._bars = bars

    def around(self, names: Sequence[str], day: Ints) -> Around:
        """Return the bars around each date of a ticker; none of one without a number."""
        codes = np.fromiter((self._codes.get(name, _UNKNOWN) for name in names), np.int64, len(names))
        known = codes != _UNKNOWN
        place = np.zeros(len(day), np.int64)
        place[known] = np.searchsorted(self._keys, sort_keys(codes[known], day[known], self._ranks))
        traded = self._are_of(place, codes) & (self._day(place) <= day + WINDOW_DAYS)
        before = self._are_of(place - 1, codes) & (traded | (self._day(place - 1) >= day - WINDOW_DAYS))
        close = np.where(before, self._price(CLOSE, place - 1), np.nan)
        move = np.where(traded, self._price(OPEN, place), np.nan) / close
        return Around(codes, day, place, traded, close, move)

    def neighbours(self, around: Around, chosen: Ints | Bools) -> Neighbours:
        """Return the bars of OFFSETS around the chosen dates."""
        codes, day = around.codes[chosen, None], around.day[chosen, None]
        places = around.place[chosen, None] + np.array(OFFSETS)
        there = around.traded[chosen, None] & self._are_of(places, codes) & self._are_of(places - 1, codes)
        days = self._day(places)
        there &= np.abs(days - day) <= WINDOW_DAYS
        close = np.where(there, self._price(CLOSE, places - 1), np.nan)
        return Neighbours(days, close, np.where(there, self._price(OPEN, places), np.nan) / close)

    def _are_of(self, places: Ints, codes: Ints) -> Bools:
        inside = (places >= 0) & (places < len(self._bars))
        return np.asarray(inside & (_at(self._bars.ticker, places) == codes))

    def _day(self, places: Ints) -> Ints:
        return _at(self._bars.day, places)

    def _price(self, column: int, places: Ints) -> Floats:
        price = np.asarray(self._bars.values[column], np.float64)
        found = price[_inside(places, len(price))] if len(price) else np.full(places.shape, np.nan)
        return np.where(found > 0, found, np.nan)


def _at(column: Ints, places: Ints) -> Ints:
    if len(column) == 0:
        return np.full(places.shape, _UNKNOWN, np.int64)
    return np.asarray(column[_inside(places, len(column))])


def _inside(places: Ints, count: int) -> Ints:
    return np.clip(places, 0, count - 1)
