"""The ruleset: read from a file a person edits, refused in one clear line, and known by a hash of all that judges."""

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.errors import InvalidRules
from project.rules import RULES, Rule
from project.ruleset import (
    DEFAULT_RULES,
    Ruleset,
    RuleUse,
    decode_ruleset,
    judge,
    read_ruleset,
    rules_path,
    runs_here,
)
from project.series import Series
from sql.errors import Misuse

SHIPPED = read_ruleset(DEFAULT_RULES)

WriteRules = Callable[[str], Path]

# A rules file cut down to what the tests of errors need.
SMALL = """\
validated_from = 0.85
volume_window = 20
test_tickers = ["ZVZZT"]
[rules.prices_positive]
penalty = 0.5
group = "ohlcv"
[rules.large_gap]
penalty = 0.2
limit = 0.1
"""


@pytest.fixture
def write_rules(tmp_path: Path) -> WriteRules:
    """Return a function that writes a rules file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return path

    return write


def test_the_shipped_rules_are_the_table_of_the_design() -> None:
    assert (SHIPPED.validated_from, SHIPPED.volume_window) == (0.85, 20)
    assert [(use.name, use.penalty, use.group, use.limits) for use in SHIPPED.rules] == [
        ("high_brackets", 0.5, "ohlcv", {}),
        ("low_brackets", 0.5, "ohlcv", {}),
        ("prices_positive", 0.5, "ohlcv", {}),
        ("volume_not_negative", 0.5, "ohlcv", {}),
        ("move_bounded", 0.5, "ohlcv", {"limit": 5.0}),
        ("large_gap", 0.2, None, {"limit": 0.10}),
        ("volume_anomaly", 0.1, None, {"low": 0.1, "high": 10.0}),
        ("corporate_action", 0.05, None, {}),
    ]
    assert {"ZVZZT", "ZXZZT", "ZXIET", "ZTEST", "ZTST"} <= set(SHIPPED.test_tickers)
    assert "ZZZ" not in SHIPPED.test_tickers


def test_every_rule_that_there_is_is_used_by_the_shipped_file() -> None:
    assert [use.name for use in SHIPPED.rules] == list(RULES)


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (("validated_from = 0.85\n", ""), "validated_from is missing"),
        (("= 0.85", "= 1.01"), "validated_from is 1.01; it must be a number from 0 to 1"),
        (("= 0.85", '= "high"'), "validated_from is 'high'; it must be a number from 0 to 1"),
        (("= 0.85", "= true"), "validated_from is True; it must be a number from 0 to 1"),
        (("= 0.85", "= nan"), "validated_from is nan; it must be a number from 0 to 1"),
        (("= 20", "= 0"), "volume_window is 0; it must be a number from 1 to 250"),
        (("= 20", "= 251"), "volume_window is 251; it must be a number from 1 to 250"),
        (("= 20", "= 2.5"), "volume_window is 2.5; it must be a whole number of sessions"),
        (("volume_window = 20\n", ""), "volume_window is missing"),
        (('["ZVZZT"]', '"ZVZZT"'), "test_tickers is 'ZVZZT'; it must be a list of texts"),
        (('["ZVZZT"]', "[7]"), "test_tickers is [7]; it must be a list of texts"),
        (("test_tickers", "tset_tickers"), "the file has an unknown key 'tset_tickers'; known are "),
        (("large_gap", "large_gpa"), "unknown rule 'large_gpa'; known are high_brackets, "),
        (("penalty = 0.2", "penalty = -0.2"), "rule large_gap: penalty is -0.2; it must be a number from 0 to 1"),
        (("penalty = 0.2", "penalty = 1.5"), "rule large_gap: penalty is 1.5; it must be a number from 0 to 1"),
        (("penalty = 0.2\n", ""), "rule large_gap: penalty is missing"),
        (("limit = 0.1", "limit = -0.1"), "rule large_gap: limit is -0.1; it must be a number at least 0"),
        (("limit = 0.1", "limit = inf"), "rule large_gap: limit is inf; it must be a number"),
        (("limit = 0.1", f"limit = 1{'0' * 400}"), f"rule large_gap: limit is 1{'0' * 400}; it must be a number"),
        (("limit = 0.1\n", ""), "rule large_gap: limit is missing"),
        (("limit = 0.1", "limti = 0.1"), "rule large_gap has an unknown key 'limti'; known are "),
        (('group = "ohlcv"', "limit = 3"), "rule prices_positive has an unknown key 'limit'; known are "),
        (('group = "ohlcv"', "group = 3"), "rule prices_positive: group is 3; it must be a text that names no rule"),
        (
            ('"ohlcv"', '"large_gap"'),
            "rule prices_positive: group is 'large_gap'; it must be a text that names no rule",
        ),
        (('group = "ohlcv"', 'group = ""'), "rule prices_positive: group is ''; it must be a text that names no rule"),
        (("= 0.85", "="), "is not TOML: "),
        (("[rules.large_gap]", "[rules.prices_positive]"), "is not TOML: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rules_file_that_cannot_be_used_is_refused_in_one_line(
    write_rules: WriteRules, edit: tuple[str, str], complaint: str
) -> None:
    assert edit[0] in SMALL
    path = write_rules(SMALL.replace(*edit, 1))
    with pytest.raises(InvalidRules) as caught:
        read_ruleset(path)
    assert str(caught.value).startswith(f"rules file {path}: {complaint}")
    assert "\n" not in str(caught.value)
    assert caught.value.path == path
    assert isinstance(caught.value, Misuse)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no [rules] table; at least one rule is needed"),
        ("validated_from = 0.85\nvolume_window = 20\n[rules]\n", "has no [rules] table"),
        ("rules = 7\n", "has no [rules] table"),
        (
            "validated_from = 0.85\nvolume_window = 20\n[rules]\nlarge_gap = 7\n",
            "rule large_gap is 7; it must be a table",
        ),
    ],
)
def test_a_file_without_rules_is_refused(write_rules: WriteRules, text: str, complaint: str) -> None:
    with pytest.raises(InvalidRules, match=r"^rules file ") as caught:
        read_ruleset(write_rules(text))
    assert complaint in str(caught.value)


def test_more_rules_than_a_verdict_has_bits_are_refused(write_rules: WriteRules) -> None:
    text = SMALL + "".join(f"[rules.r{number}]\npenalty = 0\n" for number in range(62))
    with pytest.raises(InvalidRules, match="has 64 rules; 63 is the most"):
        read_ruleset(write_rules(text))


def test_a_file_that_is_missing_unreadable_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRules, match=r"no_such\.toml: No such file or directory"):
        read_ruleset(tmp_path / "no_such.toml")
    with pytest.raises(InvalidRules, match="Is a directory"):
        read_ruleset(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRules, match="is not TOML: "):
        read_ruleset(tmp_path / "binary.toml")


def test_the_rules_file_is_the_one_of_the_environment_or_the_shipped_one() -> None:
    assert rules_path({}) == rules_path({"RULES": " "}) == DEFAULT_RULES
    assert rules_path({"RULES": "/etc/rules.toml"}) == Path("/etc/rules.toml")
    assert rules_path({"RULES": "~/rules.toml"}) == Path.home() / "rules.toml"


def test_comments_and_the_order_of_test_tickers_are_no_other_ruleset(write_rules: WriteRules) -> None:
    first = read_ruleset(write_rules(SMALL.replace('["ZVZZT"]', '["A", "B"]')))
    second = read_ruleset(write_rules("# a comment\n" + SMALL.replace('["ZVZZT"]', '["B", "A"]')))
    assert first.hash == second.hash


@pytest.mark.parametrize(
    "edit",
    [
        ("= 0.85", "= 0.86"),
        ("= 20", "= 21"),
        ("ZVZZT", "ZVZZU"),
        ("penalty = 0.5", "penalty = 0.6"),
        ("penalty = 0.2", "penalty = 0.21"),
        ("limit = 0.1", "limit = 0.05"),
        ('group = "ohlcv"', 'group = "other"'),
        ('group = "ohlcv"\n', ""),
        ("[rules.large_gap]\npenalty = 0.2\nlimit = 0.1\n", ""),
        ("rules.prices_positive", "rules.high_brackets"),
    ],
    ids=lambda edit: " ".join(edit[0].split()),
)
def test_whatever_can_change_a_verdict_changes_the_hash(write_rules: WriteRules, edit: tuple[str, str]) -> None:
    assert edit[0] in SMALL
    before = read_ruleset(write_rules(SMALL))
    after = read_ruleset(write_rules(SMALL.replace(*edit, 1)))
    assert after.hash != before.hash


def test_the_order_of_rules_changes_the_hash() -> None:
    """A rule's place is its bit, so another order would read old verdicts wrongly."""
    turned = msgspec.structs.replace(SHIPPED, rules=SHIPPED.rules[::-1])
    assert turned.hash != SHIPPED.hash


