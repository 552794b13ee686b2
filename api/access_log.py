"""The access log: one line a request, written when the answer has gone out, and what Prometheus counts of it.

It stands around everything else at the server's edge, and gives each request an id that the caller gets back as
X-Request-ID. What the layers within know they leave in the scope: `route` (the router), `api_key` (the id of the key,
never the key), `cache` (hit or miss). A query string is never written: a caller may have put a key in it.
"""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.watch.metrics import IN_PROGRESS, count_request, route_of

_LOG = logging.getLogger("api")
_REQUEST_ID = b"x-request-id"
# No character that could begin another fact or line.
_ACCEPTED = re.compile(rb"[A-Za-z0-9._:/+=-]{1,64}")
_LONGEST_PATH = 200
_FROM_SCOPE = (("api_key", "key"), ("cache", "cache"))


def request_ids(prefix: str | None = None) -> Iterator[str]:
    """Yield ids that no other process gives: random digits of this one, and a number."""
    own = secrets.token_hex(4) if prefix is None else prefix
    return (f"{own}-{number:x}" for number in itertools.count(1))


class AccessLog:
    """An ASGI application that passes requests on, counts them and logs `api.request` for each.

    Facts: method, route (its template), path as it was sent (without query, shortened), status (0 where the caller got
    none), elapsed_ms, bytes of the body, client (its address), request_id; key and cache where they are known.
    """

    def __init__(
        self, app: ASGIApp, timer: Callable[[], float] = time.perf_counter, ids: Iterator[str] | None = None
    ) -> None:
        self.app = app
        self.timer = timer
        self.ids = request_ids() if ids is None else ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, count it and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self.timer()
        status = body_bytes = 0
        has_body = scope["method"] != "HEAD"
        request_id = scope["request_id"] = _sent_id(scope) or next(self.ids)
        header = (_REQUEST_ID, request_id.encode("ascii"))

        async def counted(message: Message) -> None:
            nonlocal status, body_bytes
            if message["type"] == "http.response.start":
                # A copy: an answer may be kept and given to others too.
                message = {**message, "headers": [*message.get("headers", ()), header]}
                await send(message)
                status = message["status"]
                return
            await send(message)
            if has_body and message["type"] == "http.response.body":
                body_bytes += len(message.get("body", b""))

        IN_PROGRESS.inc()
        try:
            await self.app(scope, receive, counted)
        finally:
            elapsed_s = self.timer() - started
            IN_PROGRESS.dec()
            route = route_of(scope)
            count_request(route, scope["method"], status, elapsed_s, body_bytes)
            if _LOG.isEnabledFor(logging.INFO):
                _LOG.info("api.request", extra=_facts(scope, route, status, elapsed_s, body_bytes))


def _sent_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            return value.decode("ascii") if _ACCEPTED.fullmatch(value) else None
    return None


def _facts(scope: Scope, route: str, status: int, elapsed_s: float, body_bytes: int) -> dict[str, Any]:
    client = scope.get("client")
    facts = {
        "method": scope["method"],
        "route": route,
        # Still percent-encoded, so that no path can write a line of its own.
        "path": scope["raw_path"][:_LONGEST_PATH].decode("ascii", "backslashreplace"),
        "status": status,
        "elapsed_ms": round(elapsed_s * 1000, 2),
        "bytes": body_bytes,
        "client": client[0] if client else "unknown",
        "request_id": scope["request_id"],
    }
    for name, fact in _FROM_SCOPE:
        if (value := scope.get(name)) is not None:
            facts[fact] = value
    return facts
