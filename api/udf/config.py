"""GET /udf/config and /udf/time: what this datafeed can do, and what time it is here."""

from typing import Annotated

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.etag import etag, is_held, not_modified, tagged
from api.generation import Generation
from api.operation import Operation
from api.params import NoParams
from api.udf.dialect import UDF
from api.udf.symbols import NO_EXCHANGE, STOCK
from api.udf.times import SUPPORTED
from api.warehouse import warehouse_of
from sql import load_queries

_EXCHANGES_LISTED = load_queries("api_udf.sql")["exchanges_listed"]

# Source: ISO 10383, the codes that the vendor's ticker lists have; another is shown by its code.
_EXCHANGE_NAMES = {
    "ARCX": "NYSE Arca",
    "BATS": "Cboe BZX",
    "XASE": "NYSE American",
    "XNAS": "Nasdaq",
    "XNYS": "New York Stock ChartExchange",
}


class ChartExchange(Struct, frozen=True):
    """An exchange that a search may be narrowed to; an empty value is all of them."""

    value: str
    name: str
    desc: str


class ChartSymbolType(Struct, frozen=True):
    """A type that a search may be narrowed to; an empty value is all of them."""

    name: str
    value: str


class ChartConfig(Struct, frozen=True):
    """What this datafeed can do."""

    supported_resolutions: list[str]
    supports_search: bool
    supports_group_request: Annotated[bool, Meta(description="Whether the library must load all symbols at once.")]
    supports_marks: bool
    supports_timescale_marks: bool
    supports_time: bool
    exchanges: list[ChartExchange]
    symbols_types: list[ChartSymbolType]


async def udf_config(request: Request, params: NoParams) -> Response:
    """Answer with what this datafeed can do."""

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[str, ChartConfig | None]:
        tag = etag(request, generation)
        if is_held(request, tag):
            return tag, None
        return tag, _config([row["primary_exchange"] for row in await connection.fetch(_EXCHANGES_LISTED)])

    tag, config = await warehouse_of(request).projection.read(read)
    return not_modified(tag) if config is None else json_answer(config, tagged(tag))


def _config(codes: list[str]) -> ChartConfig:
    return ChartConfig(
        supported_resolutions=list(SUPPORTED),
        supports_search=True,
        supports_group_request=False,
        supports_marks=True,
        supports_timescale_marks=True,
        supports_time=True,
        exchanges=[
            ChartExchange("", "All exchanges", ""),
            *(ChartExchange(code, _EXCHANGE_NAMES.get(code, code), code) for code in codes),
            ChartExchange(NO_EXCHANGE, "US, exchange not known", "not in the vendor's ticker lists"),
        ],
        symbols_types=[ChartSymbolType("All types", ""), ChartSymbolType("Stock", STOCK)],
    )


async def udf_time(request: Request, params: NoParams) -> Response:
    """Answer with the time, as a bare number in plain text."""
    now = int(warehouse_of(request).now().timestamp())
    return PlainTextResponse(str(now), headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


OPERATIONS = (
    Operation(
        path="/udf/config",
        summary="TradingView UDF: what this datafeed can do",
        description="The configuration that the charting library asks for first.",
        params=NoParams,
        answer=ChartConfig,
        example=_config(["XNAS", "XNYS"]),
        handle=udf_config,
        errors=READ_ERRORS,
        tagged=True,
        tags=("TradingView",),
        dialect=UDF,
    ),
    Operation(
        path="/udf/time",
        summary="TradingView UDF: the time",
        description="The server's time in seconds since 1970, as plain text.",
        params=NoParams,
        answer=int,
        example=1795311600,
        handle=udf_time,
        media_type="text/plain",
        tags=("TradingView",),
        dialect=UDF,
    ),
)
