"""The sampler: the same seed draws the same, every payload has the same chance, and in time each one is drawn."""

import math
from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from archive.sample import Sample

heads = st.integers(0, 3000)
percents = st.floats(0.5, 100)
seeds = st.integers(0, 2**31)


def drawn(head: int, percent: float, seed: int) -> list[int]:
    """Return the numbers of the payloads that a sample takes."""
    spans = Sample(percent, seed).spans(head)
    return [number for after, upto in spans for number in range(after + 1, upto + 1)]


@given(heads, percents, seeds)
def test_a_sample_is_in_order_without_repetition_and_within_the_archive(head: int, percent: float, seed: int) -> None:
    numbers = drawn(head, percent, seed)
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, head + 1))
    assert bool(numbers) == bool(head)


@given(heads, percents, seeds)
def test_a_sample_is_about_as_large_as_it_was_asked_for(head: int, percent: float, seed: int) -> None:
    wanted = head * percent / 100
    run = max(1, min(32, int(wanted / 8)))
    assert math.floor(wanted) - run <= len(drawn(head, percent, seed)) <= math.ceil(wanted) + 2 * run


@given(heads, percents, seeds)
def test_the_same_seed_draws_the_same(head: int, percent: float, seed: int) -> None:
    assert Sample(percent, seed).spans(head) == Sample(percent, seed).spans(head)


@given(heads, seeds)
def test_a_sample_of_everything_is_everything_in_one_span(head: int, seed: int) -> None:
    assert Sample(100, seed).spans(head) == ([(0, head)] if head else [])


@given(heads, percents, seeds)
def test_spans_that_touch_are_read_as_one(head: int, percent: float, seed: int) -> None:
    spans = Sample(percent, seed).spans(head)
    assert all(upto < after for (_, upto), (after, _) in pairwise(spans))


def test_large_samples_come_in_runs_of_neighbours_and_small_ones_from_several_places() -> None:
    large = Sample(5, 1).spans(100_000)
    assert sum(upto - after for after, upto in large) / len(large) > 25
    assert len(Sample(5, 1).spans(200)) > 5


@settings(max_examples=20)
@given(st.integers(1, 400), st.floats(2, 100))
def test_every_payload_has_the_same_chance(head: int, percent: float) -> None:
    """Counted over seeds: within six standard deviations of what equal chances give, for each payload."""
    times = 1500
    counts = Counter(number for seed in range(times) for number in drawn(head, percent, seed))
    chance = sum(counts.values()) / times / head
    allowed = 6 * math.sqrt(times * chance * (1 - chance)) + 0.02 * times * chance
    assert all(abs(counts[number] - times * chance) <= allowed for number in range(1, head + 1))


@settings(max_examples=30)
@given(st.integers(1, 2000), st.floats(2, 100))
def test_night_after_night_every_payload_is_drawn(head: int, percent: float) -> None:
    left = set(range(1, head + 1))
    nights = math.ceil(30 * 100 / percent)
    for seed in range(nights):
        left -= set(drawn(head, percent, seed))
        if not left:
            return
    raise AssertionError(f"never drawn in {nights} nights: {sorted(left)[:10]}")
