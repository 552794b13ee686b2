"""Which of the rows that speak of one bar is believed: the latest that says something new.

A row that repeats what is believed, or leaves out an optional field, says nothing new; the bar keeps the payload that
said it first. A row with other values restates the bar: the old values become a revision.
"""

import msgspec
import numpy as np

from project.rows import REQUIRED, BarRows, Bools, Ints, sort_keys, starts_of_runs


class Resolved(msgspec.Struct, frozen=True):
    """Rows in order of (ticker, session, archive_seq), and which of them stand.

    Shape: `current` has one place in `rows` for each (ticker, session), ascending; `revised` and `revised_by` are
    places of old values and of the row that restated them.
    """

    rows: BarRows
    current: Ints
    revised: Ints
    revised_by: Ints


def resolve(rows: BarRows, ranks: Ints) -> Resolved:
    """Fold rows into what is believed now and what was believed before; `ranks` orders the tickers."""
    keys = sort_keys(rows.ticker, rows.day, ranks)
    rows, keys = _in_order(rows, keys)
    starts = np.flatnonzero(starts_of_runs(keys))
    lengths = np.diff(starts, append=len(keys))
    current = starts.copy()
    revised, revised_by = [], []
    for step in range(1, int(lengths.max(initial=0))):
        bars = np.flatnonzero(lengths > step)
        later = starts[bars] + step
        news = ~_says_the_same(rows, current[bars], later)
        revised.append(current[bars[news]])
        revised_by.append(later[news])
        current[bars[news]] = later[news]
    return Resolved(rows, current, _flat(revised), _flat(revised_by))


def _in_order(rows: BarRows, keys: Ints) -> tuple[BarRows, Ints]:
    steps = np.diff(keys)
    if np.all((steps > 0) | ((steps == 0) & (np.diff(rows.archive_seq) >= 0))):
        return rows, keys
    order = np.argsort(keys)
    if np.any(np.diff(keys[order]) == 0):
        order = np.lexsort((rows.archive_seq, keys))
    return rows.take(order), keys[order]


def _says_the_same(rows: BarRows, believed: Ints, later: Ints) -> Bools:
    old, new = rows.values[:, believed], rows.values[:, later]
    required = np.all(old[:REQUIRED] == new[:REQUIRED], axis=0)
    optional = np.all((old[REQUIRED:] == new[REQUIRED:]) | np.isnan(new[REQUIRED:]), axis=0)
    return np.asarray(required & optional)


def _flat(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
