"""Bars as columns, as the functions of the generation send them. Knows no route and no format of an answer."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from project.columnar import dates_sent
from project.rows import Floats

_FLOATS = ("open", "high", "low", "close", "volume", "vwap", "trades", "gap", "volume_ratio", "quality_score")


class BarColumns(msgspec.Struct, frozen=True):
    """Bars in order, one entry a bar in every column.

    Shape: `sessions` datetime64[D]; `failed_rules` int64 with one bit a rule. Units: prices USD/share, volume shares;
    NaN where there is no value.
    """

    sessions: npt.NDArray[np.datetime64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats
    gap: Floats
    volume_ratio: Floats
    failed_rules: npt.NDArray[np.int64]
    quality_score: Floats
    validated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sessions)

    def take(self, places: npt.NDArray[Any] | slice) -> "BarColumns":
        """Return the bars at some places."""
        return BarColumns(*(getattr(self, name)[places] for name in self.__struct_fields__))


def columns_of(row: Mapping[str, Any]) -> BarColumns:
    """Return the bars of a row of series_of or market_of (sql/generation.sql)."""
    floats = {name: np.frombuffer(row[name] or b"", ">f8").astype(np.float64) for name in _FLOATS}
    return BarColumns(
        sessions=dates_sent(row["session"]),
        failed_rules=np.frombuffer(row["failed_rules"] or b"", ">i8").astype(np.int64),
        validated=np.frombuffer(row["validated"] or b"", "?"),
        **floats,
    )


def joined(parts: list[BarColumns]) -> BarColumns:
    """Return the bars of several, of which there is at least one, one after the other."""
    names = BarColumns.__struct_fields__
    return BarColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def no_bars() -> BarColumns:
    """Return none."""
    return columns_of(dict.fromkeys(BarColumns.__struct_fields__) | {"session": None})
