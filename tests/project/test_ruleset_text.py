"""A ruleset as text: what is printed can be given back, and a comparison names every difference."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from project.rules import RULES, Rule
from project.ruleset import DEFAULT_RULES, Ruleset, RuleUse, decode_ruleset, read_ruleset
from project.ruleset_text import Difference, differences, text_of

SHIPPED = read_ruleset(DEFAULT_RULES)
SHIPPED_HASH = "1200e91d4813d7d4a1a73dcf375f25226373ae6f4862d4b9047dedc31bd9ea46"

_numbers = st.floats(0, 1e300)
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda text: text not in RULES
)


@st.composite
def _rulesets(draw: st.DrawFn) -> Ruleset:
    names = draw(st.lists(st.sampled_from(sorted(RULES)), min_size=1, unique=True))
    uses = [
        RuleUse(
            name,
            RULES[name].version,
            draw(st.floats(0, 1)),
            draw(st.none() | _texts),
            {limit: draw(_numbers) for limit in RULES[name].limits},
        )
        for name in names
    ]
    tested = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5)))
    return Ruleset(draw(st.floats(0, 1)), draw(st.integers(1, 250)), tuple(sorted(tested)), tuple(uses))


rulesets = _rulesets()


def test_the_shipped_rules_are_still_the_ruleset_they_were() -> None:
    """Written on one line each, they judge as before: no live projection has to be rebuilt for it."""
    assert SHIPPED.hash == SHIPPED_HASH


def test_every_shipped_rule_is_one_line() -> None:
    lines = DEFAULT_RULES.read_text().splitlines()
    rules = lines[lines.index("[rules]") + 1 :]
    assert [line.split(" = ")[0] for line in rules] == [use.name for use in SHIPPED.rules]
    assert all("  # " in line for line in rules)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ruleset=rulesets)
def test_what_is_printed_can_be_given_back(ruleset: Ruleset, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text_of(ruleset), encoding="utf-8")
    again = read_ruleset(path)
    assert again == ruleset
    assert again.hash == ruleset.hash


def test_a_printed_ruleset_has_one_line_a_rule_with_its_meaning() -> None:
    text = text_of(SHIPPED)
    assert text.startswith(f"# Ruleset {SHIPPED_HASH}\n")
    assert "large_gap = { penalty = 0.2, limit = 0.1 }  # Fail where abs(gap) > limit, the gap" in text
    assert 'high_brackets = { penalty = 0.5, group = "ohlcv" }  # Fail where high <' in text


def test_a_ruleset_of_other_rule_code_is_printed_with_a_warning() -> None:
    uses = (RuleUse("large_gap", 7, 0.2, None, {"limit": 0.1}), RuleUse("half moon", 1, 0.1, None, {}))
    text = text_of(Ruleset(0.85, 20, (), uses))
    assert "# Version 7 of large_gap judged here; version 1 makes another ruleset.\n" in text
    assert "# This software has no rule half moon: without its line this is another ruleset.\n" in text
    assert tomllib.loads(text)["rules"]["half moon"] == {"penalty": 0.1}


@given(one=rulesets, other=rulesets)
def test_two_rulesets_differ_where_and_only_where_their_hashes_do(one: Ruleset, other: Ruleset) -> None:
    assert differences(one, one) == []
    if one.hash == other.hash:
        assert differences(one, other) == []
    else:
        forth, back = differences(one, other), differences(other, one)
        assert forth
        assert {(each.rule, each.what, each.after, each.before) for each in forth if each.what != "order"} == {
            (each.rule, each.what, each.before, each.after) for each in back if each.what != "order"
        }


def _changed(name: str, **fields: object) -> Ruleset:
    uses = tuple(msgspec.structs.replace(use, **fields) if use.name == name else use for use in SHIPPED.rules)
    return msgspec.structs.replace(SHIPPED, rules=uses)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (_changed("large_gap", limits={"limit": 0.05}), [Difference("large_gap", "limit", "0.1", "0.05")]),
        (_changed("large_gap", penalty=0.3), [Difference("large_gap", "penalty", "0.2", "0.3")]),
        (_changed("large_gap", version=2), [Difference("large_gap", "version", "1", "2")]),
        (_changed("low_brackets", group=None), [Difference("low_brackets", "group", "ohlcv", None)]),
        (
            msgspec.structs.replace(SHIPPED, rules=SHIPPED.rules[:-1]),
            [Difference("corporate_action", "rule", "{ penalty = 0.05 }", None)],
        ),
        (
            msgspec.structs.replace(SHIPPED, validated_from=0.9, volume_window=10),
            [Difference(None, "validated_from", "0.85", "0.9"), Difference(None, "volume_window", "20", "10")],
        ),
        (
            msgspec.structs.replace(SHIPPED, test_tickers=tuple(sorted({*SHIPPED.test_tickers, "ZZZ"} - {"ZTST"}))),
            [Difference(None, "test_tickers", "ZTST", None), Difference(None, "test_tickers", None, "ZZZ")],
        ),
    ],
    ids=["limit", "penalty", "version", "group", "removed", "settings", "test tickers"],
)
def test_a_difference_is_named(after: Ruleset, expected: list[Difference]) -> None:
    assert differences(SHIPPED, after) == expected


def test_another_order_alone_is_a_difference() -> None:
    turned = msgspec.structs.replace(SHIPPED, rules=SHIPPED.rules[::-1])
    [found] = differences(SHIPPED, turned)
    assert (found.rule, found.what) == (None, "order")
    assert found.before is not None
    assert found.before.startswith("high_brackets, low_brackets")


def test_a_ruleset_of_the_archive_can_be_told_from_one_of_new_rule_code(monkeypatch: pytest.MonkeyPatch) -> None:
    old = RULES["large_gap"]
    monkeypatch.setitem(RULES, "large_gap", Rule(old.name, 2, old.limits, old.source, old.check))
    now = read_ruleset(DEFAULT_RULES)
    assert differences(decode_ruleset(SHIPPED.body), now) == [Difference("large_gap", "version", "1", "2")]
