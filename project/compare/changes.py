"""What changes: bars before and after, set side by side a part at a time, and counted by rule, symbol and year.

It is pure: judged bars in, a report out. Where they come from (two generations, or the live one and a replay) and what
becomes of the report it does not know. Rules are matched by name, since another ruleset may give a name another bit.
"""

import datetime as dt
import hashlib
import math

import msgspec
import numpy as np
import numpy.typing as npt

from project.judged import JudgedBars
from project.rows import VALUES, Bools, Floats, Ints, Tickers, sort_keys
from project.ruleset import Ruleset

LISTED_SYMBOLS = 20
SAMPLES_A_KIND = 5
_EPOCH = dt.date(1970, 1, 1)
_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_SHIFT = np.uint64(29)


class Counts(msgspec.Struct, frozen=True):
    """Bars on both sides, and in how many ways they differ.

    `restated` have other values and `rejudged` other failed rules or another score, of the bars that both sides have;
    `changed` counts every bar once that differs in any way, gained and lost ones too.
    """

    before: int = 0
    after: int = 0
    gained: int = 0
    lost: int = 0
    newly_validated: int = 0
    no_longer_validated: int = 0
    rejudged: int = 0
    restated: int = 0
    changed: int = 0

    @property
    def status_changed(self) -> int:
        """Bars that are validated on one side only, and bars that are gone: what a change budget is spent on."""
        return self.newly_validated + self.no_longer_validated + self.lost

    @property
    def changed_share(self) -> float:
        """The share of the bars before whose status changes; 0 where there were none."""
        return self.status_changed / self.before if self.before else 0.0


class RuleChanges(msgspec.Struct, frozen=True):
    """Bars that fail one rule before and after; of the bars of both sides, those on which it changed its mind.

    `no_longer_validated` are of the newly failing, `newly_validated` of the no longer failing.
    """

    before: int = 0
    after: int = 0
    newly_failing: int = 0
    no_longer_validated: int = 0
    no_longer_failing: int = 0
    newly_validated: int = 0


class Sample(msgspec.Struct, frozen=True):
    """One bar that changes. Score and rules are None on the side that has no such bar; measures are those after.

    `kind` is the first of KINDS that holds; `restated` names the values that differ.
    """

    ticker: str
    session: dt.date
    kind: str
    score_before: float | None
    score_after: float | None
    rules_before: tuple[str, ...] | None
    rules_after: tuple[str, ...] | None
    gap: float | None
    volume_ratio: float | None
    restated: tuple[str, ...]


class Changes(msgspec.Struct, frozen=True):
    """The whole report. `by_symbol` lists those that change most; `other_symbols` change too and sum to `others`."""

    ruleset_before: str
    ruleset_after: str
    counts: Counts
    changed_share: float
    by_rule: dict[str, RuleChanges]
    by_symbol: dict[str, Counts]
    other_symbols: int
    others: Counts
    by_year: dict[int, Counts]
    samples: tuple[Sample, ...]


_COUNTED = Counts.__struct_fields__
KINDS = ("lost", "no_longer_validated", "newly_validated", "gained", "restated", "rejudged")


