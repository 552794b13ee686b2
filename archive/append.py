"""The one write: responses become payloads, durable before anyone may look inside them.

Each response is packed in a thread as it comes; those that wait at the same moment share one transaction and so one
flush to disk. Their order in the archive is the order in which they were handed in.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from archive.compression import Packed, pack
from archive.payload import Response
from sql import load_queries

_APPEND = load_queries("archive.sql")["append_payload"]
_BATCH = 64

_Waiting = tuple[Response, "asyncio.Task[Packed]", "asyncio.Future[int]"]


class Archiver:
    """Appends the responses of one run. Get one from `open_archiver`."""

    def __init__(self, pool: asyncpg.Pool, run_id: uuid.UUID) -> None:
        self.run_id = run_id
        self._pool = pool
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()

    async def append(self, response: Response) -> int:
        """Return the archive_seq of the response once it is committed and flushed.

        Raises: whatever the database raised, for every response of the transaction that failed.
        """
        packing = asyncio.create_task(asyncio.to_thread(pack, response.body))
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((response, packing, done))
        return await done

    async def _serve(self) -> None:
        while (first := await self._queue.get()) is not None:
            batch = [first]
            while len(batch) < _BATCH and not self._queue.empty():
                waiting = self._queue.get_nowait()
                if waiting is None:
                    self._queue.put_nowait(None)
                    break
                batch.append(waiting)
            await self._commit(batch)

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            packed = [(response, await packing) for response, packing, _ in batch]
            numbers = await _append(self._pool, self.run_id, packed)
        except Exception as exc:  # handed on to each caller, who knows what it was doing
            for *_, done in batch:
                if not done.done():
                    done.set_exception(exc)
            return
        for (*_, done), number in zip(batch, numbers, strict=True):
            if not done.done():
                done.set_result(number)


@asynccontextmanager
async def open_archiver(pool: asyncpg.Pool, run_id: uuid.UUID) -> AsyncIterator[Archiver]:
    """Yield an archiver for a run; on leaving, everything handed in is committed first."""
    archiver = Archiver(pool, run_id)
    server = asyncio.create_task(archiver._serve())
    try:
        yield archiver
    finally:
        archiver._queue.put_nowait(None)
        await server


async def append_responses(pool: asyncpg.Pool, run_id: uuid.UUID, responses: list[Response]) -> list[int]:
    """Append responses in one transaction and return their archive_seqs, in the same order."""
    return await _append(pool, run_id, [(response, pack(response.body)) for response in responses])


async def _append(pool: asyncpg.Pool, run_id: uuid.UUID, packed: list[tuple[Response, Packed]]) -> list[int]:
    async with pool.acquire() as connection, connection.transaction():
        return [
            await connection.fetchval(
                _APPEND,
                response.fetched_at,
                response.source,
                response.request.endpoint.value,
                response.request.target,
                response.request.ticker,
                response.request.from_date,
                response.request.to_date,
                response.http_status,
                msgspec.json.encode(response.headers).decode(),
                response.transfer.value,
                body.frame,
                body.body_bytes,
                body.body_sha256,
                run_id,
            )
            for response, body in packed
        ]
