"""What the fake vendor has to sell: bars in columns, corporate actions and tickers, as known at an instant.

This is the vocabulary between a market (where values come from) and the vendor (how they are sold). It must not
know JSON, HTTP, plans or faults of the transport.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]

# Two markers in the number columns. Neither can be sent as JSON, so no real value is lost to them.
ABSENT = math.nan  # the vendor leaves the field out of the row
NULL = math.inf  # the vendor sends the field as null

NUMBER_FIELDS = ("open", "high", "low", "close", "volume", "vwap", "trades")


_EPOCH = date(1970, 1, 1).toordinal()


def days(dates: Iterable[date]) -> Days:
    """Return dates as an array; numpy's own conversion takes ten times as long."""
    return (np.fromiter((day.toordinal() for day in dates), np.int64) - _EPOCH).astype("datetime64[D]")


class MarketBar(msgspec.Struct, frozen=True):
    """One published bar, as traded.

    Units: prices USD/share; volume in shares, fractional since February 2026; trades is a count. None: not sent.
    """

    session: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    vwap: float | None = None
    trades: float | None = None


class BarRow(NamedTuple):
    """One row for `BarColumns.of`; its floats may be ABSENT or NULL."""

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float = ABSENT
    trades: float = ABSENT


class BarColumns(msgspec.Struct, frozen=True, eq=False):
    """Bars as one array per field, in the order the vendor publishes them.

    Shape: every array has the same length; `sessions` is datetime64[D]; the numbers may be ABSENT or NULL.
    """

    sessions: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats

    @classmethod
    def of(cls, rows: Iterable[BarRow]) -> "BarColumns":
        """Return the rows as columns, in the same order."""
        listed = list(rows)
        numbers = np.array([row[1:] for row in listed], dtype=np.float64).reshape(len(listed), 7)
        return cls(days(row.session for row in listed), *(np.ascontiguousarray(numbers[:, i]) for i in range(7)))

    def __len__(self) -> int:
        return len(self.sessions)

    def numbers(self) -> tuple[Floats, ...]:
        """Return the seven number columns in the order of `NUMBER_FIELDS`."""
        return self.open, self.high, self.low, self.close, self.volume, self.vwap, self.trades

    def take(self, which: Any) -> "BarColumns":
        """Return the rows that an index array, a mask or a slice selects."""
        return BarColumns(self.sessions[which], *(column[which] for column in self.numbers()))

    def followed_by(self, other: "BarColumns") -> "BarColumns":
        """Return these rows and then the other's."""
        pairs = zip(self.numbers(), other.numbers(), strict=True)
        joined = (np.concatenate(pair) for pair in pairs)
        return BarColumns(np.concatenate((self.sessions, other.sessions)), *joined)

    def records(self) -> list[MarketBar]:
        """Return one `MarketBar` per row, with None for every number that is not sent."""
        columns = [[x if math.isfinite(x) else None for x in c.tolist()] for c in self.numbers()]
        return [MarketBar(*row) for row in zip(self.sessions.tolist(), *columns, strict=True)]


EMPTY = BarColumns.of(())


class MarketDay(msgspec.Struct, frozen=True, eq=False):
    """The whole market of one date: `tickers[i]` is the ticker of row i of `bars`."""

    tickers: Sequence[str]
    bars: BarColumns


class MarketSplit(msgspec.Struct, frozen=True):
    """One split as announced: `split_from` old shares become `split_to` new ones on the execution date.

    The vendor lists it from `known_from` until `known_until` (a revised or cancelled announcement); None: always.
    """

    ticker: str
    execution_date: date
    split_from: float
    split_to: float
    known_from: datetime | None = None
    known_until: datetime | None = None


class MarketDividend(msgspec.Struct, frozen=True):
    """One cash dividend per share, as paid (unadjusted).

    Units: USD/share; frequency is payments per year, 0 for a special one; dividend_type is CD or SC.
    """

    ticker: str
    ex_dividend_date: date
    cash_amount: float
    frequency: int = 4
    dividend_type: str = "CD"
    declaration_date: date | None = None
    record_date: date | None = None
    pay_date: date | None = None
    known_from: datetime | None = None


class MarketTicker(msgspec.Struct, frozen=True):
    """One security of the reference list, under the last ticker it traded with."""

    ticker: str
    name: str
    type: str | None = "CS"
    primary_exchange: str | None = "XNAS"
    list_date: date | None = None
    delisted_utc: datetime | None = None
    composite_figi: str | None = None
    cik: str | None = None

    @property
    def active(self) -> bool:
        """Whether the ticker is still listed at the end of the market."""
        return self.delisted_utc is None


class TickerEvent(msgspec.Struct, frozen=True):
    """From `day` on the security trades under `ticker`."""

    day: date
    ticker: str


class MarketHoliday(msgspec.Struct, frozen=True):
    """A weekday on which the exchange does not open, or closes early at `closes_at` (UTC)."""

    day: date
    name: str
    closes_at: datetime | None = None


class Market(Protocol):
    """Everything the vendor can be asked, as it would answer at the instant `as_of` (UTC)."""

    @property
    def name(self) -> str:
        """What this market is, for people: "synthetic seed=7"."""

    @property
    def first(self) -> date:
        """The first date with a bar."""

    @property
    def last(self) -> date:
        """The last date with a bar."""

    def symbols(self) -> Sequence[str]:
        """Every ticker that has bars, in a stable order."""

    def edition(self, as_of: datetime) -> Hashable:
        """A value that is equal at two instants only if nothing was published between them."""

    def bars(self, ticker: str, as_of: datetime) -> BarColumns:
        """All bars of a ticker, oldest first; none for a ticker the market does not have."""

    def grouped(self, session: date, as_of: datetime) -> MarketDay:
        """The bars of every ticker for one date."""

    def splits(self, as_of: datetime) -> Sequence[MarketSplit]:
        """The splits listed at that instant, announced ones included."""

    def dividends(self, as_of: datetime) -> Sequence[MarketDividend]:
        """The dividends listed at that instant, declared ones included."""

    def tickers(self) -> Sequence[MarketTicker]:
        """The reference list, delisted tickers included."""

    def events(self, ticker: str) -> Sequence[TickerEvent]:
        """The tickers a security has had, newest first; none where the market knows of no such ticker."""

    def holidays(self, after: date) -> Sequence[MarketHoliday]:
        """The closures and early closes of the year after a date."""
