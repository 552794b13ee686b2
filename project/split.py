"""The split: `split_from` old shares become `split_to` new ones on the ex-date. A record and its arithmetic."""

import datetime as dt
from typing import ClassVar

from project.record import Record


class Split(Record, frozen=True):
    """A split as the vendor described it; `execution_date` is the ex-date.

    `vendor_factor` is what the vendor's own adjustment comes to for this ex-date alone (factors/vendor_factor.py).
    """

    KEY: ClassVar = ("ticker", "vendor_id")
    DERIVED: ClassVar = ("vendor_factor",)

    ticker: str
    vendor_id: str
    execution_date: dt.date
    split_from: float
    split_to: float
    adjustment_type: str | None
    vendor_factor: float | None = None

    @property
    def judged_from(self) -> dt.date:
        """The ex-date: bars before it do not know of it."""
        return self.execution_date


def price_factor(split: Split) -> float:
    """Return what prices before the ex-date are multiplied by; volumes are divided by it.

    Units: dimensionless; a 4-for-1 split (from 1, to 4) gives 0.25.
    Source: Polygon /stocks/v1/splits and /v3/reference/splits (split_from, split_to).
    """
    return split.split_from / split.split_to