def test_a_new_version_of_a_rules_code_changes_the_hash_and_ends_the_old_rulesets(
    write_rules: WriteRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_ruleset(write_rules(SMALL))
    assert runs_here(before)
    old = RULES["large_gap"]
    monkeypatch.setitem(RULES, "large_gap", Rule(old.name, old.version + 1, old.limits, old.source, old.check))
    assert read_ruleset(write_rules(SMALL)).hash != before.hash
    assert not runs_here(before)
    monkeypatch.delitem(RULES, "large_gap")
    assert not runs_here(before)


def test_a_ruleset_comes_back_from_its_body_whole() -> None:
    again = decode_ruleset(SHIPPED.body)
    assert again == SHIPPED
    assert (again.hash, again.body) == (SHIPPED.hash, SHIPPED.body)


def _bars(count: int, fields: dict[str, float]) -> Series:
    values = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1000.0, "gap": 0.0, "volume_ratio": 1.0}
    columns = {name: np.full(count, value) for name, value in {**values, **fields}.items() if name != "acted"}
    return Series(**columns, acted=np.full(count, bool(fields.get("acted", False))))


def _verdict(ruleset: Ruleset, **fields: float) -> tuple[list[str], float, bool]:
    found = judge(ruleset, _bars(1, fields))
    names = [use.name for bit, use in enumerate(ruleset.rules) if int(found.failed_rules[0]) >> bit & 1]
    return names, float(found.quality_score[0]), bool(found.validated[0])


