"""GET /v1/marketstatus/now: whether the exchanges are open, by the calendar and the clock; it knows of no halt."""

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta, Struct
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

State = Literal["open", "closed", "extended-hours"]

# Extended hours in New York: from 4:00, and until four hours after the close (20:00, on a short day 17:00).
_EARLY_FROM = dt.time(4)
_AFTER_A_CLOSE = dt.timedelta(hours=4)


class ExchangeStates(Struct, frozen=True):
    """The state of each exchange."""

    nyse: State
    nasdaq: State


class MarketStatus(Struct, frozen=True):
    """The state of the market. Of currencies and indices nothing is known here."""

    market: State
    earlyHours: Annotated[bool, Meta(description="Whether it is before the opening.")]
    afterHours: Annotated[bool, Meta(description="Whether it is after the close.")]
    exchanges: ExchangeStates
    serverTime: Annotated[str, Meta(description="New York.")]


async def market_status(request: Request, params: NoParams) -> Response:
    """Answer with the state of this instant."""
    warehouse = warehouse_of(request)
    now = warehouse.now().astimezone(NEW_YORK)
    sessions = await read_hours(warehouse, now.date(), now.date())
    return json_answer(_status(sessions.get(now.date()), now))


def _status(hours: Hours | None, now: dt.datetime) -> MarketStatus:
    state: State = "closed"
    early = after = False
    if hours is not None:
        early = dt.datetime.combine(now.date(), _EARLY_FROM, NEW_YORK) <= now < hours.opens
        after = hours.closes <= now < hours.closes + _AFTER_A_CLOSE
        state = "open" if hours.opens <= now < hours.closes else "extended-hours" if early or after else "closed"
    return MarketStatus(state, early, after, ExchangeStates(state, state), now.isoformat(timespec="seconds"))


OPERATION = Operation(
    path="/v1/marketstatus/now",
    summary="Whether the market is open",
    description="As Polygon's market status, of the stock exchanges only, by the calendar and the clock.",
    params=NoParams,
    answer=MarketStatus,
    example=MarketStatus("closed", False, False, ExchangeStates("closed", "closed"), "2026-11-21T22:00:00-05:00"),
    handle=market_status,
    errors=READ_ERRORS,
    tags=("Polygon",),
    dialect=POLYGON,
)
