"""Polygon's bar: its one-letter fields, and the two instants that stand for a session.

Source: polygon.md §3; `t` is midnight in New York in the range route, 16:00 there in the grouped and previous one.
"""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.bars.columns import BarColumns
from archive.calendar import NEW_YORK

MIDNIGHT, CLOSE_OF_SESSION = dt.time(0), dt.time(16)

_LETTERS = {
    "ticker": "T",
    "open": "o",
    "high": "h",
    "low": "l",
    "close": "c",
    "volume": "v",
    "vwap": "vw",
    "trades": "n",
}
_REMEMBERED = 1 << 16

Price = Annotated[float, Meta(description="USD per share.")]
Milliseconds = Annotated[int, Meta(description="Milliseconds since 1970 UTC.")]


class PolygonBar(Struct, frozen=True, gc=False, rename=_LETTERS):
    """A bar; what the vendor did not send is left out."""

    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Meta(description="Shares; may have decimals.")]
    t: Milliseconds
    vwap: Annotated[float | UnsetType, Meta(description="Volume-weighted average price.")] = UNSET
    trades: Annotated[int | UnsetType, Meta(description="Number of trades.")] = UNSET
    ticker: str | UnsetType = UNSET


def bar_rows(bars: BarColumns, stamps: Iterable[int], tickers: Iterable[str | UnsetType]) -> list[PolygonBar]:
    """Return bars as rows; `stamps` is `t` of each, `tickers` its ticker where the route says it."""
    return list(
        map(
            PolygonBar,
            bars.open.tolist(),
            bars.high.tolist(),
            bars.low.tolist(),
            bars.close.tolist(),
            bars.volume.tolist(),
            stamps,
            _known(bars.vwap.tolist()),
            _whole(bars.trades.tolist()),
            tickers,
        )
    )


def stamps(dates: Sequence[dt.date], time: dt.time) -> Iterator[int]:
    """Yield the milliseconds of a time of day in New York on each date."""
    return (new_york_ms(date, time) for date in dates)


@lru_cache(maxsize=_REMEMBERED)
def new_york_ms(date: dt.date, time: dt.time) -> int:
    """Return the milliseconds of a time of day in New York."""
    return int(dt.datetime.combine(date, time, NEW_YORK).timestamp()) * 1000


def _known(values: list[float]) -> Iterator[float | UnsetType]:
    return (UNSET if math.isnan(value) else value for value in values)


def _whole(values: list[float]) -> Iterator[int | UnsetType]:
    return (UNSET if math.isnan(value) else int(value) for value in values)
