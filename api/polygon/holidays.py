"""GET /v1/marketstatus/upcoming: the holidays and early closes to come, a bare array, from the exchange calendar."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.operation import Operation
from api.params import NoParams
from api.polygon.dialect import POLYGON
from api.polygon.hours import Hours, read_hours
from api.warehouse import warehouse_of
from archive.calendar import NEW_YORK

_DAYS_AHEAD = 365
_SATURDAY = 5
_USUAL_CLOSE = dt.time(16)
# Both hold their sessions on the same dates and hours.
_EXCHANGES = ("NYSE", "NASDAQ")

# By month, what a weekday without a whole session is for; the vendor's names. January has two, by the day.
_NAMES = {
    1: "Martin Luther King, Jr. Day",
    2: "Washington's Birthday",
    3: "Good Friday",
    4: "Good Friday",
    5: "Memorial Day",
    6: "Juneteenth",
    7: "Independence Day",
    9: "Labor Day",
    11: "Thanksgiving",
    12: "Christmas",
}
_NEW_YEAR, _LAST_OF_NEW_YEAR = "New Years Day", 3
_OTHER = "Market Holiday"


class MarketHoliday(Struct, frozen=True):
    """A date on which an exchange is closed, or closes early."""

    date: dt.date
    exchange: str
    name: str
    status: Literal["closed", "early-close"]
    open: Annotated[str | UnsetType, Meta(description="UTC; only where it closes early.")] = UNSET
    close: Annotated[str | UnsetType, Meta(description="UTC; only where it closes early.")] = UNSET


async def market_holidays(request: Request, params: NoParams) -> Response:
    """Answer with the year to come."""
    warehouse = warehouse_of(request)
    today = warehouse.today()
    dates = [today + dt.timedelta(days=place) for place in range(1, _DAYS_AHEAD + 1)]
    return json_answer(list(_holidays(dates, await read_hours(warehouse, dates[0], dates[-1]))))


def _holidays(dates: Iterable[dt.date], sessions: Mapping[dt.date, Hours]) -> Iterator[MarketHoliday]:
    for date in dates:
        hours = sessions.get(date)
        if hours is None:
            if date.weekday() < _SATURDAY:
                yield from (MarketHoliday(date, each, _name(date), "closed") for each in _EXCHANGES)
        elif hours.closes.astimezone(NEW_YORK).time() < _USUAL_CLOSE:
            times = _utc(hours.opens), _utc(hours.closes)
            yield from (MarketHoliday(date, each, _name(date), "early-close", *times) for each in _EXCHANGES)


def _name(date: dt.date) -> str:
    if date.month == 1 and date.day <= _LAST_OF_NEW_YEAR:
        return _NEW_YEAR
    return _NAMES.get(date.month, _OTHER)


def _utc(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.000Z"


OPERATION = Operation(
    path="/v1/marketstatus/upcoming",
    summary="Holidays and early closes to come",
    description="As Polygon's market holidays, for the year to come, a row for each exchange.",
    params=NoParams,
    answer=list[MarketHoliday],
    example=[
        MarketHoliday(dt.date(2026, 11, 26), "NYSE", "Thanksgiving", "closed"),
        MarketHoliday(
            dt.date(2026, 11, 27),
            "NYSE",
            "Thanksgiving",
            "early-close",
            "2026-11-27T14:30:00.000Z",
            "2026-11-27T18:00:00.000Z",
        ),
    ],
    handle=market_holidays,
    errors=READ_ERRORS,
    tags=("Polygon",),
    dialect=POLYGON,
)
