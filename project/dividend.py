"""The dividend: cash per share for whoever held before the ex-date."""

import datetime as dt
from collections.abc import Iterable

import msgspec


class Dividend(msgspec.Struct, frozen=True):
    """A cash dividend as the vendor last described it. Units: cash_amount in `currency` per share."""

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
    archive_seq: int
    known_from: dt.datetime


def in_dollars(dividends: Iterable[Dividend]) -> list[Dividend]:
    """Return the dividends that lower a price in USD; a price cannot be restated by cash of another currency."""
    return [dividend for dividend in dividends if dividend.currency in (None, "USD")]
