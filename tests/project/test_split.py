"""The split: its arithmetic."""

import pytest

from project.split import price_factor
from tests.project.actions import split


@pytest.mark.parametrize(
    ("split_from", "split_to", "factor"), [(1, 4, 0.25), (1, 7, 1 / 7), (10, 1, 10.0), (2, 3, 2 / 3), (1, 1, 1.0)]
)
def test_a_price_before_the_ex_date_is_multiplied_by_old_over_new_shares(
    split_from: float, split_to: float, factor: float
) -> None:
    assert price_factor(split(split_from, split_to)) == factor
