"""What is counted of stories, and the table of it."""

from collections.abc import Sequence

import msgspec


class Tally(msgspec.Struct):
    """What came of one story.

    `acknowledged` answers were said to be archived and `lost` of them are not; `mends` are commands that a person would
    have had to run beyond the one clean run; `lock_s` is how long a lock outlived its holder.
    """

    fault: str
    seed: int
    injected: int = 0
    acknowledged: int = 0
    lost: int = 0
    mends: int = 0
    read: int = 0
    refused: int = 0
    wrong: int = 0
    lock_s: float = 0.0


def table_of(tallies: Sequence[Tally]) -> str:
    """Return one line for each fault, and one for all."""
    faults = dict.fromkeys(each.fault for each in tallies)
    lines = (_line(fault, [each for each in tallies if each.fault == fault]) for fault in faults)
    return "\n".join([_HEAD, "-" * len(_HEAD), *lines, _line("all", tallies)])


_FORM = "{:26} {:>7} {:>8} {:>12} {:>12} {:>6} {:>6} {:>9} {:>8} {:>6} {:>8}"
_HEAD = _FORM.format(
    *("fault", "stories", "injected", "seeds", "acknowledged", "losses", "mends", "read", "refused", "wrong", "lock s")
)


def _line(name: str, tallies: Sequence[Tally]) -> str:
    seeds = [each.seed for each in tallies]
    counts = (
        sum(getattr(each, field) for each in tallies)
        for field in ("acknowledged", "lost", "mends", "read", "refused", "wrong")
    )
    return _FORM.format(
        name,
        len(tallies),
        sum(each.injected for each in tallies),
        f"{min(seeds)}..{max(seeds)}",
        *(f"{count:,}" for count in counts),
        f"{max(each.lock_s for each in tallies):.2f}",
    )
