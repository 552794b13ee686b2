"""The rules: each at its boundary, on both sides of it."""

import math

import numpy as np
import pytest

from project.rules import RULES, rule
from project.ruleset import DEFAULT_RULES, read_ruleset
from project.series import Series

SHIPPED = {use.name: use.limits for use in read_ruleset(DEFAULT_RULES).rules}


def _one_bar(**fields: float) -> Series:
    values = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 1000.0, "gap": 0.0, "volume_ratio": 1.0}
    columns = {name: np.array([value], np.float64) for name, value in {**values, **fields}.items() if name != "acted"}
    return Series(**columns, acted=np.array([bool(fields.get("acted", False))]))


def _fails(name: str, **fields: float) -> bool:
    [failed] = RULES[name].check(_one_bar(**fields), SHIPPED[name]).tolist()
    assert isinstance(failed, bool)
    return failed


@pytest.mark.parametrize("name", RULES)
def test_an_ordinary_bar_fails_no_rule(name: str) -> None:
    assert not _fails(name)


@pytest.mark.parametrize(
    ("name", "passes", "fails"),
    [
        ("high_brackets", {"high": 11.0}, {"high": 10.999}),
        ("high_brackets", {"high": 10.0, "close": 9.5}, {"high": 9.999, "close": 9.5}),
        ("high_brackets", {"high": 11.0, "low": 11.0}, {"high": 11.0, "low": 11.001}),
        ("low_brackets", {"low": 10.0}, {"low": 10.001}),
        ("low_brackets", {"low": 9.5, "close": 9.5}, {"low": 9.501, "close": 9.5}),
        ("prices_positive", {"low": 5e-324}, {"low": 0.0}),
        ("prices_positive", {"open": 0.0001}, {"open": -0.0}),
        ("prices_positive", {"high": 0.0001}, {"high": -1.0}),
        ("prices_positive", {"close": 0.0001}, {"close": 0.0}),
        ("volume_not_negative", {"volume": 0.0}, {"volume": -0.000001}),
        ("volume_not_negative", {"volume": -0.0}, {"volume": -1.0}),
        ("move_bounded", {"open": 1.0, "close": 6.0}, {"open": 1.0, "close": 6.001}),
        ("move_bounded", {"open": 10.0, "close": 0.0}, {"open": 1.0, "close": -4.5}),
        ("move_bounded", {"open": 1e308, "close": 5e-324}, {"open": 5e-324, "close": 1e308}),
        ("move_bounded", {"open": -1.0, "close": -1.0}, {"open": 0.0, "close": 1.0}),
        ("large_gap", {"gap": 0.10}, {"gap": 0.100001}),
        ("large_gap", {"gap": -0.10}, {"gap": -0.100001}),
        ("large_gap", {"gap": math.nan}, {"gap": math.inf}),
        ("volume_anomaly", {"volume_ratio": 10.0}, {"volume_ratio": 10.0001}),
        ("volume_anomaly", {"volume_ratio": 0.1}, {"volume_ratio": 0.0999}),
        ("volume_anomaly", {"volume_ratio": math.nan}, {"volume_ratio": 0.0}),
        ("corporate_action", {"acted": False}, {"acted": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_fails_just_beyond_its_boundary(name: str, passes: dict[str, float], fails: dict[str, float]) -> None:
    assert not _fails(name, **passes)
    assert _fails(name, **fails)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_looks_at_every_bar(name: str) -> None:
    one = _one_bar()
    many = Series(*(np.repeat(getattr(one, field), 5) for field in Series.__struct_fields__))
    assert RULES[name].check(many, SHIPPED[name]).tolist() == [False] * 5
    none = Series(*(getattr(one, field)[:0] for field in Series.__struct_fields__))
    assert RULES[name].check(none, SHIPPED[name]).tolist() == []


@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_what_it_fails_on_and_where_it_comes_from(name: str) -> None:
    assert RULES[name].source
    assert (RULES[name].check.__doc__ or "").startswith("Fail where ")


def test_a_new_rule_is_one_function() -> None:
    @rule(source="made up", limits=("limit",), version=3)
    def no_penny_stocks(series: Series, limits: object) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Fail where close < limit."""
        return np.asarray(series.close < 1.0)

    try:
        made = RULES["no_penny_stocks"]
        assert (made.name, made.version, made.limits, made.source) == ("no_penny_stocks", 3, ("limit",), "made up")
    finally:
        del RULES["no_penny_stocks"]
