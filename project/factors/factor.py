"""The factor: what one version of a split or dividend does to the bars before it. A value and how to choose among many.

How it is weighed against the prices is in `weigh.py`; this file knows no bar and no payload.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

SPLIT, DIVIDEND = "split", "dividend"


class Flag(StrEnum):
    """What is remarkable about a factor."""

    UNCHECKED = "unchecked"
    """No prices around the ex-date, or an effect too small to show in them: applied as stated."""
    DATED_OFF = "dated_off"
    """The prices show it in another session: applied from there."""
    CONTRADICTED = "contradicted"
    """The prices show nothing of it: not applied."""
    ABSURD_RATIO = "absurd_ratio"
    """10,000 to 1 or beyond: applied only where the prices show it."""
    ABSURD_AMOUNT = "absurd_amount"
    """As much cash as the share was worth, or more: not applied."""
    DUPLICATE = "duplicate"
    """The same event as another version, which is the one that counts: not applied."""
    CONFLICTING = "conflicting"
    """Another split has the same date: applied only where the prices show it."""
    FOREIGN_CURRENCY = "foreign_currency"
    """Cash that is not in USD, by which no price can be restated: not applied."""
    VENDOR_FACTOR_DIFFERS = "vendor_factor_differs"
    """The vendor adjusts by something else for this date."""


class Factor(msgspec.Struct, frozen=True, gc=False):
    """What one version of a split or dividend does to the bars before it.

    `ex_date`, `split_from`, `split_to` and `cash` are as stated. `applied_on` is the session from which prices are in
    new shares or without the dividend, None where it is not applied. `price_factor` and `volume_factor` are what
    prices and volumes before are multiplied by; several dividends of one date come one after the other, so that
    their product is that of their sum; None where no previous close is known or no price can be restated by it.
    `move` is what the prices say: open of the first bar from the ex-date on / the close before it, as traded.
    Units: cash per share in the currency stated; factors dimensionless.
    """

    ticker: str
    kind: str
    vendor_id: str
    archive_seq: int
    ex_date: dt.date
    applied_on: dt.date | None
    split_from: float | None
    split_to: float | None
    cash: float | None
    price_factor: float | None
    volume_factor: float
    move: float | None
    vendor_factor: float | None
    flags: tuple[str, ...]
    known_from: dt.datetime
    known_to: dt.datetime | None


def factor_of(row: Mapping[str, Any]) -> Factor:
    """Return a row of the factor table as a record."""
    return Factor(**{**row, "flags": tuple(row["flags"])})


def applied(factors: Iterable[Factor]) -> list[Factor]:
    """Return the factors that restate bars by what is believed now."""
    return [factor for factor in factors if factor.known_to is None and factor.applied_on is not None]


def as_known(factors: Iterable[Factor], instant: dt.datetime) -> list[Factor]:
    """Return the factors of what was believed at an instant, weighed against the bars of now.

    Where the spans in which two ids of one split were believed only overlap there, the one stated first is left.
    """
    known = [
        factor
        for factor in factors
        if factor.known_from <= instant and (factor.known_to is None or factor.known_to > instant)
    ]
    known.sort(key=lambda factor: (factor.archive_seq, factor.vendor_id))
    first: dict[object, str] = {}
    return [
        factor
        for factor in known
        if factor.kind != SPLIT
        or factor.applied_on is None
        or first.setdefault((factor.ticker, factor.ex_date, factor.price_factor), factor.vendor_id) == factor.vendor_id
    ]
