"""What changes: the report counts what a person would who looks at every bar of both sides."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from project.compare.changes import SAMPLES_A_KIND, Changes, Comparison, Counts, RuleChanges
from project.judged import JudgedBars
from project.rows import Tickers
from project.ruleset import Ruleset, RuleUse
from tests.project.columns import SESSIONS, Said, columns

NAMES = ("AAPL", "BCPC", "BCpC", "Z")
DATES = (dt.date(2023, 12, 29), *SESSIONS[:3])


class Verdict(msgspec.Struct, frozen=True):
    """A bar as a test writes it: one price, the rules that fail, and what came of it."""

    price: float = 10.0
    rules: tuple[str, ...] = ()
    score: float = 1.0
    validated: bool = True
    vwap: float | None = None


Key = tuple[str, dt.date]
Side = Mapping[Key, Verdict]


def ruleset(*names: str) -> Ruleset:
    """Return rules of some names, in that order."""
    return Ruleset(0.85, 20, (), tuple(RuleUse(name, 1, 0.2, None, {}) for name in names))


OLD, NEW = ruleset("gap", "volume", "gone"), ruleset("fresh", "volume", "gap")


def judged(side: Side, rules: Ruleset, tickers: Tickers) -> JudgedBars:
    """Return the bars of one side in order."""
    keys = sorted(side, key=lambda key: (key[0].encode(), key[1]))
    bits = {use.name: 1 << bit for bit, use in enumerate(rules.rules)}
    verdicts = [side[key] for key in keys]
    return JudgedBars(
        columns([Said(*key, side[key].price, vwap=side[key].vwap) for key in keys], tickers),
        np.array([0.5 if "gap" in one.rules else math.nan for one in verdicts], np.float64),
        np.array([2.0 for _ in verdicts], np.float64),
        np.array([sum(bits[name] for name in one.rules) for one in verdicts], np.int64),
        np.array([one.score for one in verdicts], np.float64),
        np.array([one.validated for one in verdicts], np.bool_),
    )


def compare(before: Side, after: Side, parts: Sequence[Sequence[str]] = (NAMES,), listed: int = 20) -> Changes:
    """Return the report on two sides whose tickers come in parts."""
    comparison = Comparison(OLD, NEW)
    for names in parts:
        tickers = Tickers(NAMES[::-1])
        old, new = ({key: bar for key, bar in side.items() if key[0] in names} for side in (before, after))
        comparison.add(judged(old, OLD, tickers), judged(new, NEW, tickers), tickers)
    return comparison.changes(listed)


def counted(keys: Sequence[Key], before: Side, after: Side) -> Counts:
    """Return the counts over some keys, one bar at a time."""
    pairs = [(before.get(key), after.get(key)) for key in keys]
    both = [(old, new) for old, new in pairs if old is not None and new is not None]
    return Counts(
        before=sum(old is not None for old, _ in pairs),
        after=sum(new is not None for _, new in pairs),
        gained=sum(old is None for old, _ in pairs),
        lost=sum(new is None for _, new in pairs),
        newly_validated=sum(new.validated > old.validated for old, new in both),
        no_longer_validated=sum(old.validated > new.validated for old, new in both),
        rejudged=sum(set(old.rules) != set(new.rules) or old.score != new.score for old, new in both),
        restated=sum((old.price, old.vwap) != (new.price, new.vwap) for old, new in both),
        changed=sum(old != new for old, new in pairs),
    )


def _verdicts(rules: Ruleset) -> st.SearchStrategy[Verdict]:
    return st.builds(
        Verdict,
        st.sampled_from([10.0, 11.0]),
        st.lists(st.sampled_from([use.name for use in rules.rules]), unique=True).map(
            lambda names: tuple(sorted(names))
        ),
        st.sampled_from([1.0, 0.8]),
        st.booleans(),
        st.sampled_from([None, 9.5]),
    )


_keys = st.tuples(st.sampled_from(NAMES), st.sampled_from(DATES))
sides = st.tuples(
    st.dictionaries(_keys, _verdicts(OLD), max_size=12), st.dictionaries(_keys, _verdicts(NEW), max_size=12)
)
cuts = st.sampled_from([[NAMES], [NAMES[:2], NAMES[2:]], [[name] for name in NAMES], [NAMES[3:], [], NAMES[:3]]])


@given(both=sides, parts=cuts)
def test_the_report_counts_every_bar_of_both_sides(both: tuple[Side, Side], parts: Sequence[Sequence[str]]) -> None:
    before, after = both
    found = compare(before, after, parts)
    keys = sorted({*before, *after})
    assert found.counts == counted(keys, before, after)
    assert found.by_year == {
        year: counted([key for key in keys if key[1].year == year], before, after)
        for year in sorted({key[1].year for key in keys})
    }
    changed = {
        name: counts
        for name in NAMES
        if (counts := counted([key for key in keys if key[0] == name], before, after)).changed
    }
    assert found.by_symbol == changed
    assert found.by_rule == {name: _of_rule(name, before, after) for name in ("fresh", "volume", "gap", "gone")}
    flips = found.counts.newly_validated + found.counts.no_longer_validated
    assert found.changed_share == (0 if not before else (flips + found.counts.lost) / len(before))


def _of_rule(name: str, before: Side, after: Side) -> RuleChanges:
    both = [(before[key], after[key]) for key in before if key in after]
    begins = [(old, new) for old, new in both if name in new.rules and name not in old.rules]
    ends = [(old, new) for old, new in both if name in old.rules and name not in new.rules]
    return RuleChanges(
        before=sum(name in bar.rules for bar in before.values()),
        after=sum(name in bar.rules for bar in after.values()),
        newly_failing=len(begins),
        no_longer_validated=sum(old.validated > new.validated for old, new in begins),
        no_longer_failing=len(ends),
        newly_validated=sum(new.validated > old.validated for old, new in ends),
    )


@given(both=sides, parts=cuts)
def test_the_report_does_not_depend_on_how_tickers_are_cut_into_parts(
    both: tuple[Side, Side], parts: Sequence[Sequence[str]]
) -> None:
    assert compare(*both, parts) == compare(*both)


@given(both=sides)
def test_every_sample_is_a_bar_that_changes_in_that_way(both: tuple[Side, Side]) -> None:
    before, after = both
    found = compare(before, after)
    keys = [(sample.ticker, sample.session) for sample in found.samples]
    assert len(set(keys)) == len(keys)
    assert len(keys) == found.counts.changed or len(keys) >= SAMPLES_A_KIND
    for sample in found.samples:
        key = (sample.ticker, sample.session)
        old, new = before.get(key), after.get(key)
        assert getattr(counted([key], before, after), sample.kind) == 1
        assert sample.score_before == (None if old is None else old.score)
        assert sample.score_after == (None if new is None else new.score)
        assert sample.rules_before == (None if old is None else _in_order(old, OLD))
        assert sample.rules_after == (None if new is None else _in_order(new, NEW))
        shown = new or old
        assert shown is not None
        assert sample.gap == (0.5 if "gap" in shown.rules else None)
        prices = ("open", "high", "low", "close") if old and new and old.price != new.price else ()
        vwap = ("vwap",) if old and new and old.vwap != new.vwap else ()
        assert sample.restated == (*prices, *vwap)


def _in_order(bar: Verdict, rules: Ruleset) -> tuple[str, ...]:
    return tuple(use.name for use in rules.rules if use.name in bar.rules)


def test_few_samples_are_drawn_of_many_and_not_the_first_ones() -> None:
    before = {(name, session): Verdict() for name in NAMES for session in SESSIONS[:50]}
    after = {key: Verdict(validated=False) for key in before}
    found = compare(before, after)
    assert [sample.kind for sample in found.samples] == ["no_longer_validated"] * SAMPLES_A_KIND
    drawn = [(sample.ticker, sample.session) for sample in found.samples]
    assert drawn == sorted(drawn)
    assert drawn != sorted(before)[:SAMPLES_A_KIND]
    assert compare(before, after, [[name] for name in NAMES]).samples == found.samples


def test_symbols_that_change_most_stand_first_and_the_rest_is_counted() -> None:
    before = {(name, session): Verdict() for name in NAMES for session in SESSIONS[:4]}
    after = dict(before)
    for name, flips, rejudged in (("AAPL", 0, 4), ("BCPC", 1, 0), ("Z", 3, 0)):
        after |= {(name, session): Verdict(validated=False) for session in SESSIONS[:flips]}
        after |= {(name, session): Verdict(rules=("fresh",)) for session in SESSIONS[:rejudged]}
    found = compare(before, after, listed=2)
    assert list(found.by_symbol) == ["Z", "BCPC"]
    assert (found.other_symbols, found.others.changed, found.others.before) == (1, 4, 4)
    assert list(compare(before, after).by_symbol) == ["Z", "BCPC", "AAPL"]


def test_a_rule_is_the_same_under_another_bit_and_as_one_of_more_than_63() -> None:
    """The names of two rulesets together may be more than a verdict has bits."""
    many = ruleset(*(f"old_{number}" for number in range(62)), "kept")
    other = ruleset("kept", *(f"new_{number}" for number in range(62)))
    tickers = Tickers(["A"])
    said = columns([Said("A", session) for session in SESSIONS[:2]], tickers)
    nan, good = np.full(2, np.nan), np.ones(2, np.bool_)
    before = JudgedBars(said, nan, nan, np.array([1 << 62, 0]), np.ones(2), good)
    after = JudgedBars(said, nan, nan, np.array([1, 1 << 62]), np.ones(2), good)
    comparison = Comparison(many, other)
    comparison.add(before, after, tickers)
    found = comparison.changes()
    assert len(found.by_rule) == 125
    assert found.by_rule["kept"] == RuleChanges(before=1, after=1)
    assert found.by_rule["new_61"] == RuleChanges(after=1, newly_failing=1)
    assert found.counts.rejudged == 1


def test_nothing_on_both_sides_is_no_change() -> None:
    found = compare({}, {})
    assert found.counts == Counts()
    assert (found.changed_share, found.samples, found.by_year) == (0.0, (), {})
