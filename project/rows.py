"""Bars as columns: the shape in which rows travel from payload to table, and the names of their tickers.

Everything between decoding and loading works on whole columns; this module holds the columns and how to cut, join
and order them. It knows no payload and no database.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

VALUES = ("open", "high", "low", "close", "volume", "vwap", "trades")
OPEN, HIGH, LOW, CLOSE, VOLUME, VWAP, TRADES = range(7)
REQUIRED = 5  # the first five must be numbers; the vendor may leave out vwap and trades

# Sorting by (ticker, session) is sorting one integer: the ticker's rank above, the day below.
_DAY_BITS = 24
_DAY_ZERO = 1 << (_DAY_BITS - 1)


class Tickers:
    """Tickers by small numbers, in the order in which they were first met; case and every byte count."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._codes = {name: code for code, name in enumerate(self.names)}
        self._ranks: Ints = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self.names)

    def code(self, name: str) -> int:
        """Return the number of a ticker, giving it the next one if it is new."""
        code = self._codes.setdefault(name, len(self.names))
        if code == len(self.names):
            self.names.append(name)
        return code

    def codes(self, names: Sequence[str]) -> Ints:
        """Return the numbers of many tickers."""
        try:
            return np.fromiter(map(self._codes.__getitem__, names), np.int64, len(names))
        except KeyError:  # which is rare: in an archive tickers come again and again
            return np.fromiter(map(self.code, names), np.int64, len(names))

    def ranks(self) -> Ints:
        """Return for each number its place in byte order, the order of COLLATE "C"."""
        if len(self._ranks) != len(self.names):
            order = sorted(range(len(self.names)), key=lambda code: self.names[code].encode())
            self._ranks = np.empty(len(order), np.int64)
            self._ranks[order] = np.arange(len(order))
        return self._ranks


class BarRows(msgspec.Struct, frozen=True):
    """Rows that are bars, as columns of equal length n.

    Shape: ticker int64 (numbers of a Tickers), day int64 (days since 1970-01-01), values float64 (7, n) in the order
    of VALUES with NaN for what the vendor left out, archive_seq int64, known_from int64 (µs since 1970, UTC).
    """

    ticker: Ints
    day: Ints
    values: Floats
    archive_seq: Ints
    known_from: Ints

    def __len__(self) -> int:
        return len(self.ticker)

    def take(self, places: Ints | Bools | slice) -> "BarRows":
        """Return the rows at some places; all of them are not copied."""
        if is_everything(places, len(self)):
            return self
        return BarRows(
            self.ticker[places],
            self.day[places],
            _columns_at(self.values, places),
            self.archive_seq[places],
            self.known_from[places],
        )


def _columns_at(values: Floats, places: Ints | Bools | slice) -> Floats:
    # Each column stays one piece of memory, which plain indexing does not keep.
    if isinstance(places, slice):
        return values[:, places]
    return values.compress(places, axis=1) if places.dtype == np.bool_ else values.take(places, axis=1)


def is_everything(places: Ints | Bools | slice, count: int) -> bool:
    """Tell whether places are those of all of so many rows, in order."""
    if isinstance(places, slice):
        return places == slice(None)
    if places.dtype == np.bool_:
        return bool(places.all())
    return len(places) == count and bool(np.all(places == np.arange(count)))


def no_rows() -> BarRows:
    """Return no rows."""
    return BarRows(
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty((len(VALUES), 0)),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
    )


def join(parts: Sequence[BarRows]) -> BarRows:
    """Return the rows of all parts, one after the other."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return no_rows()
    if len(parts) == 1:
        return parts[0]
    return BarRows(
        np.concatenate([part.ticker for part in parts]),
        np.concatenate([part.day for part in parts]),
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.archive_seq for part in parts]),
        np.concatenate([part.known_from for part in parts]),
    )


def sort_keys(ticker: Ints, day: Ints, ranks: Ints) -> Ints:
    """Return one integer a row that orders rows by ticker (byte order), then by day."""
    return np.asarray((ranks[ticker] << _DAY_BITS) + day + _DAY_ZERO)


def key_ranks(keys: Ints) -> Ints:
    """Return the ticker's rank that a sort key holds."""
    return keys >> _DAY_BITS


def starts_of_runs(column: Ints) -> Bools:
    """Tell for each row whether its value differs from the row before; the first row always starts a run."""
    starts = np.ones(len(column), np.bool_)
    starts[1:] = column[1:] != column[:-1]
    return starts
