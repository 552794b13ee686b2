"""What befalls a machine, drawn from a seed: the fault, the moment, and the numbers that it needs.

Seeds that follow one another tell stories of every fault in turn. The same seed is the same story, but for the
instants at which processes happen to be where they are hit. It must not know how anything is done.
"""

import random
from functools import cache

import msgspec

from tests.chaos.scenario import Place, place_of

_PLACES = (0, 1)  # everything takes place years later, at once


class Story(msgspec.Struct, frozen=True):
    """A fault in a place, and when: after so many requests to the vendor and so long; `numbers` are for the fault."""

    seed: int
    fault: str
    place: int
    requests: int
    delay_s: float
    numbers: tuple[float, ...]

    def pick(self, number: int, among: int) -> int:
        """Return one of so many by one of the story's numbers."""
        return int(self.numbers[number] * among)


@cache
def story_of(seed: int, faults: tuple[str, ...]) -> Story:
    """Return the story of a seed."""
    draw = random.Random(f"fault {seed}")
    return Story(
        seed=seed,
        fault=faults[seed % len(faults)],
        place=_PLACES[seed // len(faults) % len(_PLACES)],
        requests=draw.randint(0, 24),
        delay_s=draw.random() * draw.choice((0.02, 0.2, 1.0)),
        numbers=tuple(draw.random() for _ in range(8)),
    )


def the_place(story: Story) -> Place:
    """Return the market of a story and what is wanted of it."""
    return place_of(story.place)
