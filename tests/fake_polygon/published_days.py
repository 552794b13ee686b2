"""Whole-market days as they were published, one file a day, with the later restatements of their bars.

Publication is dated, not timed, in these files: what appeared on a day appeared at 16:00 New York here. It must not
know tickers' own bar files.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from sys import intern

import msgspec
import numpy as np

from tests.fake_polygon.market import EMPTY, BarColumns, Days, MarketDay, days
from tests.fake_polygon.market_files import find_row, read_bars, read_columns
from tests.fake_polygon.sessions import full_close_at, new_york_date

_OHLCV = ("open", "high", "low", "close", "volume")


class _Published(msgspec.Struct, frozen=True, eq=False):
    """Bars by ticker, in the order of their tickers, and the day from which on each reads like this."""

    tickers: list[str]
    bars: BarColumns
    since: Days

    def find(self, ticker: str) -> int | None:
        at = bisect_left(self.tickers, ticker)
        return at if at < len(self.tickers) and self.tickers[at] == ticker else None


class PublishedDays:
    """The days of grouped/ in a market folder; each is read when first asked for."""

    def __init__(self, folder: Path) -> None:
        found = sorted(folder.glob("grouped/*.csv.gz"))
        self._files = {date.fromisoformat(file.name.removesuffix(".csv.gz")): file for file in found}
        self._revision_file = folder / "grouped_revisions.csv.gz"
        self._days: dict[date, _Published] = {}

    @property
    def dates(self) -> Sequence[date]:
        """The dates there are files for, oldest first."""
        return list(self._files)

    @cached_property
    def newest_publication(self) -> date | None:
        """The day on which the last of it was published, where anything was."""
        revised = [bars.since.max().item() for bars in self._revisions.values()]
        return max([*revised, *self.dates], default=None)

    def tickers(self) -> Sequence[str]:
        """The tickers of the newest day."""
        return self._day(self.dates[-1]).tickers if self._files else ()

    def market(self, day: date, as_of: datetime) -> MarketDay:
        """Return one day's market as it read at an instant."""
        published, shown = self._day(day), np.datetime64(_shown_until(as_of), "D")
        visible = np.flatnonzero(published.since <= shown)
        tickers = [published.tickers[at] for at in visible.tolist()]
        bars = published.bars.take(visible)
        revised = self._revisions.get(day)
        if revised is None:
            return MarketDay(tickers, bars)
        for at in np.flatnonzero(revised.since <= shown).tolist():
            where = bisect_left(tickers, revised.tickers[at])
            if where < len(tickers) and tickers[where] == revised.tickers[at]:
                for column, restated in zip(bars.numbers()[:5], revised.bars.numbers()[:5], strict=True):
                    column[where] = restated[at]
        return MarketDay(tickers, bars)

    def ticker(self, ticker: str, as_of: datetime) -> BarColumns:
        """Return one ticker's bars of all days as they read at an instant."""
        bars, shown = EMPTY, _shown_until(as_of)
        for day, file in self._files.items():
            revised = self._revisions.get(day)
            at = revised.find(ticker) if revised else None
            if revised and at is not None and revised.since[at].item() <= shown:
                bars = bars.followed_by(revised.bars.take([at]))
                continue
            # A whole day is 6,000 rows; of one ticker's year only its own are worth parsing.
            row = find_row(file, ticker)
            if row is not None and _compact(row["published"]) <= shown:
                bars = bars.followed_by(read_bars(file, [[row[name]] for name in _OHLCV], [day]))
        return bars

    def _day(self, day: date) -> _Published:
        if day not in self._days:
            file = self._files[day]
            tickers, since, *columns = read_columns(file, ("symbol", "published", *_OHLCV))
            bars = read_bars(file, columns, [day] * len(tickers))
            self._days[day] = _sorted(tickers, bars, since)
        return self._days[day]

    @cached_property
    def _revisions(self) -> Mapping[date, _Published]:
        if not self._revision_file.exists():
            return {}
        names = ("symbol", "rev_file", "date", *(f"rev_{name}" for name in _OHLCV))
        tickers, since, dates, *columns = read_columns(self._revision_file, names)
        bars = read_bars(self._revision_file, columns, [_iso(day) for day in dates])
        by_day = np.argsort(bars.sessions, kind="stable")
        starts = np.flatnonzero(np.diff(bars.sessions[by_day], prepend=np.datetime64("NaT"))).tolist()
        found = {}
        for rows in np.split(by_day, starts[1:]):
            mine = rows.tolist()
            day: date = bars.sessions[mine[0]].item()
            found[day] = _sorted([tickers[at] for at in mine], bars.take(rows), [since[at] for at in mine])
        return found


def _sorted(tickers: list[str], bars: BarColumns, since: list[str]) -> _Published:
    order = sorted(range(len(tickers)), key=tickers.__getitem__)
    # The same few thousand tickers come on every day.
    return _Published(
        [intern(tickers[at]) for at in order], bars.take(order), days(_compact(since[at]) for at in order)
    )


def _shown_until(as_of: datetime) -> date:
    """Return the newest day whose publications are out."""
    today = new_york_date(as_of)
    return today if full_close_at(today) <= as_of else today - timedelta(days=1)


@cache
def _compact(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


@cache
def _iso(text: str) -> date:
    return date.fromisoformat(text)
