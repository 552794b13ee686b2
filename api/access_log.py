"""The access log: one line a request, written when the answer has gone out. It sees the server's edge and no route."""

import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger("api")


class AccessLog:
    """An ASGI application that passes requests on and logs `api.request` for each.

    Facts: method, path as it was sent (without query), status (0 where the caller got none), elapsed_ms, bytes of the
    body as the application sent it.
    """

    def __init__(self, app: ASGIApp, timer: Callable[[], float] = time.perf_counter) -> None:
        self.app = app
        self.timer = timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self.timer()
        status = body_bytes = 0

        async def counted(message: Message) -> None:
            nonlocal status, body_bytes
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                body_bytes += len(message.get("body", b""))

        try:
            await self.app(scope, receive, counted)
        finally:
            _LOG.info(
                "api.request",
                extra={
                    "method": scope["method"],
                    # Still percent-encoded, so that no path can write a line of its own.
                    "path": scope["raw_path"].decode("ascii", "backslashreplace"),
                    "status": status,
                    "elapsed_ms": round((self.timer() - started) * 1000, 2),
                    "bytes": body_bytes,
                },
            )
