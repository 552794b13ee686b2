"""Reading dividends as they are believed now: a page of them, and the two ways in which the vendor calls their kinds.

The kind is stored as the payload had it, `CD SC LT ST` in answers of the older list, `recurring special …` in those of
the newer one. Each route tells both in its own words.
"""

from collections.abc import Iterable
from typing import Any

import asyncpg
from msgspec import Struct

from api.polygon.filters import Bounds, TickerFilter
from api.polygon.place import Order, Page, page_of
from sql import load_queries

_DIVIDENDS = load_queries("api_polygon.sql")["dividends"]
DATE = "ex_dividend_date"
_UNKNOWN = "unknown"

# Source: the vendor's own definitions: CD is paid on a consistent schedule; SC infrequent, unusual or not expected to
# occur again; LT and ST are capital gains, for which the newer list has no word.
_DIVIDEND_TYPES = {
    "recurring": "CD",
    "special": "SC",
    "supplemental": "SC",
    "irregular": "SC",
}
_DISTRIBUTION_TYPES = {"CD": "recurring", "SC": "special", "LT": _UNKNOWN, "ST": _UNKNOWN}
_STORED = (*_DIVIDEND_TYPES, *_DISTRIBUTION_TYPES, _UNKNOWN)


class DividendsWanted(Struct, frozen=True, kw_only=True):
    """Which dividends are asked for, in which order and how many."""

    tickers: TickerFilter
    ex_dates: Bounds
    order: Order
    limit: int
    record_dates: Bounds = Bounds()
    declaration_dates: Bounds = Bounds()
    pay_dates: Bounds = Bounds()
    cash_amounts: Bounds = Bounds()
    frequencies: Bounds = Bounds()
    stored_kinds: list[str] | None = None
    cursor: str | None = None


async def read_dividends(connection: asyncpg.Connection, wanted: DividendsWanted) -> Page:
    """Return a page of dividends."""
    ranges = (
        wanted.ex_dates,
        wanted.record_dates,
        wanted.declaration_dates,
        wanted.pay_dates,
        wanted.cash_amounts,
        wanted.frequencies,
    )
    args: tuple[Any, ...] = (
        wanted.tickers.chosen,
        wanted.tickers.first,
        wanted.tickers.beyond,
        *(end for each in ranges for end in (each.low, each.high)),
        wanted.stored_kinds,
        wanted.order.field,
        wanted.order.sign,
        *wanted.order.place(wanted.cursor),
        wanted.limit + 1,
    )
    return page_of(await connection.fetch(_DIVIDENDS, *args), wanted.limit, wanted.order, DATE)


def dividend_type(stored: str | None) -> str | None:
    """Return a stored kind as CD, SC, LT or ST, None where it is not known."""
    return stored if stored in _DISTRIBUTION_TYPES else _DIVIDEND_TYPES.get(stored or _UNKNOWN)


def distribution_type(stored: str | None) -> str:
    """Return a stored kind as recurring, special, supplemental, irregular or unknown."""
    return _DISTRIBUTION_TYPES.get(stored or _UNKNOWN, stored or _UNKNOWN)


def stored_as_dividend_type(wanted: str | None) -> list[str] | None:
    """Return the stored kinds that are told as a `dividend_type`, None where any is good."""
    return None if wanted is None else [stored for stored in _STORED if dividend_type(stored) == wanted]


def stored_as_distribution_types(wanted: Iterable[str] | None) -> list[str] | None:
    """Return the stored kinds that are told as one of some `distribution_type`s, None where any is good."""
    if wanted is None:
        return None
    names = set(wanted)
    return [stored for stored in _STORED if distribution_type(stored) in names]
