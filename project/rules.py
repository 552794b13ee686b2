"""The rules: one small pure vectorised function each, over a series, true where the bar fails.

A rule sees the whole series at once and must look back only. To add one: write a function under `@rule`, and name it
in the rules file with a penalty and the limits it declares. A change of what a rule means is a new `version`.
"""

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from project.rows import Bools
from project.series import Series

Limits = Mapping[str, float]
Check = Callable[[Series, Limits], Bools]


class Rule(msgspec.Struct, frozen=True):
    """A rule as the code defines it; penalty and limits come from the rules file."""

    name: str
    version: int
    limits: tuple[str, ...]
    source: str
    check: Check


RULES: dict[str, Rule] = {}


def rule(*, source: str, limits: tuple[str, ...] = (), version: int = 1) -> Callable[[Check], Check]:
    """Register a check under its own name; `limits` are the thresholds the rules file must give it."""

    def register(check: Check) -> Check:
        RULES[check.__name__] = Rule(check.__name__, version, limits, source, check)
        return check

    return register


@rule(source="design §4; an OHLC bar's high is its highest price")
def high_brackets(series: Series, limits: Limits) -> Bools:
    """Fail where high < max(open, close) or high < low."""
    return (series.high < np.maximum(series.open, series.close)) | (series.high < series.low)


@rule(source="design §4; an OHLC bar's low is its lowest price")
def low_brackets(series: Series, limits: Limits) -> Bools:
    """Fail where low > min(open, close)."""
    return np.asarray(series.low > np.minimum(series.open, series.close))


@rule(source="design §4; a trade has a price")
def prices_positive(series: Series, limits: Limits) -> Bools:
    """Fail where any of open, high, low, close ≤ 0."""
    return np.asarray(np.minimum.reduce([series.open, series.high, series.low, series.close]) <= 0)


@rule(source="design §4")
def volume_not_negative(series: Series, limits: Limits) -> Bools:
    """Fail where volume < 0."""
    return np.asarray(series.volume < 0)


@rule(source="design §4; prices of 1e12 in polygon-io/issues#138", limits=("limit",))
def move_bounded(series: Series, limits: Limits) -> Bools:
    """Fail where abs(close / open − 1) > limit."""
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(series.close / series.open - 1.0) > limits["limit"])


@rule(source="design §4; a weekend or a holiday does not excuse a gap", limits=("limit",))
def large_gap(series: Series, limits: Limits) -> Bools:
    """Fail where abs(gap) > limit, the gap being measured after undoing splits and dividends of the session."""
    return np.asarray(np.abs(series.gap) > limits["limit"])


@rule(source="design §4; no look-ahead", limits=("low", "high"))
def volume_anomaly(series: Series, limits: Limits) -> Bools:
    """Fail where volume / trailing median > high or < low."""
    return (series.volume_ratio > limits["high"]) | (series.volume_ratio < limits["low"])


@rule(source="design §4; the vendor's prices around an ex-date deserve a second look")
def corporate_action(series: Series, limits: Limits) -> Bools:
    """Fail where a split or dividend is effective in the session."""
    return series.acted
