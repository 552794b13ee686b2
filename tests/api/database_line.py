"""A line between the API and the database that a test can cut: a TCP proxy on loopback."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit


class DatabaseLine:
    """Forwards a loopback port to the server of a URL; `url` is that URL by way of the line."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """The URL to give to the client of the database."""
        user = (self._parts.netloc.rpartition("@")[0] or "postgres:").removesuffix(":")
        query = {name: values for name, values in parse_qs(self._parts.query).items() if name not in ("host", "port")}
        return urlunsplit(
            self._parts._replace(netloc=f"{user}@127.0.0.1:{self._port}", query=urlencode(query, doseq=True))
        )

    async def __aenter__(self) -> Self:
        """Open the line."""
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut the line."""
        await self.cut()

    async def mend(self) -> None:
        """Let connections through, at the same port as before."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break what is connected and refuse new connections."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await self._connect()
        self._writers |= {writer, upstream_writer}
        await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        folder = parse_qs(self._parts.query).get("host")
        if folder:
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{self._parts.port or 5432}")
        return await asyncio.open_connection(self._parts.hostname, self._parts.port or 5432)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass  # the line was cut
    finally:
        writer.close()
