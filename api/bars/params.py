"""What every route of bars takes: in what terms they are told, and which of them are left out."""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.bars.restate import Adjustment
from api.params import Instant
from project.timeframe import Timeframe

Order = Literal["asc", "desc"]

MOST_ROWS = 50_000


class Terms(Struct, frozen=True, kw_only=True):
    """In what terms bars are told, and which are left out."""

    adjusted: Annotated[
        Adjustment,
        Meta(
            description="none: as traded; splits: prices and volumes in shares of the date as_of; all: prices less the "
            "dividends up to as_of, too."
        ),
    ] = "splits"
    as_of: Annotated[
        dt.date | None,
        Meta(
            description="Adjust for splits and dividends up to this date, today unless given.", examples=["2020-08-28"]
        ),
    ] = None
    validated_only: Annotated[bool, Meta(description="Leave out bars that are not validated.")] = False
    min_quality: Annotated[float, Meta(ge=0, le=1, description="Leave out bars with a lower quality score.")] = 0.0


class SeriesTerms(Terms, frozen=True, kw_only=True):
    """The terms of series of bars."""

    known_at: Annotated[
        Instant | None, Meta(description="Tell what was believed at this instant, judged by the live rules.")
    ] = None
    timeframe: Annotated[
        Timeframe, Meta(description="1d; or weeks, months, quarters, years made of the daily bars as adjusted.")
    ] = "1d"
    order: Annotated[Order, Meta(description="asc: oldest first; desc: newest first.")] = "asc"
