"""The memory: answers that still stand are sent again without being made again.

It stands before the router and knows no route. An answer that has a tag of its generation (api/etag.py) is kept with
it, and sent again only after a look at the database, begun after the request came, has shown that very state of the
projection. So no answer is stale that is asked for after a swap, a rollback or a catch-up was committed, by whatever
process. Requests that wait at the same time share one look.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import RefusedRequest
from api.etag import ANSWER_OF, names_tag
from api.generation import Generation
from api.overview.kept import Kept
from api.warehouse import Warehouse
from api.watch.metrics import count_cache

# What an answer may depend on beside the projection, the URL and the quarter of the hour.
_HEADERS = (b"accept", b"accept-encoding", b"host")
# The dates of New York and what is judged some time after a session both change at quarters.
_QUARTER_S = 900
_OF_NOT_MODIFIED = (b"etag", b"cache-control", b"vary")
_ENTRY_BYTES = 1_000
_LARGEST = 8


class Remembered(msgspec.Struct, frozen=True):
    """An answer as it was sent, and the route that gave it."""

    state: Generation
    messages: tuple[Message, ...]
    route: Any

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the answer."""
        return list(self.messages[0]["headers"])


class Look:
    """A look at something that is shared: each caller gets what was seen by a look that began after it asked."""

    def __init__(self, look: Callable[[], Awaitable[Generation]]) -> None:
        self._look = look
        self._next: asyncio.Future[Generation] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def seen(self) -> Generation:
        """Return what the next look sees.

        Raises: what the look raises.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> None:
        while self._next is not None:
            waited_for, self._next = self._next, None
            # Whatever it is, those who wait get it.
            try:
                waited_for.set_result(await self._look())
            except Exception as exc:
                waited_for.set_exception(exc)
                waited_for.exception()


class Memory:
    """An ASGI application that answers from memory where it can, and else passes requests on."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app = app
        self.kept: Kept[object, Remembered] = Kept(most_bytes)
        self._looks: dict[int, Look] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, from memory or not."""
        if scope["type"] != "http" or self.kept.most == 0 or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if b"range" in headers:
            await self.app(scope, receive, send)
            return
        warehouse: Warehouse = scope["state"]["warehouse"]
        key = _key(scope, headers, warehouse)
        found = self.kept.get(key)
        if found is not None and await self._stands(found, warehouse):
            count_cache(hit=True)
            scope["cache"], scope["route"] = "hit", found.route
            await _send(found, headers.get(b"if-none-match"), send)
            return
        sent = _Sent(send, self.kept.most // _LARGEST)
        await self.app(scope, receive, sent)
        state = scope.get(ANSWER_OF)
        if state is not None:
            count_cache(hit=False)
            scope["cache"] = "miss"
            if sent.is_whole:
                weight = sent.body_bytes + _ENTRY_BYTES
                self.kept.keep(key, Remembered(state, tuple(sent.messages), scope.get("route")), weight)

    async def _stands(self, found: Remembered, warehouse: Warehouse) -> bool:
        """Tell whether an answer is of the state that is live; where that cannot be seen, the route is to say so."""
        try:
            return await self._look_of(warehouse).seen() == found.state
        except RefusedRequest:
            return False

    def _look_of(self, warehouse: Warehouse) -> Look:
        """Return the look at the live projection; there is one for the life of the application."""
        return self._looks.setdefault(id(warehouse.projection), Look(warehouse.projection.identity))


class _Sent:
    """Passes messages on, and keeps them as long as they are those of a small answer with status 200."""

    def __init__(self, send: Send, most_bytes: int) -> None:
        self.send = send
        self.most_bytes = most_bytes
        self.messages: list[Message] = []
        self.body_bytes = 0
        self.is_kept = True
        self.is_whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_kept = message["status"] == 200
        self.body_bytes += len(message.get("body", b""))
        self.is_kept = self.is_kept and self.body_bytes <= self.most_bytes
        if self.is_kept:
            self.messages.append(message)
        else:
            self.messages.clear()
        await self.send(message)
        self.is_whole = self.is_kept and message["type"] == "http.response.body" and not message.get("more_body")


def _key(scope: Scope, headers: dict[bytes, bytes], warehouse: Warehouse) -> tuple[object, ...]:
    quarter = int(warehouse.now().timestamp()) // _QUARTER_S
    told = (headers.get(name) for name in _HEADERS)
    return (scope["method"], scope["raw_path"], scope["query_string"], quarter, *told)


async def _send(found: Remembered, if_none_match: bytes | None, send: Send) -> None:
    headers = found.headers
    tag = next((value for name, value in headers if name == b"etag"), None)
    if if_none_match is not None and tag is not None and names_tag(if_none_match.decode("latin-1"), tag.decode()):
        kept = [header for header in headers if header[0] in _OF_NOT_MODIFIED]
        await send({"type": "http.response.start", "status": 304, "headers": kept})
        await send({"type": "http.response.body", "body": b""})
        return
    for message in found.messages:
        await send(message)
