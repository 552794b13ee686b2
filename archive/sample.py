"""Which bodies a sampled verification reads: runs of neighbours, drawn by a seed. Pure, and blind to payloads.

Neighbours, because they were written one after the other and lie so on disk: a spinning disk moves its head once a
run instead of once a body, and one query reads a run. Runs get shorter in a small archive, so that a sample there
still comes from several places.
"""

import math
import random

import msgspec

# Of bodies of 40 to 350 KB, so many take about as long to read as a spinning disk takes to find the first.
_LONGEST_RUN = 32
_FEWEST_RUNS = 8


class Sample(msgspec.Struct, frozen=True):
    """Which part of the payloads to draw, and the seed to draw it by.

    Units: percent is above 0 and at most 100.
    """

    percent: float
    seed: int

    def spans(self, head: int) -> list[tuple[int, int]]:
        """Return what to read of the payloads 1 to `head`, in order: pairs (after, upto), upto included.

        Every payload has the same chance to be in it; the same head, percent and seed give the same spans.
        """
        wanted = head * self.percent / 100
        run = min(max(int(wanted / _FEWEST_RUNS), 1), _LONGEST_RUN)
        runs = math.ceil(head / run)
        drawn = min(math.ceil(runs * self.percent / 100), runs)
        chosen = random.Random(self.seed).sample(range(runs), drawn)  # noqa: S311 (to be repeated, not a secret)
        return _joined([(place * head // runs, (place + 1) * head // runs) for place in sorted(chosen)])


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for after, upto in spans:
        if joined and joined[-1][1] == after:
            after = joined.pop()[0]
        joined.append((after, upto))
    return joined
