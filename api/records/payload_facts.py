"""GET /api/v1/payloads/{seq}/facts: what the archive knows of one payload, without its body."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import DatabaseUnreachable, QueryTimedOut, UnknownPayload
from api.operation import Operation
from api.project_errors import clear_project_errors
from api.warehouse import warehouse_of
from archive.payload import Endpoint, Transfer
from sql import load_queries

_FACTS = load_queries("api_records.sql")["payload_facts"]
_WAIT_FOR_CONNECTION_S = 10.0
_HEADERS = msgspec.json.Decoder(list[tuple[str, str]])


class PayloadParams(Struct, frozen=True, kw_only=True):
    """Which payload is asked for."""

    seq: Annotated[
        int,
        Meta(ge=1, le=2**63 - 1, description="Its archive_seq, which every row served here names.", examples=[16]),
    ]


class PayloadFacts(Struct, frozen=True):
    """One payload, as the archive knows it."""

    archive_seq: Annotated[int, Meta(description="Its position in commit order.")]
    run_id: Annotated[UUID, Meta(description="The run that fetched it.")]
    source: Annotated[str, Meta(description="Whose format the body has; operator for what a person decided.")]
    endpoint: Endpoint
    request: Annotated[str, Meta(description="Path and sorted query of what was asked, without host or secret.")]
    ticker: Annotated[str | None, Meta(description="The one ticker it was asked for; null for all.")]
    from_date: dt.date | None
    to_date: dt.date | None
    fetched_at: Annotated[dt.datetime, Meta(description="When the last byte was here.")]
    http_status: int
    transfer: Transfer
    body_bytes: Annotated[int, Meta(description="Length of the body.")]
    stored_bytes: Annotated[int, Meta(description="Length of the body as it is stored, compressed.")]
    body_sha256: str
    headers: Annotated[list[tuple[str, str]], Meta(description="Of the vendor's response, name and value.")]


async def payload_facts(request: Request, params: PayloadParams) -> Response:
    """Answer with what the archive knows of one payload."""
    pool = warehouse_of(request).projection.pool
    with clear_project_errors():
        async with pool.acquire(timeout=_WAIT_FOR_CONNECTION_S) as connection:
            return json_answer(await read_facts(connection, params.seq))


async def read_facts(connection: asyncpg.Connection, seq: int) -> PayloadFacts:
    """Return what the archive knows of a payload.

    Raises: UnknownPayload.
    """
    row = await connection.fetchrow(_FACTS, seq)
    if row is None:
        raise UnknownPayload(seq)
    facts = dict(row)
    facts["endpoint"], facts["transfer"] = Endpoint(row["endpoint"]), Transfer(row["transfer"])
    facts["body_sha256"], facts["headers"] = row["body_sha256"].hex(), _HEADERS.decode(row["headers"])
    return PayloadFacts(**facts)


OPERATION = Operation(
    path="/api/v1/payloads/{seq}/facts",
    summary="What the archive knows of a payload",
    description="Request, response and provenance of one payload, without its body.",
    params=PayloadParams,
    answer=PayloadFacts,
    example=PayloadFacts(
        archive_seq=16,
        run_id=UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"),
        source="polygon",
        endpoint=Endpoint.RANGE,
        request="/v2/aggs/ticker/AAPL/range/1/day/2014-06-01/2014-06-30?adjusted=false&limit=50000&sort=asc",
        ticker="AAPL",
        from_date=dt.date(2014, 6, 1),
        to_date=dt.date(2014, 6, 30),
        fetched_at=dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC),
        http_status=200,
        transfer=Transfer.COMPLETE,
        body_bytes=2321,
        stored_bytes=702,
        body_sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        headers=[("Content-Type", "application/json")],
    ),
    handle=payload_facts,
    errors=(UnknownPayload(99), DatabaseUnreachable(), QueryTimedOut()),
)
