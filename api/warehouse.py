"""What a handler may use: the live projection, read only, and the clock."""

import datetime as dt
from collections.abc import Callable

import msgspec
from starlette.requests import Request

from api.generation import Projection
from archive.calendar import NEW_YORK

Clock = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """Return the present instant."""
    return dt.datetime.now(dt.UTC)


class Warehouse(msgspec.Struct, frozen=True):
    """The warehouse as the handlers see it; `now` returns an aware instant."""

    projection: Projection
    now: Clock

    def today(self) -> dt.date:
        """Return the exchange's date: the one in New York, wherever the server stands."""
        return self.now().astimezone(NEW_YORK).date()


def warehouse_of(request: Request) -> Warehouse:
    """Return the warehouse that the application opened when it started."""
    warehouse: Warehouse = request.state.warehouse
    return warehouse