class Comparison:
    """Collects the differences of two sets of bars; each part holds all bars of its tickers, of both sides."""

    def __init__(self, before: Ruleset, after: Ruleset) -> None:
        self._before, self._after = before, after
        self._rules = {use.name: np.zeros(len(RuleChanges.__struct_fields__), np.int64) for use in after.rules}
        self._rules |= {use.name: np.zeros(6, np.int64) for use in before.rules if use.name not in self._rules}
        self._total = np.zeros(len(_COUNTED), np.int64)
        self._symbols: dict[str, Ints] = {}
        self._years: dict[int, Ints] = {}
        self._samples: dict[str, list[tuple[int, Sample]]] = {kind: [] for kind in KINDS}

    def add(self, before: JudgedBars, after: JudgedBars, tickers: Tickers) -> None:
        """Take in a part; both sides are in order of (ticker, session), their tickers numbered by `tickers`."""
        pairs = _pair(before, after, tickers.ranks())
        if len(pairs.ticker) == 0:
            return
        facts = self._facts(pairs)
        self._total += facts.sum(axis=1)
        for code, counts in _grouped(pairs.ticker, facts):
            if counts[-1]:
                name = tickers.names[code]
                self._symbols[name] = self._symbols.get(name, 0) + counts
        for year, counts in _grouped(_years(pairs.day), facts):
            self._years[year] = self._years.get(year, 0) + counts
        self._draw(pairs, facts, tickers)

    def changes(self, listed_symbols: int = LISTED_SYMBOLS) -> Changes:
        """Return the report on all parts so far."""
        ranked = sorted(((_counts(counts), name) for name, counts in self._symbols.items()), key=_most_first)
        rest = [self._symbols[name] for _, name in ranked[listed_symbols:]]
        total = _counts(self._total)
        return Changes(
            ruleset_before=self._before.hash,
            ruleset_after=self._after.hash,
            counts=total,
            changed_share=total.changed_share,
            by_rule={name: RuleChanges(*counts.tolist()) for name, counts in self._rules.items()},
            by_symbol={name: counts for counts, name in ranked[:listed_symbols]},
            other_symbols=len(rest),
            others=_counts(np.sum(rest, axis=0)) if rest else Counts(),
            by_year={year: _counts(self._years[year]) for year in sorted(self._years)},
            samples=tuple(
                sample
                for drawn in self._samples.values()
                for sample in sorted((sample for _, sample in drawn), key=lambda one: (one.ticker, one.session))
            ),
        )

    def _facts(self, pairs: "_Pairs") -> Bools:
        """Return for each bar of either side what counts of it, in the order of the fields of Counts."""
        was, now = pairs.before.validated, pairs.after.validated
        both, gained, lost = pairs.both, pairs.gained, pairs.lost
        newly = np.zeros(len(both), np.bool_)
        no_longer = newly.copy()
        newly[both] = ~was[pairs.old[both]] & now[pairs.new[both]]
        no_longer[both] = was[pairs.old[both]] & ~now[pairs.new[both]]
        rejudged = self._compare_rules(pairs, newly, no_longer)
        restated = np.zeros(len(both), np.bool_)
        restated[both] = ~np.all(_same(pairs.values_before, pairs.values_after), axis=0)
        changed = gained | lost | newly | no_longer | rejudged | restated
        return np.stack([~gained, ~lost, gained, lost, newly, no_longer, rejudged, restated, changed])

    def _compare_rules(self, pairs: "_Pairs", newly: Bools, no_longer: Bools) -> Bools:
        """Count what each rule says, and tell which bars of both sides fail other rules or score otherwise."""
        both = pairs.both
        old, new = pairs.old[both], pairs.new[both]
        differs = pairs.before.quality_score[old] != pairs.after.quality_score[new]
        for name, counts in self._rules.items():
            before = _failing(name, self._before, pairs.before.failed_rules)
            after = _failing(name, self._after, pairs.after.failed_rules)
            begins, ends = ~before[old] & after[new], before[old] & ~after[new]
            differs |= begins | ends
            found = (before, after, begins, begins & no_longer[both], ends, ends & newly[both])
            counts += [int(each.sum()) for each in found]
        rejudged = np.zeros(len(both), np.bool_)
        rejudged[both] = differs
        return rejudged

    def _draw(self, pairs: "_Pairs", facts: Bools, tickers: Tickers) -> None:
        """Keep for each kind the bars with the lowest lots: the same ones however the bars were cut into parts."""
        lots = _lots(pairs.ticker, pairs.day, tickers)
        taken = np.zeros(len(lots), np.bool_)
        for kind in KINDS:
            places = np.flatnonzero(facts[_COUNTED.index(kind)] & ~taken)
            taken[places] = True
            lowest = places[np.argsort(lots[places], kind="stable")[:SAMPLES_A_KIND]]
            drawn = self._samples[kind]
            drawn += [(int(lots[place]), self._sample(kind, pairs, place, tickers)) for place in lowest.tolist()]
            drawn.sort(key=lambda one: (one[0], one[1].ticker, one[1].session))
            del drawn[SAMPLES_A_KIND:]

    def _sample(self, kind: str, pairs: "_Pairs", place: int, tickers: Tickers) -> Sample:
        old, new = int(pairs.old[place]), int(pairs.new[place])
        side, at = (pairs.before, old) if pairs.lost[place] else (pairs.after, new)
        restated: tuple[str, ...] = ()
        if pairs.both[place]:
            same = _same(pairs.before.bars.values[:, old], pairs.after.bars.values[:, new])
            restated = tuple(name for name, equal in zip(VALUES, same.tolist(), strict=True) if not equal)
        return Sample(
            ticker=tickers.names[pairs.ticker[place]],
            session=_EPOCH + dt.timedelta(days=int(pairs.day[place])),
            kind=kind,
            score_before=None if pairs.gained[place] else float(pairs.before.quality_score[old]),
            score_after=None if pairs.lost[place] else float(pairs.after.quality_score[new]),
            rules_before=None if pairs.gained[place] else _names(self._before, int(pairs.before.failed_rules[old])),
            rules_after=None if pairs.lost[place] else _names(self._after, int(pairs.after.failed_rules[new])),
            gap=_measure(side.gap[at]),
            volume_ratio=_measure(side.volume_ratio[at]),
            restated=restated,
        )


