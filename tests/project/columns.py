"""Bars as columns, made of plain rows a test can read. It knows the shape of columns and nothing of verdicts."""

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from project.judged import JudgedBars
from project.rows import BarRows, Tickers, no_rows, sort_keys

EPOCH = dt.date(1970, 1, 1)
SESSIONS = exchange_calendar().between(dt.date(2024, 1, 2), dt.date(2024, 12, 31))


class Said(msgspec.Struct, frozen=True):
    """What one payload says of one bar; prices may be one number for all four."""

    ticker: str
    session: dt.date
    prices: float | tuple[float, float, float, float] = 10.0
    volume: float = 1000.0
    vwap: float | None = None
    trades: float | None = None
    archive_seq: int = 1
    known_from: int = 0

    @property
    def values(self) -> tuple[float, ...]:
        """The seven values in the order of columns, NaN for what was left out."""
        ohlc = (self.prices,) * 4 if isinstance(self.prices, int | float) else self.prices
        optional = (np.nan if value is None else value for value in (self.vwap, self.trades))
        return (*ohlc, self.volume, *optional)


def columns(said: Sequence[Said], tickers: Tickers) -> BarRows:
    """Return rows as columns, in the order given."""
    if not said:
        return no_rows()
    return BarRows(
        tickers.codes([row.ticker for row in said]),
        np.array([(row.session - EPOCH).days for row in said], np.int64),
        np.array([row.values for row in said], np.float64).T.copy(),
        np.array([row.archive_seq for row in said], np.int64),
        np.array([row.known_from for row in said], np.int64),
    )


def in_order(rows: BarRows, tickers: Tickers) -> BarRows:
    """Return rows in order of (ticker, session)."""
    return rows.take(np.argsort(sort_keys(rows.ticker, rows.day, tickers.ranks()), kind="stable"))


def one_a_session(
    ticker: str, prices: Iterable[float | tuple[float, float, float, float]], volumes: Iterable[float] | None = None
) -> list[Said]:
    """Return bars of one ticker in consecutive sessions of 2024."""
    prices = list(prices)
    traded = [1000.0] * len(prices) if volumes is None else list(volumes)
    return [Said(ticker, *row) for row in zip(SESSIONS[: len(prices)], prices, traded, strict=True)]


def nothing_judged() -> JudgedBars:
    """Return no bars with their verdicts."""
    nothing = np.empty(0)
    return JudgedBars(no_rows(), nothing, nothing, nothing.astype(np.int64), nothing, nothing.astype(np.bool_))
