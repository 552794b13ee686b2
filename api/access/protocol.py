"""What uvicorn's HTTP protocol leaves unbounded: how long a head may take to come, how large it may be while it comes,
and how many connections there may be. What is complete is checked in bounds.py."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.access.bounds import LARGEST_HEADERS_BYTES, LONGEST_URL_BYTES
from api.access.errors import HeadersTooLarge, Overloaded
from api.access.refuse import refusal
from api.errors import RefusedRequest

HEAD_WITHIN_S = 10.0
# Below the 1,024 files that systems let a process open by default.
MOST_CONNECTIONS = 768
_LARGEST_HEAD_BYTES = LONGEST_URL_BYTES + LARGEST_HEADERS_BYTES


class BoundedHttp(HttpToolsProtocol):
    """A connection that is ended where a client opens it and says nothing, or says it without end."""

    head_within_s = HEAD_WITHIN_S
    most_connections = MOST_CONNECTIONS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are as many as may be."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(Overloaded())
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as the head they belong to is within the bounds."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD_BYTES:
                self._refuse(HeadersTooLarge(LARGEST_HEADERS_BYTES))
                return
        if self._deadline is None and (self._in_head or self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer a request."""
        self._in_head = False
        self._head_came()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_within_s, self.transport.close)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, refused: RefusedRequest) -> None:
        answer = refusal("", refused)
        headers = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(STATUS_LINE[refused.status] + headers + b"connection: close\r\n\r\n" + bytes(answer.body))
        self.transport.close()
