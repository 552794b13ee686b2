"""The ticker change: from a date on a security trades under a ticker. A record."""

import datetime as dt
from typing import ClassVar

from project.record import Record


class TickerChange(Record, frozen=True):
    """A security takes a ticker, its first or a new one, on `changed_on`, as the vendor dates it."""

    MOVES_PRICES: ClassVar = False
    KEY: ClassVar = ("ticker", "security_id", "changed_on")

    ticker: str
    security_id: str
    name: str | None
    changed_on: dt.date
