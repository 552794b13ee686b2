"""A real server for the tests: uvicorn with the real application, on a free loopback port, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from api.access.policy import OPEN, Access
from api.errors import ErrorAnswer, ErrorDetail
from api.serve import http_server
from api.warehouse import Clock
from tests.api.market import NOW

_START_WITHIN_S = 30.0
_ERRORS = msgspec.json.Decoder(ErrorAnswer)


class Answer(msgspec.Struct, frozen=True):
    """What came back: status, headers and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    def refusal(self) -> ErrorDetail:
        """Return the error, having checked that it has the one shape, whole and nothing else."""
        assert self.status >= 400
        assert self.headers["content-type"] == "application/json"
        assert self.headers["cache-control"] == "no-store"
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) == {"code", "message", "parameter"}
        error = _ERRORS.decode(self.body).error
        assert error.message
        assert "Traceback" not in error.message
        return error


class Client:
    """Asks one served API."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self.session = session
        self.origin = origin

    async def ask(self, target: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        """Return the answer to a target, which is sent as it is written; redirects are not followed."""
        url = URL(self.origin + target, encoded=True)
        async with self.session.request(method, url, headers=headers, allow_redirects=False) as response:
            received = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, received, await response.read())


def listening() -> socket.socket:
    """Return a socket on a free loopback port.

    It names TCP: else asyncio leaves Nagle's algorithm on, and every answer of two parts waits 40 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@asynccontextmanager
async def served(url: str, now: Clock = lambda: NOW, access: Access = OPEN) -> AsyncIterator[Client]:
    """Yield a client of the API on the database at `url`, whose clock stands at NOW unless another is given."""
    with listening() as listener:
        server = http_server(url, now, access)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                while not server.started:
                    assert thread.is_alive(), "the server did not start"
                    await asyncio.sleep(0.01)
            port = listener.getsockname()[1]
            async with aiohttp.ClientSession() as session:
                yield Client(session, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join)
