"""A table: rows as columns of equal length, whatever format they are sent in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Values = npt.NDArray[Any]


class Table(Struct, frozen=True):
    """Rows of the struct `kind` as columns in the order of its fields, some of which may be left out.

    Shape: one-dimensional and of equal length; float64 where NaN is null, datetime64[D] for dates and datetime64[us]
    for instants where NaT is null, int64, bool, object for text and for lists.
    """

    kind: type[Struct]
    columns: Mapping[str, Values]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), np.empty(0)))
