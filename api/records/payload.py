"""GET /api/v1/payloads/{seq}: the bytes of one response, exactly as the vendor sent them, and nothing else.

What a vendor sends is not ours: its type is told as the vendor told it, and headers see to it that no browser makes a
page of it.
"""

import asyncio
import re
from typing import Any
from urllib.parse import quote

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from api.errors import DatabaseUnreachable, PayloadDamaged, QueryTimedOut, UnknownPayload
from api.etag import is_held
from api.operation import Operation
from api.project_errors import clear_project_errors
from api.records.payload_facts import PayloadFacts, PayloadParams, read_facts
from api.warehouse import warehouse_of
from archive.payload import Payload
from archive.read import payload_of, read_rows

_WAIT_FOR_CONNECTION_S = 10.0
_UNPACKED_BESIDE_BYTES = 256 * 1024
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?charset=[\w-]+)?", re.ASCII)
_UNKNOWN_TYPE = "application/octet-stream"
_SHOWN = {"application/json": "json", "text/csv": "csv", "text/plain": "txt"}
_SAVED = {"application/gzip": "gz", "application/x-gzip": "gz"}
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


async def payload(request: Request, params: PayloadParams) -> Response:
    """Answer with the body of one payload."""
    pool = warehouse_of(request).projection.pool
    with clear_project_errors():
        async with pool.acquire(timeout=_WAIT_FOR_CONNECTION_S) as connection:
            facts = await read_facts(connection, params.seq)
            headers = _headers(facts)
            if is_held(request, headers["ETag"]):
                return Response(status_code=304, headers=headers)
            row = await _read_row(connection, params.seq)
        found = await _unpack(row)
    return Response(found.response.body, headers=headers)


async def _read_row(connection: asyncpg.Connection, seq: int) -> asyncpg.Record:
    (row,) = [row async for row in read_rows(connection, seq - 1, seq)]
    return row


async def _unpack(row: asyncpg.Record) -> Payload:
    """Return the payload with its body checked, off the server's loop where that takes long."""
    if row["body_bytes"] <= _UNPACKED_BESIDE_BYTES:
        return payload_of(row)
    return await asyncio.to_thread(payload_of, row)


def _headers(facts: PayloadFacts) -> dict[str, str]:
    media_type = _media_type(facts)
    kind = media_type.partition(";")[0].strip().lower()
    disposition = "inline" if kind in _SHOWN else "attachment"
    ending = (_SHOWN | _SAVED).get(kind, "bin")
    return {
        "Content-Type": media_type,
        "Content-Disposition": f'{disposition}; filename="payload-{facts.archive_seq}.{ending}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{facts.body_sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Archive-Seq": str(facts.archive_seq),
        "X-Body-SHA256": facts.body_sha256,
        "X-Endpoint": facts.endpoint,
        "X-Fetched-At": facts.fetched_at.isoformat(),
        "X-HTTP-Status": str(facts.http_status),
        "X-Request": quote(facts.request, safe=_PRINTABLE),
        "X-Source": facts.source,
        "X-Transfer": facts.transfer,
    }


def _media_type(facts: PayloadFacts) -> str:
    """Return the type that the vendor gave the body, unless it gave none or something else than a type."""
    told = next((value for name, value in facts.headers if name.lower() == "content-type"), "")
    return told if _MEDIA_TYPE.fullmatch(told) else _UNKNOWN_TYPE


OPERATION = Operation(
    path="/api/v1/payloads/{seq}",
    summary="A payload of the archive, byte for byte",
    description=(
        "The body of one response of the vendor, exactly as it was sent and with the type it was sent with, proved "
        "against its SHA-256, which is its ETag too. Headers tell what the archive knows of it; "
        "/api/v1/payloads/{seq}/facts tells it as JSON."
    ),
    params=PayloadParams,
    answer=Any,
    example={"ticker": "AAPL", "adjusted": False, "results": [], "status": "OK"},
    handle=payload,
    errors=(UnknownPayload(99), PayloadDamaged(16), DatabaseUnreachable(), QueryTimedOut()),
    media_type="*/*",
)
