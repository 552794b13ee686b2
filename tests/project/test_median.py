"""The trailing median: the very number that sorting each window gives."""

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from project import median as module
from project.median import trailing_median

_numbers = st.lists(
    st.floats(allow_nan=False, width=32) | st.sampled_from([0.0, 1.0, math.inf, -math.inf, 5e-324, 1.5e308]),
    max_size=60,
)


def _one_by_one(numbers: list[float], window: int) -> list[float]:
    """Return the medians by their definition; the standard library's, which shares no code."""
    enough = [median(numbers[place - window : place]) for place in range(window, len(numbers))]
    return [math.nan] * min(window, len(numbers)) + enough


@settings(max_examples=300)
@given(_numbers, st.integers(1, 25), st.sampled_from([1, 2, 7, 4096]))
def test_each_is_the_median_of_the_numbers_before(numbers: list[float], window: int, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as sizes:
        sizes.setattr(module, "_AT_ONCE", at_once)
        found = trailing_median(np.array(numbers, np.float64), window)
    np.testing.assert_array_equal(found, _one_by_one(numbers, window))


@pytest.mark.parametrize("window", [1, 2, 19, 20, 21, 63, 64, 250])
def test_long_windows_are_medians_too(window: int) -> None:
    numbers = np.floor(np.random.default_rng(window).lognormal(10, 2, 9000))
    np.testing.assert_array_equal(trailing_median(numbers, window), _one_by_one(numbers.tolist(), window))


@pytest.mark.parametrize("window", range(1, 12))
def test_a_window_with_a_number_that_is_none_has_no_median(window: int) -> None:
    numbers = np.arange(40.0)
    numbers[17] = math.nan
    found = np.isnan(trailing_median(numbers, window))
    assert np.flatnonzero(found).tolist() == [*range(window), *range(max(18, window), 18 + window)]
