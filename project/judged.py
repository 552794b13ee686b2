"""Bars with their verdicts: the columns of the bar table, and how two sets of them differ."""

import msgspec
import numpy as np

from project.rows import BarRows, Bools, Floats, Ints, Tickers, is_everything, no_rows
from project.ruleset import Ruleset, judge
from project.series import Actions, series_of


class JudgedBars(msgspec.Struct, frozen=True):
    """Bars and what the ruleset says of each, as columns of equal length."""

    bars: BarRows
    gap: Floats
    volume_ratio: Floats
    failed_rules: Ints
    quality_score: Floats
    validated: Bools

    def __len__(self) -> int:
        return len(self.bars)

    def take(self, places: Ints | Bools | slice) -> "JudgedBars":
        """Return the bars at some places; all of them are not copied."""
        if is_everything(places, len(self)):
            return self
        return JudgedBars(
            self.bars.take(places),
            self.gap[places],
            self.volume_ratio[places],
            self.failed_rules[places],
            self.quality_score[places],
            self.validated[places],
        )


def nothing_judged() -> JudgedBars:
    """Return no bars."""
    nothing = np.empty(0)
    return JudgedBars(no_rows(), nothing, nothing, nothing.astype(np.int64), nothing, nothing.astype(np.bool_))


def judge_bars(bars: BarRows, tickers: Tickers, actions: Actions, ruleset: Ruleset) -> JudgedBars:
    """Return bars that are in order of (ticker, session) with their measures and verdicts."""
    series = series_of(bars, tickers.ranks(), actions, ruleset.volume_window)
    verdicts = judge(ruleset, series)
    return JudgedBars(
        bars,
        series.gap,
        series.volume_ratio,
        verdicts.failed_rules,
        verdicts.quality_score,
        verdicts.validated,
    )


def differ(old: JudgedBars, new: JudgedBars) -> Bools:
    """Tell for each pair of bars whether anything a table holds of them differs."""
    same = (
        (old.bars.archive_seq == new.bars.archive_seq)
        & (old.failed_rules == new.failed_rules)
        & (old.quality_score == new.quality_score)
        & (old.validated == new.validated)
        & _same(old.gap, new.gap)
        & _same(old.volume_ratio, new.volume_ratio)
        & np.all(_same(old.bars.values, new.bars.values), axis=0)
    )
    return np.asarray(~same)


def _same(old: Floats, new: Floats) -> Bools:
    return np.asarray((old == new) | (np.isnan(old) & np.isnan(new)))
