"""The fold: what is believed, plus what new payloads say, gives what is to be written.

It is pure and works on any set of tickers whose bars it is given whole enough: for each ticker all believed bars from
the first changed session on, and those a verdict may look back at. A rebuild folds everything onto nothing, a
catch-up folds a few payloads onto what is there; both are this function, which is why they agree.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from project import content
from project.content import Fingerprint
from project.decide.override import overrule
from project.factors.circumstances import Circumstances, Weighed
from project.judged import JudgedBars, differ, judge_bars
from project.record import Record
from project.resolve import Resolved, resolve
from project.rows import BarRows, Bools, Ints, Tickers, join, sort_keys
from project.ruleset import Ruleset
from project.series import actions_of

_EPOCH = dt.date(1970, 1, 1)
EVERY_DAY = np.iinfo(np.int64).min // 2
_COUNTED_RULES = ("large_gap", "volume_anomaly")


class FoldedBars(msgspec.Struct, frozen=True):
    """Bars after new rows were taken in: what is to be written, and by how much each ticker's counts move.

    Shape: `bars` are to be inserted or written over; the four revision columns are of equal length; `counts` has a
    row for each ticker number: bars, validated bars, gaps flagged, volume anomalies, revisions.
    """

    bars: JudgedBars
    revised: BarRows
    known_to: Ints
    superseded_by: Ints
    counts: Ints
    first_day: Ints
    last_day: Ints
    weighed: Weighed
    fingerprint: Fingerprint


def fold_bars(
    believed: JudgedBars,
    new: Sequence[BarRows],
    since: Ints,
    tickers: Tickers,
    known: Circumstances,
    ruleset: Ruleset,
) -> FoldedBars:
    """Return what to write once the new rows are taken in.

    `believed` may come in any order; `since` gives for each ticker number the first day whose verdict may change,
    EVERY_DAY for all.
    """
    ranks = tickers.ranks()
    resolved = resolve(join([believed.bars, *new]), ranks)
    current = resolved.rows.take(resolved.current)
    weighed = known.weigh(current, tickers)
    judged = overrule(judge_bars(current, tickers, actions_of(weighed.factors, tickers), ruleset), known.overrides)
    there, before = _align(believed, current, ranks)
    changed = current.day >= since[current.ticker]
    changed[there] &= differ(before, judged.take(there))
    written = judged.take(changed)
    replaced = before.take(changed[there])
    revised, known_to, superseded_by = _revisions(resolved)
    counts = _counts(written, ruleset, len(tickers)) - _counts(replaced, ruleset, len(tickers))
    counts[:, -1] = np.bincount(revised.ticker, minlength=len(tickers))
    first_day, last_day = _span(written, len(tickers))
    fingerprint = (
        content.of_bars(written, tickers)
        - content.of_bars(replaced, tickers)
        + content.of_revisions(revised, known_to, superseded_by, tickers)
        + weighed.fingerprint
    )
    return FoldedBars(written, revised, known_to, superseded_by, counts, first_day, last_day, weighed, fingerprint)


def _align(believed: JudgedBars, current: BarRows, ranks: Ints) -> tuple[Ints, JudgedBars]:
    """Return the places of `current` that were believed already, and what was believed of each, in that order."""
    if len(believed) == 0:
        return np.empty(0, np.int64), believed
    keys = sort_keys(current.ticker, current.day, ranks)
    places = np.searchsorted(keys, sort_keys(believed.bars.ticker, believed.bars.day, ranks))
    order = np.argsort(places, kind="stable")
    return places[order], believed.take(order)


def _revisions(resolved: Resolved) -> tuple[BarRows, Ints, Ints]:
    by = resolved.revised_by
    return resolved.rows.take(resolved.revised), resolved.rows.known_from[by], resolved.rows.archive_seq[by]


def _counts(judged: JudgedBars, ruleset: Ruleset, ticker_count: int) -> Ints:
    def count(chosen: Bools) -> Ints:
        return np.bincount(judged.bars.ticker[chosen], minlength=ticker_count)

    masks = [sum(1 << bit for bit, use in enumerate(ruleset.rules) if use.name == name) for name in _COUNTED_RULES]
    failed = [count((judged.failed_rules & mask) != 0) for mask in masks]
    every = count(np.ones(len(judged), np.bool_))
    return np.stack([every, count(judged.validated), *failed, np.zeros(ticker_count, np.int64)], axis=1)


def _span(judged: JudgedBars, ticker_count: int) -> tuple[Ints, Ints]:
    first = np.full(ticker_count, np.iinfo(np.int64).max)
    last = np.full(ticker_count, np.iinfo(np.int64).min)
    np.minimum.at(first, judged.bars.ticker, judged.bars.day)
    np.maximum.at(last, judged.bars.ticker, judged.bars.day)
    return first, last


def first_days(rows: Sequence[BarRows], records: Iterable[Record], tickers: Tickers) -> Ints:
    """Return for each ticker number the first day whose verdict new rows or changed records touch; the highest day
    for none.
    """
    days = np.full(len(tickers), np.iinfo(np.int64).max)
    for record in records:
        if record.judged_from is not None:
            code = tickers.code(str(record.key[0]))
            days[code] = min(days[code], (record.judged_from - _EPOCH).days)
    for part in rows:
        np.minimum.at(days, part.ticker, part.day)
    return days
