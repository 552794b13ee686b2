"""The split: `split_from` old shares become `split_to` new ones on the ex-date. A record and its arithmetic."""

import datetime as dt
from collections.abc import Iterable

import msgspec


class Split(msgspec.Struct, frozen=True):
    """A split as the vendor last described it; `execution_date` is the ex-date."""

    ticker: str
    vendor_id: str
    execution_date: dt.date
    split_from: float
    split_to: float
    adjustment_type: str | None
    archive_seq: int
    known_from: dt.datetime


def price_factor(split: Split) -> float:
    """Return what prices before the ex-date are multiplied by; volumes are divided by it.

    Units: dimensionless; a 4-for-1 split (from 1, to 4) gives 0.25.
    Source: Polygon /stocks/v1/splits and /v3/reference/splits (split_from, split_to).
    """
    return split.split_from / split.split_to


def distinct_splits(splits: Iterable[Split]) -> list[Split]:
    """Return each split once, by ticker and ex-date: the vendor is known to send one event under two ids."""
    seen = {(split.ticker, split.execution_date, price_factor(split)): split for split in splits}
    return sorted(seen.values(), key=lambda split: (split.ticker, split.execution_date, price_factor(split)))
