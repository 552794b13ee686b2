"""Rows of bars on disk between decoding and folding, so that memory does not grow with the archive.

Rows are written in runs, each in order of ticker, so that all rows of some tickers are one slice of every run. A file
has no name: it is gone with the last process that holds it open, however that ends.
"""

import os
import tempfile
from collections.abc import Sequence
from typing import BinaryIO

import msgspec
import numpy as np

from project.errors import SpoolFull
from project.rows import VALUES, BarRows, Ints, Tickers, sort_keys, starts_of_runs

_COLUMNS = 3 + len(VALUES)
_ITEM_BYTES = 8


class Run(msgspec.Struct, frozen=True):
    """Rows of a file from `offset` (bytes) on, in order of (ticker, session), column after column.

    Shape: `codes` has the number of each ticker once; rows of the k-th are those from `bounds[k]` to `bounds[k + 1]`.
    """

    offset: int
    codes: Ints
    bounds: Ints

    def __len__(self) -> int:
        return int(self.bounds[-1])

    @property
    def end(self) -> int:
        """The offset of what comes after it in the file."""
        return self.offset + _COLUMNS * _ITEM_BYTES * len(self)


class Spooled(msgspec.Struct, frozen=True):
    """A run as it is read: the file it is in, and the ranks of its tickers among all, ascending."""

    file: BinaryIO
    run: Run
    ranks: Ints


def open_spool() -> BinaryIO:
    """Return a file without a name in the folder for temporary files (TMPDIR)."""
    return tempfile.TemporaryFile(prefix="warehouse-project-", buffering=0)


def write_run(file_descriptor: int, offset: int, rows: BarRows, tickers: Tickers) -> Run:
    """Write rows, at least one, into a file at `offset`.

    Raises: SpoolFull.
    """
    rows = rows.take(np.argsort(sort_keys(rows.ticker, rows.day, tickers.ranks()), kind="stable"))
    starts = np.flatnonzero(starts_of_runs(rows.ticker))
    run = Run(offset, rows.ticker[starts], np.append(starts, len(rows)))
    try:
        for place, column in enumerate((rows.day, rows.archive_seq, rows.known_from, *rows.values)):
            _write(file_descriptor, np.ascontiguousarray(column).data.cast("B"), _place_of(run, place, 0))
    except OSError as exc:
        raise SpoolFull(tempfile.gettempdir(), exc.strerror or "cannot write") from exc
    return run


def read_spooled(spooled: Sequence[Spooled], by_rank: Ints, first_rank: int, last_rank: int) -> BarRows:
    """Return the rows of the tickers of some ranks, `last_rank` not included, one run after the other.

    `by_rank` gives the number of the ticker of each rank.
    """
    slices = []
    for each in spooled:
        first, last = np.searchsorted(each.ranks, [first_rank, last_rank]).tolist()
        if first < last:
            slices.append((each, slice(first, last), each.run.bounds[first : last + 1]))
    ticker = [np.repeat(by_rank[each.ranks[some]], np.diff(bounds)) for each, some, bounds in slices]
    columns = np.empty((_COLUMNS, sum(map(len, ticker))))
    done = 0
    for each, _, bounds in slices:
        here = slice(done, done + int(bounds[-1] - bounds[0]))
        for place in range(_COLUMNS):
            _read(each.file.fileno(), columns[place, here].data.cast("B"), _place_of(each.run, place, int(bounds[0])))
        done = here.stop
    day, archive_seq, known_from = (columns[place].view(np.int64) for place in range(3))
    return BarRows(np.concatenate([np.empty(0, np.int64), *ticker]), day, columns[3:], archive_seq, known_from)


def count_rows(spooled: Sequence[Spooled], ticker_count: int) -> Ints:
    """Return how many rows there are of each ticker, by rank."""
    counts = np.zeros(ticker_count, np.int64)
    for each in spooled:
        counts[each.ranks] += np.diff(each.run.bounds)
    return counts


def _place_of(run: Run, column: int, row: int) -> int:
    return run.offset + (column * len(run) + row) * _ITEM_BYTES


def _write(file_descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file_descriptor, data, offset)
        data, offset = data[written:], offset + written


def _read(file_descriptor: int, into: memoryview, offset: int) -> None:
    while into:
        done = os.preadv(file_descriptor, [into], offset)
        assert done, "the file of spooled rows is shorter than what was written"
        into, offset = into[done:], offset + done
