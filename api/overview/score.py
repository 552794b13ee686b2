"""The score of a symbol: how much of what should be there is there, and how much of that is good."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from project.gaps.gaps import GapKind

FAULTS = (GapKind.VENDOR_HOLE, GapKind.REJECTED, GapKind.NOT_FETCHED)
"""The classes of sessions in which there should be a bar; where nothing traded none is missed."""


class Score(Struct, frozen=True):
    """The score in its parts; null is what is a share of nothing."""

    score: Annotated[float | None, Meta(description="validated_bars / bars, as /api/v1/symbols has it.")]
    completeness: Annotated[
        float | None,
        Meta(description="bars / (bars + missing sessions of the classes vendor_hole, rejected and not_fetched)."),
    ]
    overall: Annotated[
        float | None,
        Meta(
            description=(
                "score × completeness, which is validated_bars / (bars + missing sessions of the classes vendor_hole, "
                "rejected and not_fetched): the share of the sessions in which it should have a good bar and has one."
            )
        ),
    ]
    mean_quality: Annotated[float | None, Meta(description="The mean quality score of its bars.")]


def score_of(bars: int, validated_bars: int, counts: Mapping[GapKind, int], mean_quality: float | None) -> Score:
    """Return the score of a symbol that misses `counts` sessions of each class."""
    due = bars + sum(counts.get(kind, 0) for kind in FAULTS)
    return Score(
        score=_share(validated_bars, bars),
        completeness=_share(bars, due),
        overall=_share(validated_bars, due),
        mean_quality=mean_quality,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
