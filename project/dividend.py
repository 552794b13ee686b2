"""The dividend: cash per share for whoever held before the ex-date."""

import datetime as dt
from typing import ClassVar

from project.record import Record


class Dividend(Record, frozen=True):
    """A cash dividend as the vendor described it. Units: cash_amount in `currency` per share.

    `vendor_factor` is what the vendor's own adjustment comes to for this ex-date alone (factors/vendor_factor.py).
    """

    KEY: ClassVar = ("ticker", "vendor_id")
    DERIVED: ClassVar = ("vendor_factor",)

    ticker: str
    vendor_id: str
    ex_dividend_date: dt.date
    cash_amount: float
    currency: str | None
    declaration_date: dt.date | None
    record_date: dt.date | None
    pay_date: dt.date | None
    frequency: int | None
    distribution_type: str | None
    vendor_factor: float | None = None

    @property
    def judged_from(self) -> dt.date:
        """The ex-date: bars before it do not know of it."""
        return self.ex_dividend_date
