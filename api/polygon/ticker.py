"""Polygon's ticker: what is listed of it, or what its bars alone tell.

Never invented: a field that no payload has is left out. A ticker that has bars and stands in no list is a US stock of
that name, which nobody has said to be delisted.
"""

import datetime as dt
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from archive.calendar import NEW_YORK

STOCKS = "stocks"


class PolygonTicker(Struct, frozen=True):
    """A security under one of its tickers; what is not known is left out."""

    ticker: str
    name: Annotated[str, Meta(description="The company's, or the ticker where no name is known.")]
    market: str
    locale: str
    active: Annotated[bool, Meta(description="Whether it trades under this ticker, as the vendor said last.")]
    currency_name: str
    type: str | UnsetType = UNSET
    primary_exchange: Annotated[str | UnsetType, Meta(description="Its market identifier code.")] = UNSET
    cik: str | UnsetType = UNSET
    composite_figi: str | UnsetType = UNSET
    share_class_figi: str | UnsetType = UNSET
    delisted_utc: dt.datetime | UnsetType = UNSET
    last_updated_utc: Annotated[
        dt.datetime | UnsetType, Meta(description="When what is said here was first fetched.")
    ] = UNSET


def listed(
    row: Any,
    *,
    active: bool,
) -> PolygonTicker:
    """Return a listing, a record or a row of that table, as a ticker."""
    optional = ("type", "primary_exchange", "cik", "composite_figi", "share_class_figi")
    known: dict[str, Any] = {name: row[name] for name in optional if row[name] is not None}
    if not active and row["delisted_on"] is not None:
        known["delisted_utc"] = _midnight(row["delisted_on"])
    ticker = row["ticker"]
    return PolygonTicker(
        ticker,
        row["name"] or ticker,
        row["market"] or STOCKS,
        "us",
        active,
        "usd",
        last_updated_utc=row["known_from"].replace(microsecond=0),
        **known,
    )


def unlisted(ticker: str) -> PolygonTicker:
    """Return a ticker of which there are bars and nothing else."""
    return PolygonTicker(ticker, ticker, STOCKS, "us", active=True, currency_name="usd")


def _midnight(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), NEW_YORK).astimezone(dt.UTC)
