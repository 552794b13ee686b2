"""What answers of bars share: the generation they come from, and the page they are."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from api.bars.columns import BarColumns
from api.bars.params import Order
from api.generation import Generation
from api.overview.coverage import Coverage


class GenerationRef(Struct, frozen=True):
    """The generation an answer comes from."""

    generation_id: UUID
    checkpoint: Annotated[int, Meta(description="The last payload of the archive that is projected.")]
    ruleset_hash: Annotated[str, Meta(description="The rules that judged the bars.")]

    @classmethod
    def of(cls, generation: Generation) -> "GenerationRef":
        """Return what an answer says of a generation."""
        return cls(generation.generation_id, generation.checkpoint, generation.ruleset_hash)


_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()

EXAMPLE_GENERATION = GenerationRef(UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"), 1024, "9f86d081884c7d65…")

EXAMPLE_COVERAGE = Coverage(
    first=dt.date(2014, 6, 9),
    last=dt.date(2014, 6, 9),
    judged_up_to=dt.date(2026, 11, 19),
    expected=1,
    present=1,
    missing=[],
)


def in_order(bars: BarColumns, order: Order) -> BarColumns:
    """Return bars of one symbol, which are oldest first, in the order asked for."""
    return bars if order == "asc" else bars.take(slice(None, None, -1))


def after(bars: BarColumns, session: dt.date, order: Order) -> BarColumns:
    """Return those of bars in an order that come after a session's."""
    day = np.datetime64(session)
    later: npt.NDArray[Any] = bars.sessions > day if order == "asc" else bars.sessions < day
    return bars.take(later)


def date_of(day: np.datetime64) -> dt.date:
    """Return a date of numpy's as Python's."""
    return dt.date.fromordinal(_EPOCH_ORDINAL + int(day.astype("datetime64[D]").astype(np.int64)))
