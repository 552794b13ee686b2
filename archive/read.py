"""Reading the archive in commit order, each body decompressed and checked against its SHA-256."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
import msgspec

from archive.compression import Packed, unpack
from archive.errors import UnknownPayload
from archive.payload import Endpoint, Payload, Request, Response, Transfer
from sql import load_queries

_QUERIES = load_queries("archive.sql")
_HEAD = _QUERIES["archive_head"]
_BODY_BYTES = _QUERIES["body_bytes_upto"]
_AFTER = _QUERIES["payloads_after"]
_ABOUT = _QUERIES["payloads_about"]
_BATCH = 32

_HEADERS = msgspec.json.Decoder(list[tuple[str, str]])

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool


async def archive_head(connection: Connection) -> int:
    """Return the highest archive_seq, 0 for an empty archive."""
    head: int = await connection.fetchval(_HEAD)
    return head


async def body_bytes(connection: Connection, upto: int) -> int:
    """Return how many bytes the bodies with archive_seq ≤ upto have, unpacked."""
    total: int = await connection.fetchval(_BODY_BYTES, upto)
    return total


async def read_payload(connection: Connection, archive_seq: int) -> Payload:
    """Return one payload.

    Raises: UnknownPayload, DamagedPayload.
    """
    rows = await connection.fetch(_AFTER, archive_seq - 1, archive_seq, 1)
    if not rows:
        raise UnknownPayload(archive_seq)
    return payload_of(rows[0])


async def read_payloads(connection: Connection, after: int, upto: int) -> AsyncIterator[Payload]:
    """Yield the payloads with after < archive_seq ≤ upto, in order, a few in memory at a time.

    Raises: DamagedPayload.
    """
    async for row in read_rows(connection, after, upto):
        yield payload_of(row)


async def read_rows(connection: Connection, after: int, upto: int) -> AsyncIterator[asyncpg.Record]:
    """Yield rows of the payload table as they are stored, unchecked; `read_payloads` is what to call."""
    while rows := await connection.fetch(_AFTER, after, upto, _BATCH):
        for row in rows:
            yield row
        after = rows[-1]["archive_seq"]


async def read_payloads_about(
    connection: Connection, session: dt.date, ticker: str | None = None, named: Sequence[int] = ()
) -> AsyncIterator[Payload]:
    """Yield the payloads whose asked dates include a session, in order; only those that may hold `ticker` if given.

    `named` are archive_seqs of payloads to include whatever they were asked for.

    Raises: DamagedPayload.
    """
    for row in await connection.fetch(_ABOUT, session, ticker, named):
        yield payload_of(row)


def payload_of(row: Mapping[str, Any]) -> Payload:
    """Return a stored row as a payload.

    Raises: DamagedPayload.
    """
    packed = Packed(row["body"], row["body_bytes"], row["body_sha256"])
    response = Response(
        source=row["source"],
        request=Request(Endpoint(row["endpoint"]), row["request"], row["ticker"], row["from_date"], row["to_date"]),
        fetched_at=row["fetched_at"],
        http_status=row["http_status"],
        headers=_HEADERS.decode(row["headers"]),
        transfer=Transfer(row["transfer"]),
        body=unpack(row["archive_seq"], packed),
    )
    return Payload(row["archive_seq"], row["run_id"], response, packed.body_sha256, len(packed.frame))
