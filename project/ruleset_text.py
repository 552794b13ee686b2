"""A ruleset as a person reads and writes it: the text of a rules file, and what one ruleset has that another has not.

The text can be edited and given back with --rules; where the rule code is the same it is the same ruleset again. It
knows no file and no database.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from project.rules import RULES
from project.ruleset import Ruleset, RuleUse

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Difference(msgspec.Struct, frozen=True):
    """One way in which two rulesets differ; None stands for what one of them does not have.

    `what` is rule (added or removed), penalty, group, version or the name of a limit; for settings of the whole
    ruleset `rule` is None and `what` is the setting's name, or order.
    """

    rule: str | None
    what: str
    before: str | None
    after: str | None


def text_of(ruleset: Ruleset) -> str:
    """Return a ruleset as the text of a rules file."""
    lines = [
        f"# Ruleset {ruleset.hash}",
        *_warnings(ruleset),
        "",
        f"validated_from = {_number(ruleset.validated_from)}",
        f"volume_window = {ruleset.volume_window}",
        f"test_tickers = [{', '.join(map(_text, ruleset.test_tickers))}]",
        "",
        "[rules]",
        *(f"{_key(use.name)} = {_use_text(use)}{_meaning(use)}" for use in ruleset.rules),
    ]
    return "\n".join(lines) + "\n"


def differences(before: Ruleset, after: Ruleset) -> list[Difference]:
    """Return how two rulesets differ: settings first, then rules in their order, removed ones last."""
    old, new = ({use.name: use for use in ruleset.rules} for ruleset in (before, after))
    found = [
        *_compared(None, "validated_from", _number(before.validated_from), _number(after.validated_from)),
        *_compared(None, "volume_window", str(before.volume_window), str(after.volume_window)),
        *_test_tickers(before, after),
    ]
    for use in after.rules:
        if use.name in old:
            found += _of_rule(old[use.name], use)
        else:
            found.append(Difference(use.name, "rule", None, _use_text(use)))
    found += [Difference(use.name, "rule", _use_text(use), None) for use in before.rules if use.name not in new]
    kept_before = ", ".join(name for name in old if name in new)
    kept_after = ", ".join(name for name in new if name in old)
    return [*found, *_compared(None, "order", kept_before, kept_after)]


def _of_rule(before: RuleUse, after: RuleUse) -> Iterable[Difference]:
    yield from _compared(after.name, "version", str(before.version), str(after.version))
    yield from _compared(after.name, "penalty", _number(before.penalty), _number(after.penalty))
    yield from _compared(after.name, "group", before.group, after.group)
    for limit in dict.fromkeys([*before.limits, *after.limits]):
        old, new = (_number(use.limits[limit]) if limit in use.limits else None for use in (before, after))
        yield from _compared(after.name, limit, old, new)


def _test_tickers(before: Ruleset, after: Ruleset) -> Iterable[Difference]:
    old, new = Counter(before.test_tickers), Counter(after.test_tickers)
    yield from (Difference(None, "test_tickers", ticker, None) for ticker in sorted((old - new).elements()))
    yield from (Difference(None, "test_tickers", None, ticker) for ticker in sorted((new - old).elements()))


def _compared(rule: str | None, what: str, before: str | None, after: str | None) -> Iterable[Difference]:
    if before != after:
        yield Difference(rule, what, before, after)


def _warnings(ruleset: Ruleset) -> Iterable[str]:
    for use in ruleset.rules:
        here = RULES.get(use.name)
        if here is None:
            yield f"# This software has no rule {use.name}: without its line this is another ruleset."
        elif here.version != use.version:
            yield f"# Version {use.version} of {use.name} judged here; version {here.version} makes another ruleset."


def _meaning(use: RuleUse) -> str:
    here = RULES.get(use.name)
    return f"  # {(here.check.__doc__ or '').strip().splitlines()[0]}" if here is not None else ""


def _use_text(use: RuleUse) -> str:
    fields = {"penalty": _number(use.penalty)}
    if use.group is not None:
        fields["group"] = _text(use.group)
    fields |= {limit: _number(value) for limit, value in use.limits.items()}
    return "{ " + ", ".join(f"{_key(name)} = {value}" for name, value in fields.items()) + " }"


def _number(value: float) -> str:
    return repr(value)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """Return a TOML string: JSON's, but that TOML wants DEL escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
