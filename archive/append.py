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
# What is wrong with one response; whatever else fails is wrong with the database.
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


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
        self._connection: asyncpg.Connection | None = None

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
        try:
            while self._waiting or not self._closed:
                if self._waiting:
                    await self._commit(await self._next_batch())
                else:
                    self._changed.clear()
                    await self._changed.wait()
        finally:
            await self._disconnect()

    async def _next_batch(self) -> list[_Waiting]:
        """Return the first that waits, once it is packed, and those after it that are packed by then."""
        await asyncio.wait([self._waiting[0].packing])
        batch = [self._waiting.popleft()]
        while self._waiting and len(batch) < _BATCH and self._waiting[0].packing.done():
            batch.append(self._waiting.popleft())
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            packed = [(each.response, each.packing.result()) for each in batch]
            numbers = await _append(await self._connected(), self.run_id, packed)
        except _REFUSED as exc:
            if len(batch) > 1:
                # The transaction left nothing behind. Alone, only a response that is refused fails.
                for each in batch:
                    await self._commit([each])
            else:
                _fail(batch, exc)
        except Exception as exc:  # handed on to each caller, who knows what it was doing
            _fail(batch, exc)
        else:
            for each, number in zip(batch, numbers, strict=True):
                if not each.done.done():
                    each.done.set_result(number)

    async def _connected(self) -> asyncpg.Connection:
        """Return the one connection that is kept; borrowing one for each transaction would cost a round trip more."""
        if self._connection is None or self._connection.is_closed():
            await self._disconnect()
            self._connection = await self._pool.acquire()
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._pool.release(self._connection)
            self._connection = None


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
