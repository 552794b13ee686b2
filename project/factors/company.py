"""The company of a version: what else was stated of the same ticker and ex-date, and believed at the same time.

A version was believed from its payload until the one that ended it. It is weighed in the company of those that were
believed when it was last believed: now for what is believed now, just before its end for what is not. This file knows
records with an ex-date and nothing of what they do.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from project.dividend import Dividend
from project.rows import Bools, Ints, starts_of_runs
from project.split import Split

A = TypeVar("A", Split, Dividend)

_STILL = np.iinfo(np.int64).max
_EPOCH_DAY = np.datetime64(dt.date(1970, 1, 1), "D")


class Versions(Generic[A]):
    """Versions in order of ticker, ex-date, archive_seq and id.

    Shape: `records`, `names` and `day` (ex-dates as days since 1970-01-01) have one entry a version.
    """

    def __init__(self, records: Sequence[A]) -> None:
        place = {name: at for at, name in enumerate(sorted({one.ticker for one in records}, key=str.encode))}
        rank = np.fromiter((place[one.ticker] for one in records), np.int64, len(records))
        days = np.array([one.judged_from for one in records], "datetime64[D]")
        day = (days - _EPOCH_DAY).astype(np.int64)
        seq = np.fromiter((one.archive_seq for one in records), np.int64, len(records))
        order = np.lexsort((seq, day, rank))
        self.day, self._seq = day[order], seq[order]
        starts = starts_of_runs(rank[order]) | starts_of_runs(self.day)
        self._group = np.cumsum(starts)
        self.records = [records[at] for at in order.tolist()]
        self._put_ids_in_order(starts | starts_of_runs(self._seq))
        ends = (_STILL if one.ended_by is None else one.ended_by for one in self.records)
        self._end = np.fromiter(ends, np.int64, len(records))
        self.names = [one.ticker for one in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def alone(self) -> Bools:
        """Tell which versions have no company but themselves."""
        found = np.ones(len(self), np.bool_)
        first = np.arange(len(self))
        for step in range(1, len(self)):
            first = first[first + step < len(self)]
            first = first[self._group[first] == self._group[first + step]]
            if len(first) == 0:
                break
            later = first + step
            found[first[self._joins(later, first)]] = False
            found[later[self._joins(first, later)]] = False
        return found

    def companies(self, chosen: Ints) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the place of each chosen version, and those of its company in order, itself included."""
        first = np.searchsorted(self._group, self._group[chosen]).tolist()
        stop = np.searchsorted(self._group, self._group[chosen], side="right").tolist()
        for at, start, end in zip(chosen.tolist(), first, stop, strict=True):
            yield at, tuple(other for other in range(start, end) if self.keeps_company(other, at))

    def keeps_company(self, other: int, version: int) -> bool:
        """Tell whether another version was believed when a version was last believed."""
        mine, others = self.records[version].ended_by, self.records[other]
        if mine is None:
            return others.ended_by is None
        return others.archive_seq < mine and (others.ended_by is None or mine <= others.ended_by)

    def _joins(self, other: Ints, version: Ints) -> Bools:
        return np.asarray((self._seq[other] < self._end[version]) & (self._end[version] <= self._end[other]))

    def _put_ids_in_order(self, starts: Bools) -> None:
        bounds = np.append(np.flatnonzero(starts), len(starts))
        for at in np.flatnonzero(np.diff(bounds) > 1).tolist():
            start, stop = bounds[at], bounds[at + 1]
            self.records[start:stop] = sorted(self.records[start:stop], key=lambda one: one.vendor_id)