class _Pairs(msgspec.Struct, frozen=True):
    """Every bar of either side once, in no order that matters: its places on both sides, −1 where it is not."""

    before: JudgedBars
    after: JudgedBars
    ticker: Ints
    day: Ints
    old: Ints
    new: Ints

    @property
    def both(self) -> Bools:
        return (self.old >= 0) & (self.new >= 0)

    @property
    def gained(self) -> Bools:
        return np.asarray(self.old < 0)

    @property
    def lost(self) -> Bools:
        return np.asarray(self.new < 0)

    @property
    def values_before(self) -> Floats:
        return self.before.bars.values[:, self.old[self.both]]

    @property
    def values_after(self) -> Floats:
        return self.after.bars.values[:, self.new[self.both]]


def _pair(before: JudgedBars, after: JudgedBars, ranks: Ints) -> _Pairs:
    old_keys = sort_keys(before.bars.ticker, before.bars.day, ranks)
    new_keys = sort_keys(after.bars.ticker, after.bars.day, ranks)
    places = np.searchsorted(new_keys, old_keys)
    found = places < len(new_keys)
    found[found] = new_keys[places[found]] == old_keys[found]
    gained = np.ones(len(new_keys), np.bool_)
    gained[places[found]] = False
    only_new = np.flatnonzero(gained)
    return _Pairs(
        before,
        after,
        np.concatenate([before.bars.ticker, after.bars.ticker[only_new]]),
        np.concatenate([before.bars.day, after.bars.day[only_new]]),
        np.concatenate([np.arange(len(old_keys)), np.full(len(only_new), -1)]),
        np.concatenate([np.where(found, places, -1), only_new]),
    )


def _grouped(keys: Ints, facts: Bools) -> list[tuple[int, Ints]]:
    """Return for each key how often each fact holds."""
    found, groups = np.unique(keys, return_inverse=True)
    counts = np.stack([np.bincount(groups[fact], minlength=len(found)) for fact in facts], axis=1)
    return list(zip(found.tolist(), counts, strict=True))


def _years(day: Ints) -> Ints:
    return np.asarray(day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970)


def _counts(counts: Ints) -> Counts:
    return Counts(*counts.tolist())


def _most_first(ranked: tuple[Counts, str]) -> tuple[int, int, str]:
    counts, name = ranked
    return -(counts.status_changed + counts.gained), -counts.changed, name


def _failing(name: str, ruleset: Ruleset, failed_rules: Ints) -> Bools:
    mask = sum(1 << bit for bit, use in enumerate(ruleset.rules) if use.name == name)
    return np.asarray((failed_rules & mask) != 0)


def _names(ruleset: Ruleset, failed_rules: int) -> tuple[str, ...]:
    return tuple(use.name for bit, use in enumerate(ruleset.rules) if failed_rules >> bit & 1)


def _same(old: Floats, new: Floats) -> Bools:
    return np.asarray((old == new) | (np.isnan(old) & np.isnan(new)))


def _measure(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _lots(ticker: Ints, day: Ints, tickers: Tickers) -> npt.NDArray[np.uint64]:
    """Return a number for each bar that depends on its ticker and session alone and follows no pattern."""
    codes, groups = np.unique(ticker, return_inverse=True)
    digests = b"".join(hashlib.blake2b(tickers.names[code].encode(), digest_size=8).digest() for code in codes)
    lots: npt.NDArray[np.uint64] = np.frombuffer(digests, "<u8").astype(np.uint64)[groups]
    lots ^= day.view(np.uint64)
    for multiplier in _MULTIPLIERS:
        lots = lots * multiplier
        lots ^= lots >> _SHIFT
    return lots
