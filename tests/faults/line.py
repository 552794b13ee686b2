"""A TCP line to the database that can be cut, and be stalled: nothing goes through, and nobody is told. At its end the
server may seem to be starting.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_CHUNK = 65536
# Of PostgreSQL's protocol: what asks for TLS, and the fields of the error of a server that is not ready.
_SSL_REQUEST = (80877103).to_bytes(4)
_STARTING = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


class Line:
    """A line to the server of a URL. Get one from `open_line`."""

    def __init__(self, database_url: str) -> None:
        self._server_url = urlsplit(database_url)
        self._pairs: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._listener: asyncio.Server | None = None
        self._starting = 0
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

    def seem_to_start(self, times: int) -> None:
        """Tell so many of those who connect next what a server says that is not ready yet."""
        self._starting = times

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._starting:
            self._starting -= 1
            await self._say_starting(reader, writer)
            return
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

    async def _say_starting(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while _SSL_REQUEST in await reader.read(_CHUNK):
            writer.write(b"N")
        writer.write(b"E" + (4 + len(_STARTING)).to_bytes(4) + _STARTING)
        await writer.drain()
        writer.close()

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