@pytest.mark.parametrize(
    ("fields", "failed", "score", "validated"),
    [
        ({}, [], 1.0, True),
        ({"acted": True}, ["corporate_action"], 0.95, True),
        ({"volume_ratio": 11.0}, ["volume_anomaly"], 0.9, True),
        ({"volume_ratio": 11.0, "acted": True}, ["volume_anomaly", "corporate_action"], 0.85, True),
        ({"gap": 0.2}, ["large_gap"], 0.8, False),
        ({"gap": 0.2, "volume_ratio": 0.0}, ["large_gap", "volume_anomaly"], 0.7, False),
        ({"high": 9.5}, ["high_brackets"], 0.5, False),
        ({"high": 8.0}, ["high_brackets"], 0.5, False),
        (
            {"high": 8.0, "low": 11.5, "volume": -1.0},
            ["high_brackets", "low_brackets", "volume_not_negative"],
            0.5,
            False,
        ),
        (
            {"open": -1.0, "high": -9.0, "low": 9.0, "close": 100.0, "volume": -1.0, "gap": -9.0, "volume_ratio": 0.0},
            [
                "high_brackets",
                "low_brackets",
                "prices_positive",
                "volume_not_negative",
                "move_bounded",
                "large_gap",
                "volume_anomaly",
            ],
            0.2,
            False,
        ),
    ],
    ids=lambda value: "",
)
def test_a_score_is_one_less_the_penalties_with_each_group_charged_once(
    fields: dict[str, float], failed: list[str], score: float, validated: bool
) -> None:
    assert _verdict(SHIPPED, **fields) == (failed, score, validated)


def test_of_a_group_the_dearest_failed_rule_is_charged() -> None:
    uses = (RuleUse("prices_positive", 1, 0.1, "g", {}), RuleUse("volume_not_negative", 1, 0.3, "g", {}))
    ruleset = Ruleset(0.85, 20, (), uses)
    assert _verdict(ruleset, low=-1.0)[1] == 0.9
    assert _verdict(ruleset, low=-1.0, volume=-1.0)[1] == 0.7


def test_a_score_is_never_below_0() -> None:
    uses = tuple(RuleUse(name, 1, 0.7, None, {}) for name in ("prices_positive", "volume_not_negative"))
    assert _verdict(Ruleset(0.0, 20, (), uses), low=-1.0, volume=-1.0) == (
        ["prices_positive", "volume_not_negative"],
        0.0,
        True,
    )


def test_a_rule_without_a_penalty_still_flags() -> None:
    uses = (RuleUse("prices_positive", 1, 0.0, None, {}),)
    assert _verdict(Ruleset(1.0, 20, (), uses), low=-1.0) == (["prices_positive"], 1.0, True)


def test_no_bars_have_no_verdicts() -> None:
    assert len(judge(SHIPPED, _bars(0, {})).failed_rules) == 0


@given(st.lists(st.tuples(*[st.sampled_from([-1.0, 0.0, 9.0, 10.0, 11.0, 100.0, math.nan])] * 7), min_size=1))
def test_all_failures_of_a_bar_are_found_in_one_pass(bars: list[tuple[float, ...]]) -> None:
    """One judgement finds what asking every rule alone finds, whatever else fails."""
    columns = dict(zip(Series.__struct_fields__, np.array(bars).T, strict=False))
    series = Series(**columns, acted=np.arange(len(bars)) % 2 == 0)
    together = judge(SHIPPED, series).failed_rules
    for bit, use in enumerate(SHIPPED.rules):
        alone = judge(msgspec.structs.replace(SHIPPED, rules=(use,)), series).failed_rules
        assert ((together >> bit & 1) == alone).all(), use.name


def test_every_rule_has_a_name_a_penalty_and_a_source() -> None:
    for use in SHIPPED.rules:
        rule = RULES[use.name]
        assert rule.name == rule.check.__name__ == use.name
        assert 0 < use.penalty <= 1
        assert rule.source.strip()
        assert (rule.check.__doc__ or "").startswith("Fail where ")
