"""Parameters as Polygon's clients write them: `ticker.gte` and its like, pages and orders.

Each field of a struct here is a parameter; `dotted` gives it the name that is sent. Knows no route and no table.
"""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.params import Symbol

_COMPARISONS = ("any_of", "gte", "gt", "lte", "lt")

Adjusted = Annotated[bool, Meta(description="Whether prices and volumes are restated for splits, those up to today.")]
Direction = Literal["asc", "desc"]

TickerAbove = Annotated[Symbol, Meta(description="Tickers after this one, in byte order.")]
TickerFrom = Annotated[Symbol, Meta(description="This ticker and those after it.")]
TickerBelow = Annotated[Symbol, Meta(description="Tickers before this one.")]
TickerTo = Annotated[Symbol, Meta(description="This ticker and those before it.")]
AnyOf = Annotated[
    str,
    Meta(
        description="Any of these, separated by commas.",
        examples=["AAPL,BRK.B"],
        max_length=8192,
        pattern=r"^[^\x00]*$",
    ),
]
OnDate = Annotated[dt.date, Meta(description="This date.", examples=["2020-08-31"])]
AfterDate = Annotated[dt.date, Meta(description="Later than this date.")]
FromDate = Annotated[dt.date, Meta(description="This date or later.")]
BeforeDate = Annotated[dt.date, Meta(description="Earlier than this date.")]
UntilDate = Annotated[dt.date, Meta(description="This date or earlier.")]
Cash = Annotated[float, Meta(ge=-1e300, le=1e300, description="Cash per share.")]
Count = Annotated[int, Meta(ge=0, le=1_000_000, description="Payments a year: 0, 1, 2, 4, 12 and so on.")]
Text = Annotated[str, Meta(max_length=128, pattern=r"^[^\x00]*$")]


def dotted(field: str) -> str:
    """Return the name of a parameter as it is sent: execution_date_gte is execution_date.gte, from_ is from."""
    for comparison in _COMPARISONS:
        if field.endswith(f"_{comparison}"):
            return f"{field.removesuffix(f'_{comparison}')}.{comparison}"
    return field.removesuffix("_")


class TickerParams(Struct, frozen=True, kw_only=True, rename=dotted):
    """Which tickers are asked for."""

    ticker: Symbol | None = None
    ticker_gt: TickerAbove | None = None
    ticker_gte: TickerFrom | None = None
    ticker_lt: TickerBelow | None = None
    ticker_lte: TickerTo | None = None
