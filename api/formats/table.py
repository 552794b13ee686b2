"""A table: rows as columns of equal length, whatever format they are sent in."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct, defstruct

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


Rows = Table | Sequence[Struct]


def names_of(kind: type[Struct], rows: Rows) -> tuple[str, ...]:
    """Return the names of the columns that rows have, in the order of the fields of their struct."""
    names = kind.__struct_fields__
    return tuple(name for name in names if name in rows.columns) if isinstance(rows, Table) else names


def values_of(rows: Rows, name: str) -> Values | list[Any]:
    """Return a column as it is held."""
    return rows.columns[name] if isinstance(rows, Table) else [getattr(row, name) for row in rows]


def python_values_of(rows: Rows, name: str) -> list[Any]:
    """Return a column as Python's own values; a null may be NaN."""
    values = values_of(rows, name)
    if isinstance(values, list):
        return values
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] != "D":
        return [instant and instant.replace(tzinfo=dt.UTC) for instant in values.tolist()]
    listed: list[Any] = values.tolist()
    return listed


def structs_of(rows: Rows, kind: type[Struct], names: tuple[str, ...]) -> Sequence[Struct]:
    """Return rows as structs that have the named columns only, in their order."""
    if names == kind.__struct_fields__:
        if not isinstance(rows, Table):
            return rows
        row = kind
    else:
        row = _narrowed(names)
    return list(map(row, *(python_values_of(rows, name) for name in names)))


def parts_of(rows: Rows, size: int) -> Iterator[Rows]:
    """Yield rows in parts of at most `size`; of none there is one part, which is empty."""
    for start in range(0, max(len(rows), 1), size):
        part = slice(start, start + size)
        if isinstance(rows, Table):
            yield Table(rows.kind, {name: values[part] for name, values in rows.columns.items()})
        else:
            yield rows[part]


@lru_cache(maxsize=256)
def _narrowed(names: tuple[str, ...]) -> type[Struct]:
    return defstruct("Row", names, frozen=True, gc=False)
