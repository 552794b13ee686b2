"""Payloads of bars decoded on every core: by a thread of this process until processes of their own are ready for it.

A process takes as long to start as this one takes to decode many megabytes, so a small archive is decoded here alone,
and the beginning of a large one. A child is told what to do on its stdin, answers on its stdout and ends
with either, so that it does not outlive its parent, however that ends. Payloads are handed out in the order of the
archive, and of several that cannot be decoded the first is named, whoever met it.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from archive.read import payload_of
from project.batch import Batch
from project.bulk.bar_decoder import BarDecoder, Decoded
from project.bulk.spool import open_spool
from project.errors import WorkerFailed
from sql.errors import WarehouseError

_FEW_BYTES = 96 * 2**20
_MOST_WORKERS = 4
_LENGTH_BYTES = 8
_PACKAGES = Path(__file__).parents[2]

StoredRow = Mapping[str, Any]
"""A row of the payload table as it is stored."""
Chunk = Sequence[StoredRow]
Blank = Callable[[], Batch]
"""Makes a batch that holds nothing yet."""


class Spool(msgspec.Struct, frozen=True):
    """What one worker decoded, and the file in which its rows are."""

    file: BinaryIO
    decoded: Decoded


def workers_for(body_bytes: int) -> int:
    """Return how many are to decode so much: one a core, up to four, and one where starting others does not pay."""
    return 1 if body_bytes < _FEW_BYTES else min(os.cpu_count() or 1, _MOST_WORKERS)


@asynccontextmanager
async def decode_chunks(chunks: AsyncIterator[Chunk], blank: Blank, workers: int) -> AsyncIterator[list[Spool]]:
    """Yield what the payloads of bars in `chunks` say; the files are gone afterwards. Of one worker there is no child.

    Raises: UndecodablePayload, DamagedPayload, SpoolFull, WorkerFailed, and what `chunks` raises.
    """
    with ExitStack() as files:
        spools = [files.enter_context(open_spool()) for _ in range(1 if workers == 1 else 1 + workers)]
        with ThreadPoolExecutor(1) as thread:
            own = _Own(BarDecoder(blank(), spools[0].fileno()), thread)
            decoded = await _decode(_Queue(chunks), own, blank, spools[1:])
        yield [*map(Spool, spools, decoded)]


async def _decode(queue: "_Queue", own: "_Own", blank: Blank, spools: Sequence[BinaryIO]) -> list[Decoded]:
    """Have children decode what the queue has, each into a file, and `own` until all of them are ready."""
    async with AsyncExitStack() as open_children:
        children = [await open_children.enter_async_context(_open_child(blank, spool)) for spool in spools]
        async with asyncio.TaskGroup() as crew:
            for child in children:
                crew.create_task(queue.serve(child.decode, lambda: True))
            crew.create_task(queue.serve(own.decode, lambda: not children or not all(map(_is_ready, children))))
        queue.raise_first()
        return [await own.finish(), *[await child.finish() for child in children]]


def _is_ready(child: "_Child") -> bool:
    return child.is_ready


class _Own:
    """The decoder of this process, in a thread, so that payloads are read and handed out meanwhile."""

    def __init__(self, decoder: BarDecoder, thread: ThreadPoolExecutor) -> None:
        self._decoder, self._thread = decoder, thread

    async def decode(self, chunk: Chunk) -> None:
        """Decode some more payloads."""
        payloads = map(payload_of, chunk)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._decoder.decode, payloads)

    async def finish(self) -> Decoded:
        """Return what came of all."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._decoder.finish)


class _Queue:
    """Hands chunks out in order, and none after something went wrong."""

    def __init__(self, chunks: AsyncIterator[Chunk]) -> None:
        self._chunks = chunks
        self._lock = asyncio.Lock()
        self._errors: list[Exception] = []

    async def serve(self, decode: Callable[[Chunk], Awaitable[None]], goes_on: Callable[[], bool]) -> None:
        """Have chunks decoded one after the other, as long as there are any and `goes_on` says so."""
        while goes_on() and (chunk := await self._next()):
            try:
                await decode(chunk)
            except Exception as exc:  # raised by `raise_first`, once it is known what the others met
                self._errors.append(exc)

    def raise_first(self) -> None:
        """Raise what went wrong, if anything did; of several payloads the first."""
        if self._errors:
            raise min(self._errors, key=lambda exc: getattr(exc, "archive_seq", 0))

    async def _next(self) -> Chunk:
        async with self._lock:
            try:
                if not self._errors:
                    async for chunk in self._chunks:
                        return chunk
            except Exception as exc:
                self._errors.append(exc)
            return ()


class _Child:
    """A process that decodes. Get one from `_open_child`."""

    def __init__(self, process: asyncio.subprocess.Process, blank: Blank) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout
        self._blank = blank
        self.is_ready = False

    async def decode(self, chunk: Chunk) -> None:
        """Decode some more payloads.

        Raises: what decoding them here would; WorkerFailed.
        """
        await self._get_ready()
        problem = await self._ask(chunk)
        if problem is not None:
            again = self._blank()
            for row in chunk:
                again.add(payload_of(row))
            raise WorkerFailed(problem)

    async def finish(self) -> Decoded:
        """Return what came of all.

        Raises: WorkerFailed.
        """
        await self._get_ready()
        answer = await self._ask(None)
        if not isinstance(answer, Decoded):
            raise WorkerFailed(answer)
        return answer

    async def _get_ready(self) -> None:
        if not self.is_ready:
            await self._ask(self._blank())
            self.is_ready = True

    async def _ask(self, message: object) -> Any:
        """Return the answer to a message: None where it has been done, a text where there was a problem."""
        try:
            self._stdin.write(pickle.dumps(message))
            await self._stdin.drain()
            length = int.from_bytes(await self._stdout.readexactly(_LENGTH_BYTES))
            return pickle.loads(await self._stdout.readexactly(length))  # noqa: S301 - a child of ours wrote it
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            raise WorkerFailed("it ended too early") from exc


@asynccontextmanager
async def _open_child(blank: Blank, spool: BinaryIO) -> AsyncIterator[_Child]:
    search_path = os.pathsep.join(filter(None, (str(_PACKAGES), *sys.path)))
    # -P: a folder of the user's that is called like one of our packages is not meant.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "project.bulk.crew", str(spool.fileno())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=(spool.fileno(),),
        env=os.environ | {"PYTHONPATH": search_path},
        start_new_session=True,  # Ctrl-C is the parent's to answer
    )
    try:
        yield _Child(process, blank)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def _be_a_child(file_descriptor: int) -> None:
    """Do what is asked on stdin until it ends."""
    decoder = BarDecoder(pickle.load(sys.stdin.buffer), file_descriptor)  # noqa: S301 - our parent wrote it
    _answer(None)
    chunk: Chunk | None = ()
    while chunk is not None:
        chunk = pickle.load(sys.stdin.buffer)  # noqa: S301
        try:
            _answer(decoder.finish() if chunk is None else decoder.decode(map(payload_of, chunk)))  # type: ignore[func-returns-value]
        except WarehouseError as exc:
            _answer(str(exc))


def _answer(answer: object) -> None:
    data = pickle.dumps(answer)
    sys.stdout.buffer.write(len(data).to_bytes(_LENGTH_BYTES) + data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        _be_a_child(int(sys.argv[1]))
