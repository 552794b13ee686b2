"""What a spot check makes of two lists of closes: bands, samples, verdicts. No database, no second source."""

import datetime as dt
import math
import uuid
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.spot.check import (
    Asked,
    Band,
    Deviation,
    OurClose,
    SymbolCheck,
    band_of,
    compare,
    conclude,
    difference,
    draw_sample,
    is_within,
)

DAY = dt.date(2024, 6, 28)
RUN_ID = uuid.UUID(int=1)
ASKED = Asked("csv", DAY, DAY, None, 15, 7, 1.0, 2, 0, (), ("ACME",))
CENTS = st.integers(1, 10**7)


def _band(ours: float, theirs: float) -> Band | None:
    apart = difference(ours, theirs)
    return None if apart is None else band_of(apart)


@pytest.mark.parametrize(
    ("ours", "band"),
    [
        (100.0, Band.WITHIN_0_2),
        (100.2, Band.WITHIN_0_2),
        (99.8, Band.WITHIN_0_2),
        (100.2000001, Band.TO_1),
        (99.7999999, Band.TO_1),
        (101.0, Band.TO_1),
        (101.0000001, Band.TO_5),
        (95.0, Band.TO_5),
        (105.0, Band.TO_5),
        (105.0000001, Band.ABOVE_5),
        (0.0, Band.ABOVE_5),
    ],
)
def test_a_difference_on_an_edge_belongs_to_the_band_that_ends_there(ours: float, band: Band) -> None:
    assert _band(ours, 100.0) is band


@given(ours=CENTS, theirs=CENTS)
def test_the_band_is_that_of_whole_cents(ours: int, theirs: int) -> None:
    apart = abs(ours - theirs)
    if apart * 1000 <= 2 * theirs:
        expected = Band.WITHIN_0_2
    elif apart * 100 <= theirs:
        expected = Band.TO_1
    elif apart * 100 <= 5 * theirs:
        expected = Band.TO_5
    else:
        expected = Band.ABOVE_5
    assert _band(ours / 100, theirs / 100) is expected


@given(
    theirs=st.integers(1, 10**6),
    edge=st.sampled_from([(2, Band.WITHIN_0_2, Band.TO_1), (10, Band.TO_1, Band.TO_5), (50, Band.TO_5, Band.ABOVE_5)]),
    up=st.booleans(),
)
def test_no_edge_is_missed_by_a_hair_of_binary_fractions(theirs: int, edge: tuple[int, Band, Band], up: bool) -> None:
    """In units of 1/1000, and the smallest step beyond in units of 1/100,000."""
    permille, on, beyond = edge
    sign = 1 if up else -1
    at = theirs * 1000 + sign * theirs * permille
    assert _band(at / 1000, float(theirs)) is on
    assert _band((at * 100 + sign) / 100_000, float(theirs)) is beyond


@pytest.mark.parametrize("theirs", [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_close_of_theirs_that_is_no_positive_number_is_not_compared(theirs: float) -> None:
    assert difference(100.0, theirs) is None
    check, deviations = compare("ACME", "ACME", {DAY: OurClose(100.0, True)}, {DAY: theirs})
    assert (check.compared, check.not_comparable, deviations) == (0, (DAY,), [])


def test_a_difference_beyond_every_number_is_still_one() -> None:
    _, [deviation] = compare("ACME", "ACME", {DAY: OurClose(1e300, True)}, {DAY: 5e-324})
    assert deviation.band is Band.ABOVE_5
    assert math.isfinite(deviation.percent)


def test_sessions_of_one_side_only_are_told_by_side() -> None:
    days = [DAY + dt.timedelta(days=day) for day in range(4)]
    ours = {day: OurClose(10.0, day != days[1]) for day in days[:3]}
    check, deviations = compare("BRK.B", "BRK-B", ours, {days[1]: 10.01, days[2]: 10.0, days[3]: 10.0})
    assert check == SymbolCheck("BRK.B", "BRK-B", 2, they_lack=(days[0],), we_lack=(days[3],))
    assert [(each.session, each.validated) for each in deviations] == [(days[1], False), (days[2], True)]
    assert deviations[0].percent == float(Fraction(-100, 1001))


@given(st.sets(st.text(min_size=1), max_size=30), st.integers(0, 40), st.integers())
def test_a_sample_is_as_large_as_it_can_be_and_the_same_in_any_order(symbols: set[str], size: int, seed: int) -> None:
    sample = draw_sample(symbols, size, seed)
    assert len(sample) == min(size, len(symbols))
    assert set(sample) <= symbols
    assert sample == sorted(set(sample))
    assert sample == draw_sample(sorted(symbols, reverse=True), size, seed)


@given(st.sets(st.text(min_size=1), min_size=6, max_size=30), st.integers())
def test_a_new_symbol_pushes_at_most_one_other_out_of_a_sample(symbols: set[str], seed: int) -> None:
    newcomer = max(symbols)
    before = set(draw_sample(symbols - {newcomer}, 5, seed))
    assert len(before - set(draw_sample(symbols, 5, seed))) <= 1


def test_over_a_month_of_nights_every_symbol_has_its_turn() -> None:
    symbols = [f"S{number}" for number in range(50)]
    nights = [draw_sample(symbols, 15, 20240600 + night) for night in range(1, 31)]
    assert set().union(*nights) == set(symbols)
    assert len({tuple(night) for night in nights}) == len(nights)


@pytest.mark.parametrize(
    ("far", "compared", "worst", "within"),
    [(0, 450, 0.0, True), (1, 450, 0.0, False), (3, 1000, 0.3, True), (4, 1000, 0.3, False), (450, 450, 100.0, True)],
)
def test_a_share_at_the_bound_is_within_it(far: int, compared: int, worst: float, within: bool) -> None:
    assert is_within(far, compared, worst) is within


def _deviation(percent: float, day: int = 0, symbol: str = "ACME") -> Deviation:
    _, [deviation] = compare(
        symbol,
        symbol,
        {DAY + dt.timedelta(days=day): OurClose(100 + percent, True)},
        {DAY + dt.timedelta(days=day): 100.0},
    )
    return deviation


def test_the_ten_largest_differences_come_first_on_either_side_of_nothing() -> None:
    apart = [_deviation(percent, day) for day, percent in enumerate([0, 1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, 0])]
    found = conclude(RUN_ID, ASKED, [SymbolCheck("ACME", "ACME", 13)], apart)
    assert [round(each.percent) for each in found.worst] == [11, -10, 9, -8, 7, -6, 5, -4, 3, -2]
    assert found.bands == {Band.WITHIN_0_2: 2, Band.TO_1: 1, Band.TO_5: 4, Band.ABOVE_5: 6}
    assert found.far_percent == 100 * 10 / 13
    assert not found.passed


def test_closes_that_are_equal_are_no_difference_to_show() -> None:
    found = conclude(RUN_ID, ASKED, [SymbolCheck("ACME", "ACME", 1)], [_deviation(0)])
    assert (found.worst, found.far_percent, found.passed) == ((), 0.0, True)


def test_without_a_single_close_compared_nothing_has_passed() -> None:
    found = conclude(RUN_ID, ASKED, [SymbolCheck("ACME", "ACME", why="gone")], [])
    assert (found.compared, found.far_percent, found.passed) == (0, None, False)
    assert found.failures() == {"ACME": "gone"}
