"""The listing: what the vendor says of a ticker and the security that trades, or once traded, under it. A record.

A ticker may have several: it was used again by another company, or the vendor has come to know the same one by
another id. That a listing drops out of a list says nothing, since the vendor's lists are known to be incomplete; it
stands until a later answer says something else of it.
"""

import datetime as dt
from typing import ClassVar

from project.record import Record

MADE = "ticker:"
"""How an id begins that the vendor did not give."""


class Listing(Record, frozen=True):
    """A security under one of its tickers, as the vendor described it; `delisted_on` is a date in New York."""

    MOVES_PRICES: ClassVar = False
    KEY: ClassVar = ("ticker", "security_id")

    ticker: str
    security_id: str
    name: str | None
    market: str | None
    type: str | None
    primary_exchange: str | None
    cik: str | None
    composite_figi: str | None
    share_class_figi: str | None
    active: bool
    delisted_on: dt.date | None


def security_id_of(ticker: str, *vendor_ids: str | None) -> str:
    """Return the first id that the vendor gave, or one made of the ticker."""
    return next((vendor_id for vendor_id in vendor_ids if vendor_id), MADE + ticker)
