"""The one write: responses become payloads, durable before anyone may look inside them.

Each response is packed in a thread as it comes; those that wait at the same moment share one transaction and so one
flush to disk, while the next ones are fetched and packed. Their order in the archive is the order in which they were
handed in.
"""

import asyncio
import os
import uuid
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from archive.compression import Packed, pack
from archive.payload import Response
from sql import load_queries

_APPEND = load_queries("archive.sql")["append_payload"]
_BATCH = 64
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What the database raises for a response that it does not take; whatever else it raises is about itself."""


class _Waiting(msgspec.Struct, frozen=True, eq=False):
    response: Response
    packing: "asyncio.Future[Packed]"
    done: "asyncio.Future[int]"


class Archiver:
    """Appends the responses of one run. Get one from `open_archiver`."""

    def __init__(self, pool: asyncpg.Pool, run_id: uuid.UUID, packers: ThreadPoolExecutor) -> None:
        self.run_id = run_id
        self._pool, self._packers = pool, packers
        self._waiting: deque[_Waiting] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    async def append(self, response: Response) -> int:
        """Return the archive_seq of the response once it is committed and flushed.

        Raises: what the database raised: for a response that it refuses, for that one only; when it went away, for
        every response of the transaction.
        """
        loop = asyncio.get_running_loop()
        packing = loop.run_in_executor(self._packers, pack, response.body)
        waiting = _Waiting(response, packing, loop.create_future())
        self._waiting.append(waiting)
        self._changed.set()
        return await waiting.done

    def close(self) -> None:
        """Take nothing more; `serve` ends when what was handed in is committed."""
        self._closed = True
        self._changed.set()

    async def serve(self) -> None:
        """Commit what is handed in, until closed."""
        while self._waiting or not self._closed:
            if self._waiting:
                await self._commit_waiting()
            else:
                self._changed.clear()
                await self._changed.wait()

    async def _commit_waiting(self) -> None:
        """Commit until nobody waits, on one connection: to borrow one for each transaction costs a round trip more."""
        batch = await self._next_batch()
        try:
            async with self._pool.acquire() as connection:
                while batch:
                    await self._commit(connection, batch)
                    batch = await self._next_batch()
        except Exception as exc:  # handed on to each caller, who knows what it was doing
            _fail(batch, exc)

    async def _next_batch(self) -> list[_Waiting]:
        """Return the first that waits, once it is packed, and those after it that are packed by then."""
        batch: list[_Waiting] = []
        if self._waiting:
            await asyncio.wait([self._waiting[0].packing])
        while self._waiting and len(batch) < _BATCH and self._waiting[0].packing.done():
            batch.append(self._waiting.popleft())
        return batch

    async def _commit(self, connection: asyncpg.Connection, batch: Sequence[_Waiting]) -> None:
        packed = [(each.response, each.packing.result()) for each in batch]
        try:
            numbers = await _append(connection, self.run_id, packed)
        except REFUSED as exc:
            if len(batch) == 1:
                _fail(batch, exc)
                return
            # The transaction left nothing behind; one by one, only what is refused fails.
            for each in batch:
                await self._commit(connection, [each])
            return
        for each, number in zip(batch, numbers, strict=True):
            if not each.done.done():
                each.done.set_result(number)


def _fail(batch: Sequence[_Waiting], exc: Exception) -> None:
    for each in batch:
        if not each.done.done():
            each.done.set_exception(exc)


@asynccontextmanager
async def open_archiver(pool: asyncpg.Pool, run_id: uuid.UUID) -> AsyncIterator[Archiver]:
    """Yield an archiver for a run; on leaving, everything handed in is committed first."""
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="pack") as packers:
        archiver = Archiver(pool, run_id, packers)
        server = asyncio.create_task(archiver.serve())
        try:
            yield archiver
        finally:
            archiver.close()
            await server


async def append_responses(pool: asyncpg.Pool, run_id: uuid.UUID, responses: Sequence[Response]) -> list[int]:
    """Append responses in one transaction and return their archive_seqs, in the same order."""
    return await _append(pool, run_id, [(response, pack(response.body)) for response in responses])


async def _append(
    connection: asyncpg.Pool | asyncpg.Connection, run_id: uuid.UUID, packed: Sequence[tuple[Response, Packed]]
) -> list[int]:
    rows = [_row(run_id, response, body) for response, body in packed]
    # All rows travel in one go and are one transaction, which is flushed when this returns.
    return [number for (number,) in await connection.fetchmany(_APPEND, rows)]


def _row(run_id: uuid.UUID, response: Response, body: Packed) -> tuple[object, ...]:
    request = response.request
    return (
        response.fetched_at,
        response.source,
        request.endpoint.value,
        request.target,
        request.ticker,
        request.from_date,
        request.to_date,
        response.http_status,
        msgspec.json.encode(response.headers).decode(),
        response.transfer.value,
        body.frame,
        body.body_bytes,
        body.body_sha256,
        run_id,
    )
