"""The verdict of one rule on one bar, for a person: passed or failed, what was measured, and the limits.

It computes no verdict (ruleset.py does); it puts names and numbers to the bits that a bar carries.
"""

import math
from collections.abc import Callable

import msgspec
import numpy as np

from project.judged import JudgedBars
from project.rows import CLOSE, HIGH, LOW, OPEN, VOLUME, Floats
from project.rules import RULES
from project.ruleset import Ruleset


class Verdict(msgspec.Struct, frozen=True):
    """What a rule says of a bar. `measure` is None where the rule measures nothing, or there was nothing to measure."""

    rule: str
    passed: bool
    measure: float | None
    limits: dict[str, float]
    penalty: float
    group: str | None
    source: str


Measure = Callable[[Floats, float, float], float]
# Of the seven values, the gap and the volume ratio. Above 0 what high and low lack fails; of prices the lowest counts.
_MEASURES: dict[str, Measure] = {
    "high_brackets": lambda bar, gap, ratio: float(max(bar[OPEN], bar[CLOSE], bar[LOW]) - bar[HIGH]),
    "low_brackets": lambda bar, gap, ratio: float(bar[LOW] - min(bar[OPEN], bar[CLOSE])),
    "prices_positive": lambda bar, gap, ratio: float(bar[:VOLUME].min()),
    "volume_not_negative": lambda bar, gap, ratio: float(bar[VOLUME]),
    "move_bounded": lambda bar, gap, ratio: float(bar[CLOSE] / bar[OPEN] - 1.0),
    "large_gap": lambda bar, gap, ratio: gap,
    "volume_anomaly": lambda bar, gap, ratio: ratio,
}


def verdicts_of(judged: JudgedBars, place: int, ruleset: Ruleset) -> list[Verdict]:
    """Return the verdict of every rule on the bar at a place."""
    return [
        Verdict(
            rule=use.name,
            passed=not int(judged.failed_rules[place]) >> bit & 1,
            measure=_measure(use.name, judged, place),
            limits=use.limits,
            penalty=use.penalty,
            group=use.group,
            source=RULES[use.name].source,
        )
        for bit, use in enumerate(ruleset.rules)
    ]


def failed(verdicts: list[Verdict]) -> list[Verdict]:
    """Return those that failed."""
    return [verdict for verdict in verdicts if not verdict.passed]


@np.errstate(all="ignore")
def _measure(rule: str, judged: JudgedBars, place: int) -> float | None:
    if rule not in _MEASURES:
        return None
    bar = judged.bars.values[:, place]
    measure = _MEASURES[rule](bar, float(judged.gap[place]), float(judged.volume_ratio[place]))
    return measure if math.isfinite(measure) else None
