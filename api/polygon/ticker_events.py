"""GET /vX/reference/tickers/{id}/events: the tickers that a security has had, newest first.

The id is a ticker, and then the security that has it or had it last is meant, or a FIGI. CUSIPs are in no list.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import asyncpg
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.generation import Generation
from api.operation import Operation
from api.params import Symbol
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.errors import DataNotFound
from api.warehouse import warehouse_of
from project.names.identity import securities_of
from project.names.listing import Listing
from project.names.ticker_change import TickerChange
from sql import load_queries

_QUERIES = load_queries("api_polygon.sql")
_LISTINGS_OF, _CHANGED_TO = _QUERIES["listings_of"], _QUERIES["securities_changed_to"]
_CHANGES_OF = _QUERIES["ticker_changes_of"]


class TickerEventsParams(Struct, frozen=True, kw_only=True):
    """Which security is asked for."""

    id: Annotated[Symbol, Meta(description="A ticker, case-sensitive, or a composite FIGI.", examples=["META"])]
    types: Annotated[str, Meta(description="Only ticker_change is known.", max_length=128)] = "ticker_change"


class NewTicker(Struct, frozen=True):
    """The ticker that a security took."""

    ticker: str


class TickerEvent(Struct, frozen=True):
    """From `date` on a security trades under a ticker."""

    type: Literal["ticker_change"]
    date: dt.date
    ticker_change: NewTicker


class SecurityEvents(Struct, frozen=True):
    """The tickers of one security."""

    name: str
    events: Annotated[list[TickerEvent], Meta(description="Newest first.")]
    composite_figi: str | UnsetType = UNSET
    cik: str | UnsetType = UNSET


class TickerEvents(Struct, frozen=True):
    """The tickers that a security has had."""

    results: SecurityEvents
    status: str
    request_id: str


async def ticker_events(request: Request, params: TickerEventsParams) -> Response:
    """Answer with the tickers of a security.

    Raises: DataNotFound.
    """

    async def read(connection: asyncpg.Connection, generation: Generation) -> SecurityEvents | None:
        listings = [Listing(**row) for row in await connection.fetch(_LISTINGS_OF, params.id)]
        ids = {vendor_id for listing in listings for vendor_id in _ids(listing)}
        ids.update(await connection.fetchval(_CHANGED_TO, params.id) or [])
        changes = [TickerChange(**row) for row in await connection.fetch(_CHANGES_OF, sorted(ids))]
        return _events(_of_one(params.id, changes, listings), listings)

    found = await warehouse_of(request).projection.read(read)
    if found is None:
        raise DataNotFound
    return json_answer(TickerEvents(found, "OK", new_request_id()))


def _of_one(asked: str, changes: Sequence[TickerChange], listings: Sequence[Listing]) -> list[TickerChange]:
    """Return the changes of the security that is meant: of a ticker, the one that has it or had it last."""
    by_id = {listing.security_id for listing in listings if asked in _ids(listing)} | {asked}
    own = [change for change in changes if change.security_id in by_id]
    if own:
        return own
    last = securities_of(asked, changes, [listing for listing in listings if listing.ticker == asked])[-1]
    return [change for change in changes if change.security_id == last.security_id]


def _ids(listing: Listing) -> set[str]:
    ids = (listing.security_id, listing.composite_figi, listing.share_class_figi, listing.cik)
    return {vendor_id for vendor_id in ids if vendor_id is not None}


def _events(changes: Sequence[TickerChange], listings: Sequence[Listing]) -> SecurityEvents | None:
    if not changes:
        return None
    newest_first = sorted(changes, key=lambda change: (change.changed_on, change.archive_seq), reverse=True)
    security_id, name = newest_first[0].security_id, newest_first[0].name
    listing = next((one for one in listings if security_id in _ids(one)), None)
    known = {} if listing is None else {"composite_figi": listing.composite_figi, "cik": listing.cik}
    return SecurityEvents(
        name or (listing and listing.name) or newest_first[0].ticker,
        [TickerEvent("ticker_change", change.changed_on, NewTicker(change.ticker)) for change in newest_first],
        **{field: value for field, value in known.items() if value is not None},
    )


OPERATION = Operation(
    path="/vX/reference/tickers/{id:path}/events",
    summary="The tickers that a security has had",
    description="As Polygon's ticker events, of the one kind there is; by ticker or composite FIGI.",
    params=TickerEventsParams,
    answer=TickerEvents,
    example=TickerEvents(
        SecurityEvents(
            "Meta Platforms, Inc. Class A Common Stock",
            [
                TickerEvent("ticker_change", dt.date(2022, 6, 9), NewTicker("META")),
                TickerEvent("ticker_change", dt.date(2012, 5, 18), NewTicker("FB")),
            ],
            "BBG000MM2P62",
            "0001326801",
        ),
        "OK",
        "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e",
    ),
    handle=ticker_events,
    errors=(DataNotFound(), *READ_ERRORS),
    tags=("Polygon",),
    dialect=POLYGON,
)
