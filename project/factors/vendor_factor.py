"""The vendor's cumulative adjustment factors, taken apart into what each action does on its own.

The vendor says with each split what a price before it is multiplied by to come to today's shares: this split and all
later ones of the ticker. What the split itself does is that number divided by the number of the next later one. The
same holds among dividends. It knows the order of lists and pages and no payload.

Source: massive.com/docs/rest/stocks/corporate-actions (historical_adjustment_factor); answers seen round to six
decimals, leave it out for what has not happened yet, and have 0 where the vendor could not work it out.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import msgspec

# Six decimals of a smaller number are off by a quarter of a percent or more.
_LEAST = 2e-4


class Stated(msgspec.Struct, frozen=True):
    """What one row of an answer states: ticker, ex-date and cumulative factor, None where it states none."""

    ticker: str
    ex_date: dt.date
    cumulative: float | None


class Page(msgspec.Struct, frozen=True):
    """Where in its list an answer stands, and the date in New York on which it was given."""

    is_first: bool
    is_last: bool
    given_on: dt.date


def own_factors(rows: Sequence[Stated], page: Page) -> list[float | None]:
    """Return for each row what a price before its ex-date is multiplied by for that date's actions alone.

    Shape: as long as `rows`; None where the answer does not tell: no factor, a later action may be on another page,
    or the action was still to come.
    """
    by_ticker: dict[str, dict[dt.date, set[float | None]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        if row.ex_date <= page.given_on:
            by_ticker[row.ticker][row.ex_date].add(_usable(row.cumulative))
    ends_here = _tickers_that_end_here(rows, page)
    own = {ticker: _own(dates, ticker in ends_here) for ticker, dates in by_ticker.items()}
    return [own[row.ticker].get(row.ex_date) if row.ticker in own else None for row in rows]


def _usable(cumulative: float | None) -> float | None:
    return cumulative if cumulative is not None and _LEAST <= cumulative < math.inf else None


def _own(dates: dict[dt.date, set[float | None]], ends_here: bool) -> dict[dt.date, float | None]:
    """Return the factor of each date: its cumulative one over that of the next later date."""
    own: dict[dt.date, float | None] = {}
    later: float | None = 1.0 if ends_here else None
    for date in sorted(dates, reverse=True):
        said = dates[date]
        cumulative = next(iter(said)) if len(said) == 1 else None
        own[date] = None if cumulative is None or later is None else cumulative / later
        later = cumulative
    return own


def _tickers_that_end_here(rows: Sequence[Stated], page: Page) -> set[str]:
    """Return the tickers whose latest action is certainly in this answer."""
    tickers = [row.ticker for row in rows]
    dates = [row.ex_date for row in rows]
    newest_first = all(this >= after for this, after in pairwise(dates))
    if page.is_first and (page.is_last or newest_first):
        return set(tickers)
    if any(this.encode() > after.encode() for this, after in pairwise(tickers)):
        return set()
    # A list by ticker: only those at the ends of the page may go on elsewhere.
    cut = set() if page.is_first else set(tickers[:1])
    return set(tickers) - cut - (set() if page.is_last else set(tickers[-1:]))
