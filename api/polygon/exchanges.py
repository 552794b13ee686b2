"""GET /v3/reference/exchanges: the exchanges that the listings name."""

from typing import Annotated

import asyncpg
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.generation import Generation
from api.operation import Operation
from api.polygon.dialect import POLYGON, new_request_id
from api.polygon.params import Text
from api.warehouse import warehouse_of
from sql import load_queries

_EXCHANGES = load_queries("api_polygon.sql")["exchanges"]


class PolygonExchange(Struct, frozen=True):
    """An exchange; what is not known of it is left out."""

    type: str
    asset_class: str
    locale: str
    mic: Annotated[str, Meta(description="Its market identifier code (ISO 10383).")]
    name: Annotated[str, Meta(description="Its name, or the code where it is not known.")]
    id: Annotated[int | UnsetType, Meta(description="The vendor's number for it.")] = UNSET
    operating_mic: str | UnsetType = UNSET
    participant_id: str | UnsetType = UNSET


class ExchangesParams(Struct, frozen=True, kw_only=True):
    """Which exchanges are asked for."""

    asset_class: Annotated[Text, Meta(description="Only stocks are kept here.")] = "stocks"
    locale: Annotated[Text, Meta(description="Only us is kept here.")] = "us"


class PolygonExchanges(Struct, frozen=True):
    """The exchanges that the listings name."""

    results: list[PolygonExchange]
    status: str
    request_id: str
    count: int


# Source: the vendor's own answers to this route, as recorded in public repositories.
_KNOWN = {
    "XASE": ("NYSE American, LLC", 1, "XNYS", "A"),
    "XNYS": ("New York Stock Exchange", 10, "XNYS", "N"),
    "ARCX": ("NYSE Arca, Inc.", 11, "XNYS", "P"),
    "XNAS": ("Nasdaq", 12, "XNAS", "T"),
}


async def exchanges(request: Request, params: ExchangesParams) -> Response:
    """Answer with the exchanges."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> list[str]:
        return [row["primary_exchange"] for row in await connection.fetch(_EXCHANGES)]

    ours = (params.asset_class, params.locale) == ("stocks", "us")
    rows = [_exchange(mic) for mic in await warehouse_of(request).projection.read(read)] if ours else []
    return json_answer(PolygonExchanges(rows, "OK", new_request_id(), len(rows)))


def _exchange(mic: str) -> PolygonExchange:
    return PolygonExchange("exchange", "stocks", "us", mic, *_KNOWN.get(mic, (mic,)))


OPERATION = Operation(
    path="/v3/reference/exchanges",
    summary="Exchanges",
    description="As Polygon's list of exchanges, of those that the listings name.",
    params=ExchangesParams,
    answer=PolygonExchanges,
    example=PolygonExchanges([_exchange("XNAS")], "OK", "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e", 1),
    handle=exchanges,
    errors=READ_ERRORS,
    tags=("Polygon",),
    dialect=POLYGON,
)
