"""The trailing median, exact, of many windows at once.

Windows that overlap share most of their numbers, so what is sorted is shared too: the sorted windows of ten numbers
are merged from those of five, each of which serves two. Nothing here branches on a number: a merge is minima and
maxima of whole columns, in an order that depends on lengths only.
"""

from functools import reduce

import numpy as np

from project.rows import Floats

_AT_ONCE = 4096  # columns of so many numbers, one for each place in the window, fit the processor's cache

_Sorted = list[Floats]
"""Windows of one length: column k holds the k-th smallest number of each."""


@np.errstate(invalid="ignore", over="ignore")
def trailing_median(numbers: Floats, window: int) -> Floats:
    """Return for each place the median of the `window` numbers before it; NaN where there are fewer, or one is NaN."""
    medians = np.full(len(numbers), np.nan)
    for start in range(window, len(numbers), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(numbers))
        medians[start:stop] = _medians(numbers[start - window : stop - 1], window)
    return medians


def _medians(numbers: Floats, window: int) -> Floats:
    """Return the median of each window; the first begins with the first number, the last ends with the last."""
    halves = _halves(window, {1: [numbers]})
    middle = _smallest(window // 2, *halves)
    if window % 2 == 0:
        middle = (_smallest(window // 2 - 1, *halves) + middle) / 2
    # A minimum carries a NaN on, but not every number of a window meets every other.
    so_far = np.cumsum(np.isnan(numbers))
    middle[so_far[window - 1 :] > np.append(0, so_far[:-window])] = np.nan
    return middle


def _halves(length: int, known: dict[int, _Sorted]) -> tuple[_Sorted, _Sorted]:
    """Return the windows of a length in two sorted halves: the first numbers of each and the rest."""
    first, count = length // 2, len(known[1][0]) - length + 1
    lower = [column[:count] for column in _sorted_windows(first, known)]
    upper = [column[first : first + count] for column in _sorted_windows(length - first, known)]
    return lower, upper


def _sorted_windows(length: int, known: dict[int, _Sorted]) -> _Sorted:
    """Return the sorted windows of a length, one for each place that a window can begin at."""
    if length == 0:
        return []
    if length not in known:
        known[length] = _merge(*_halves(length, known))
    return known[length]


def _merge(one: _Sorted, other: _Sorted) -> _Sorted:
    """Merge two sorted lists.

    Source: K. E. Batcher, Sorting networks and their applications (1968): odd-even merge, here of any two lengths.
    """
    if not one or not other:
        return one or other
    if len(one) == len(other) == 1:
        return [np.minimum(one[0], other[0]), np.maximum(one[0], other[0])]
    ahead, behind = _merge(one[::2], other[::2]), _merge(one[1::2], other[1::2])
    merged = [ahead[0]]
    for low, high in zip(behind, ahead[1:], strict=False):
        merged += [np.minimum(low, high), np.maximum(low, high)]
    return [*merged, *behind[len(ahead) - 1 :], *ahead[len(behind) + 1 :]]


def _smallest(rank: int, one: _Sorted, other: _Sorted) -> Floats:
    """Return the number of a rank, from 0, among those of two sorted lists.

    However many of the `rank + 1` smallest are taken from the first list, the largest taken is no smaller than it.
    """
    taken = range(max(0, rank + 1 - len(other)), min(rank + 1, len(one)) + 1)
    largest = [np.maximum.reduce([*one[:count][-1:], *other[: rank + 1 - count][-1:]]) for count in taken]
    return np.asarray(reduce(np.minimum, largest))
