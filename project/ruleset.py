"""The ruleset: which rules judge, in which order, with which limits and penalties, under one content hash.

It is read from a TOML file that a person edits. Its identity is the hash of everything that can change a verdict,
rule code versions included, so the same hash always means the same verdicts.
"""

import hashlib
import math
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from project.errors import InvalidRules
from project.rows import Bools, Floats, Ints
from project.rules import RULES
from project.series import Series

DEFAULT_RULES = Path(__file__).parents[1] / "ops" / "rules.toml"
NO_FILE = Path("rules")
"""Where a text comes from that is in no file."""
_MOST_RULES = 63  # a verdict is one bit of a bigint


class RuleUse(msgspec.Struct, frozen=True):
    """A rule as a ruleset uses it; of the rules of one `group` that fail, only the dearest is charged."""

    name: str
    version: int
    penalty: float
    group: str | None
    limits: dict[str, float]


class Ruleset(msgspec.Struct, frozen=True):
    """An ordered set of rules; rule k is bit k of a verdict."""

    validated_from: float
    volume_window: int
    test_tickers: tuple[str, ...]
    rules: tuple[RuleUse, ...]

    @property
    def body(self) -> str:
        """The whole ruleset as canonical JSON: what is hashed and kept in the archive."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @property
    def hash(self) -> str:
        """The identity of the ruleset: SHA-256 of its body."""
        return hashlib.sha256(self.body.encode()).hexdigest()


class Verdicts(msgspec.Struct, frozen=True):
    """What a ruleset says of each bar of a series: failed rules as bits, the score, and whether it is enough."""

    failed_rules: Ints
    quality_score: Floats
    validated: Bools


def rules_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the rules file: RULES of the environment, or the one that is shipped."""
    return Path(environ.get("RULES", "").strip() or DEFAULT_RULES).expanduser()


def read_ruleset(path: Path) -> Ruleset:
    """Return the ruleset of a TOML file.

    Raises: InvalidRules naming the file, the rule, the value and the bound.
    """
    try:
        text = path.read_text()
    except OSError as exc:
        raise InvalidRules(path, exc.strerror or "cannot be read") from exc
    except UnicodeDecodeError as exc:
        raise InvalidRules(path, f"is not TOML: {exc}") from exc
    return parse_ruleset(text, path)


def parse_ruleset(text: str, path: Path = NO_FILE) -> Ruleset:
    """Return the ruleset of the text of a rules file, which comes from `path`.

    Raises: InvalidRules naming the file, the rule, the value and the bound.
    """
    try:
        return _Reader(path, tomllib.loads(text)).ruleset()
    except (ValueError, RecursionError) as exc:  # also of a number of 5,000 digits, and of lists in lists in lists
        raise InvalidRules(path, f"is not TOML: {exc}") from exc


def decode_ruleset(body: str) -> Ruleset:
    """Return a ruleset from its body as the archive keeps it."""
    return msgspec.json.decode(body, type=Ruleset)


def runs_here(ruleset: Ruleset) -> bool:
    """Tell whether this software has every rule of a ruleset in the version it was written for."""
    return all(use.name in RULES and RULES[use.name].version == use.version for use in ruleset.rules)


def judge(ruleset: Ruleset, series: Series) -> Verdicts:
    """Return the verdict on each bar; every rule is asked, so all failures of a bar are found in one pass."""
    count = len(series.close)
    failed_rules = np.zeros(count, np.int64)
    charges: dict[str, Floats] = {}
    for bit, use in enumerate(ruleset.rules):
        failed = RULES[use.name].check(series, use.limits)
        failed_rules |= failed.astype(np.int64) << bit
        group = use.group or use.name
        charges[group] = np.maximum(charges.get(group, np.zeros(count)), failed * use.penalty)
    score: Floats = np.ones(count)
    for charge in charges.values():
        score -= charge
    # Penalties are decimals of a person; rounding keeps 1 − 0.2 − 0.1 from being 0.7000000000000001.
    score = np.maximum(score, 0.0).round(6)
    return Verdicts(failed_rules, score, score >= ruleset.validated_from)


class _Reader:
    """Reads one rules document, refusing what it does not know."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document

    def ruleset(self) -> Ruleset:
        self._only_known("the file", self.document, {"validated_from", "volume_window", "test_tickers", "rules"})
        rules = self.document.get("rules")
        if not isinstance(rules, dict) or not rules:
            raise InvalidRules(self.path, "has no [rules] table; at least one rule is needed")
        if len(rules) > _MOST_RULES:
            raise InvalidRules(self.path, f"has {len(rules)} rules; {_MOST_RULES} is the most")
        window = self._number("volume_window", self.document, 1, 250)
        if window != int(window):
            raise InvalidRules(self.path, f"volume_window is {window}; it must be a whole number of sessions")
        return Ruleset(
            validated_from=self._number("validated_from", self.document, 0, 1),
            volume_window=int(window),
            test_tickers=self._test_tickers(),
            rules=tuple(self._rule(name, table) for name, table in rules.items()),
        )

    def _rule(self, name: str, table: object) -> RuleUse:
        if name not in RULES:
            raise InvalidRules(self.path, f"unknown rule {name!r}; known are {', '.join(RULES)}")
        if not isinstance(table, dict):
            raise InvalidRules(self.path, f"rule {name} is {table!r}; it must be a table")
        rule = RULES[name]
        self._only_known(f"rule {name}", table, {"penalty", "group", *rule.limits})
        group = table.get("group")
        if group is not None and (not isinstance(group, str) or not group or group in RULES):
            raise InvalidRules(self.path, f"rule {name}: group is {group!r}; it must be a text that names no rule")
        limits = {limit: self._number(limit, table, 0, math.inf, f"rule {name}: ") for limit in rule.limits}
        return RuleUse(name, rule.version, self._number("penalty", table, 0, 1, f"rule {name}: "), group, limits)

    def _number(self, key: str, table: dict[str, Any], low: float, high: float, where: str = "") -> float:
        value = table.get(key)
        if value is None:
            raise InvalidRules(self.path, f"{where}{key} is missing")
        highest = min(high, sys.float_info.max)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= highest:
            bound = f"at least {low}" if math.isinf(high) else f"from {low} to {high}"
            raise InvalidRules(self.path, f"{where}{key} is {value!r}; it must be a number {bound}")
        return float(value)

    def _test_tickers(self) -> tuple[str, ...]:
        tickers = self.document.get("test_tickers", [])
        if not isinstance(tickers, list) or not all(isinstance(ticker, str) for ticker in tickers):
            raise InvalidRules(self.path, f"test_tickers is {tickers!r}; it must be a list of texts")
        return tuple(sorted(tickers))

    def _only_known(self, where: str, table: dict[str, Any], known: set[str]) -> None:
        unknown = sorted(set(table) - known)
        if unknown:
            raise InvalidRules(self.path, f"{where} has an unknown key {unknown[0]!r}; known are {sorted(known)}")
