"""A TCP line to the database that can be cut, and be stalled: nothing goes through, and nobody is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_CHUNK = 65536


class Line:
    """A line to the server of a URL. Get one from `open_line`."""

    def __init__(self, database_url: str) -> None:
        self._server_url = urlsplit(database_url)
        self._pairs: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._listener: asyncio.Server | None = None
        self.url = ""
        self.through = 0

    async def open(self) -> None:
        """Listen on a free port of loopback."""
        self._listener = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}{self._server_url.path}"

    async def close(self) -> None:
        """Cut what is connected and listen no more."""
        assert self._listener is not None
        self._flows.set()
        self._listener.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Reset every connection; new ones can be made."""
        for writer in tuple(self._pairs):
            writer.transport.abort()

    def stall(self) -> None:
        """Let nothing through, either way; who connects waits, too."""
        self._flows.clear()

    def resume(self) -> None:
        """Let everything through again that was kept back."""
        self._flows.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        both = {writer, server_writer}
        self._pairs |= both
        try:
            await asyncio.wait(
                {
                    asyncio.ensure_future(self._carry(reader, server_writer)),
                    asyncio.ensure_future(self._carry(server_reader, writer)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._pairs -= both
            for each in both:
                each.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder := parse_qs(self._server_url.query).get("host"):
            return await asyncio.open_unix_connection(str(Path(folder[0]) / ".s.PGSQL.5432"))
        return await asyncio.open_connection(self._server_url.hostname, self._server_url.port)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flows.wait()
                self.through += len(data)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def open_line(database_url: str) -> AsyncIterator[Line]:
    """Yield a line to the server of a URL; clients connect to its own `url`."""
    line = Line(database_url)
    await line.open()
    try:
        yield line
    finally:
        await line.close()
