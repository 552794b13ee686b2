"""Payloads of bars decoded on every core: by a thread of this process first, then by processes of their own.

A process takes as long to start as this one takes to decode many megabytes, so this one begins alone, and hands over
once much is done and the others are ready. A child is told what to do on its stdin, answers on its stdout and ends
with either, so that it does not outlive its parent, however that ends. Payloads are handed out in the order of the
archive, and of several that cannot be decoded the first is named, whoever met it.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from archive.read import payload_of
from project.bar_decoder import BarDecoder, Decoded, StoredRow
from project.batch import Batch
from project.errors import WorkerFailed
from project.spool import open_spool
from sql.errors import WarehouseError

_ALONE_BYTES = 64 * 2**20
_MOST_WORKERS = 4
_LENGTH_BYTES = 8
_PACKAGES = Path(__file__).parents[1]

Chunk = Sequence[StoredRow]
Blank = Callable[[], Batch]
"""Makes a batch that holds nothing yet."""


class Spool(msgspec.Struct, frozen=True):
    """What one worker decoded, and the file in which its rows are."""

    file: BinaryIO
    decoded: Decoded


def default_workers() -> int:
    """Return how many processes are to decode: one a core, up to four."""
    return min(os.cpu_count() or 1, _MOST_WORKERS)


@asynccontextmanager
async def decode_chunks(chunks: AsyncIterator[Chunk], blank: Blank, workers: int) -> AsyncIterator[list[Spool]]:
    """Yield what the payloads of bars in `chunks` say; the files are gone afterwards.

    Raises: UndecodablePayload, DamagedPayload, SpoolFull, WorkerFailed, and what `chunks` raises.
    """
    async with AsyncExitStack() as open_files:
        files = [open_files.enter_context(open_spool())]
        own = BarDecoder(blank(), files[0].fileno())
        queue = _Queue(chunks)
        await queue.serve(lambda chunk: asyncio.to_thread(own.decode, chunk), lambda: _is_few(queue, workers))
        if not queue.is_empty:
            files += [open_files.enter_context(open_spool()) for _ in range(workers)]
        by_children = await _hand_over(queue, own, blank, files[1:])
        yield [*map(Spool, files, [await asyncio.to_thread(own.finish), *by_children])]


def _is_few(queue: "_Queue", workers: int) -> bool:
    return workers == 1 or queue.handed_out_bytes < _ALONE_BYTES


async def _hand_over(queue: "_Queue", own: BarDecoder, blank: Blank, files: Sequence[BinaryIO]) -> list[Decoded]:
    """Let children decode what is left, and `own` until they are ready."""
    async with AsyncExitStack() as open_children:
        children = [await open_children.enter_async_context(_open_child(blank, file)) for file in files]
        async with asyncio.TaskGroup() as crew:
            for child in children:
                crew.create_task(child.work(queue))
            crew.create_task(
                queue.serve(
                    lambda chunk: asyncio.to_thread(own.decode, chunk),
                    lambda: not all(child.is_ready for child in children),
                )
            )
        queue.raise_first()
        return [await child.finish() for child in children]


class _Queue:
    """Hands chunks out in order, and none after something went wrong."""

    def __init__(self, chunks: AsyncIterator[Chunk]) -> None:
        self._chunks = chunks
        self._lock = asyncio.Lock()
        self._errors: list[Exception] = []
        self.handed_out_bytes = 0
        self.is_empty = False

    async def serve(self, decode: Callable[[Chunk], Awaitable[None]], goes_on: Callable[[], bool]) -> None:
        """Have chunks decoded one after the other, as long as there are any and `goes_on` says so."""
        while goes_on() and (chunk := await self._next()):
            try:
                await decode(chunk)
            except Exception as exc:  # raised by `raise_first`, when it is known what the others met
                self._errors.append(exc)

    def raise_first(self) -> None:
        """Raise what went wrong, if anything did; of several payloads the first."""
        if self._errors:
            raise min(self._errors, key=lambda exc: getattr(exc, "archive_seq", 0))

    async def _next(self) -> Chunk:
        async with self._lock:
            chunk: Chunk = ()
            try:
                if not self._errors:
                    chunk = await anext(self._chunks, ())
            except Exception as exc:
                self._errors.append(exc)
            self.is_empty = not chunk
            self.handed_out_bytes += sum(row["body_bytes"] for row in chunk)
            return chunk


class _Child:
    """A process that decodes. Get one from `_open_child`."""

    def __init__(self, process: asyncio.subprocess.Process, blank: Blank) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout
        self._blank = blank
        self.is_ready = False

    async def work(self, queue: _Queue) -> None:
        """Decode what the queue has, once the process is up."""
        await queue.serve(self._decode, lambda: True)

    async def finish(self) -> Decoded:
        """Return what came of all.

        Raises: WorkerFailed.
        """
        answer = await self._ask(None)
        if not isinstance(answer, Decoded):
            raise WorkerFailed(answer)
        return answer

    async def _decode(self, chunk: Chunk) -> None:
        problem = await self._ask(chunk)
        if problem is not None:
            # What is wrong with a payload is said as it would be here; a process may also have problems of its own.
            again = self._blank()
            for row in chunk:
                again.add(payload_of(row))
            raise WorkerFailed(problem)

    async def _ask(self, message: object) -> Any:
        try:
            pickle.dump(message, self._stdin)
            self._stdin.write(pickle.dumps(message))
            await self._stdin.drain()
            length = int.from_bytes(await self._stdout.readexactly(_LENGTH_BYTES))
            return pickle.loads(await self._stdout.readexactly(length))  # noqa: S301 - a child of ours wrote it
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            raise WorkerFailed("it ended too early") from exc
