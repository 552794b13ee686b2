"""Factors chosen: by what is believed now, or by what was believed at an instant."""

from project.factors.factor import Flag, applied, as_known
from tests.project.actions import EX_DATE, Action, closes, dividend, fetched, halving, split, weighed


def test_applied_is_what_is_believed_and_not_denied() -> None:
    stated: list[Action] = [split(), split(name="ended", ended_by=3), split(1, 3, name="wrong"), dividend()]
    assert [factor.vendor_id for factor in applied(weighed(stated, halving()))] == ["s", "d"]


def test_what_was_known_at_an_instant_are_the_versions_of_then() -> None:
    """A split is announced 1 for 3, corrected to 1 for 2 and at last withdrawn."""
    stated: list[Action] = [split(1, 3, seq=1, ended_by=3), split(1, 2, seq=3, ended_by=6), dividend(seq=4)]
    factors = weighed(stated, halving())
    known = {day: [(one.kind, one.split_to) for one in as_known(factors, fetched(day))] for day in range(8)}
    assert known[0] == []
    assert known[1] == known[2] == [("split", 3.0)]
    assert known[3] == [("split", 2.0)]
    assert known[4] == known[5] == [("split", 2.0), ("dividend", None)]
    assert known[6] == known[7] == [("dividend", None)]


def test_one_split_is_known_once_while_the_beliefs_in_two_ids_of_it_overlap() -> None:
    first, second = weighed([split(seq=1, ended_by=5), split(name="t", seq=3)], halving())
    assert (first.applied_on, second.applied_on) == (EX_DATE, EX_DATE)
    assert as_known([second, first], fetched(4)) == [first]
    assert as_known([second, first], fetched(5)) == [second]


def test_what_is_not_applied_is_known_too() -> None:
    [factor] = weighed([split()], closes([100.0] * 40))
    assert as_known([factor], fetched(2)) == [factor]
    assert factor.flags == (Flag.CONTRADICTED,)
