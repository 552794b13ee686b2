"""Filters: what `.gt .gte .lt .lte` and `.any_of` leave of a field, as bounds that one SQL statement can take.

Tickers are bounded by the first one that is in and the first one that is not; dates and numbers by the first and the
last that are in. None is no bound.
"""

import datetime as dt
import math
from typing import Any

import msgspec

# The text that comes right after another, in byte order, is the other with this at its end.
_NEXT_TEXT = "\x01"


class TickerFilter(msgspec.Struct, frozen=True):
    """Tickers: those of `chosen` from `first` on that come before `beyond`."""

    chosen: list[str] | None = None
    first: str | None = None
    beyond: str | None = None


class Bounds(msgspec.Struct, frozen=True):
    """Values from `low` to `high`, both included."""

    low: Any = None
    high: Any = None


def ticker_filter(params: msgspec.Struct) -> TickerFilter:
    """Return what the parameters ticker, ticker.gt and so on ask for."""
    given = _given(params, "ticker")
    firsts = [text for text in (given["gte"], _next_text(given["gt"])) if text is not None]
    beyonds = [text for text in (given["lt"], _next_text(given["lte"])) if text is not None]
    return TickerFilter(
        chosen(given[""], given["any_of"]),
        max(firsts, key=str.encode, default=None),
        min(beyonds, key=str.encode, default=None),
    )


def chosen(value: str | None, any_of: str | None) -> list[str] | None:
    """Return the values that are asked for by name, None where any is good."""
    listed = None if any_of is None else [text.strip() for text in any_of.split(",")]
    if value is None:
        return listed
    return [value] if listed is None or value in listed else []


def bounds(params: msgspec.Struct, field: str) -> Bounds:
    """Return what the parameters `field`, `field`.gt and so on ask for, which are dates or numbers."""
    given = _given(params, field)
    try:
        lows = [v for v in (given[""], given["gte"], _after(given["gt"])) if v is not None]
        highs = [v for v in (given[""], given["lte"], _before(given["lt"])) if v is not None]
    except OverflowError:
        # After the last date there is, or before the first: nothing.
        return Bounds(dt.date.max, dt.date.min)
    return Bounds(max(lows, default=None), min(highs, default=None))


def _given(params: msgspec.Struct, field: str) -> dict[str, Any]:
    asked = {name: getattr(params, f"{field}_{name}", None) for name in ("gt", "gte", "lt", "lte", "any_of")}
    return {"": getattr(params, field, None), **asked}


def _next_text(text: str | None) -> str | None:
    return None if text is None else text + _NEXT_TEXT


def _after(value: Any) -> Any:
    return None if value is None else _stepped(value, 1)


def _before(value: Any) -> Any:
    return None if value is None else _stepped(value, -1)


def _stepped(value: Any, step: int) -> Any:
    if isinstance(value, float):
        return math.nextafter(value, math.copysign(math.inf, step))
    return value + dt.timedelta(days=step) if isinstance(value, dt.date) else value + step
