"""The memory: answers that still stand are sent again without being made again.

It stands before the router and knows no route. An answer that has a tag of its generation (api/etag.py) is kept with
it, and sent again only after a look at the database, begun after the request came, has shown that very state of the
projection. So no answer is stale that is asked for after a swap, a rollback or a catch-up was committed, by whatever
process. Requests that wait at the same time share one look.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import RefusedRequest
from api.etag import ANSWER_OF, names_tag
from api.generation import Generation, Projection
from api.kept import Kept
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


class Looks:
    """Looks at the live projection, shared: each caller gets what was seen by a look that began after it asked."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._waiting: list[asyncio.Future[Generation]] = []
        self._looking: asyncio.Task[None] | None = None

    def next(self) -> asyncio.Future[Generation]:
        """Return what the next look will see, or the RefusedRequest that it ends in."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return waiter

    async def _look(self) -> None:
        # Again, because somebody may have come while the connection was given back.
        while self._waiting:
            await self._look_on()

    async def _look_on(self) -> None:
        """Look as long as anybody waits, all the time with one connection."""
        waiting: list[asyncio.Future[Generation]] = []
        try:
            async with self._projection.looking() as look:
                while self._waiting:
                    waiting, self._waiting = self._waiting, []
                    seen = await look()
                    for waiter in waiting:
                        if not waiter.done():  # its request may have ended
                            waiter.set_result(seen)
        except Exception as exc:
            waiting, self._waiting = [*waiting, *self._waiting], []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(exc)


class Memory:
    """An ASGI application that answers from memory where it can, and else passes requests on."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app = app
        self.kept: Kept[object, Remembered] = Kept(most_bytes)
        self._looks: WeakKeyDictionary[Projection, Looks] = WeakKeyDictionary()

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
        if found is not None and await self._stands(found, warehouse.projection):
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
                weight = sent.body_bytes + _asked_bytes(scope, headers) + _ENTRY_BYTES
                self.kept.keep(key, Remembered(state, tuple(sent.messages), scope.get("route")), weight)

    async def _stands(self, found: Remembered, projection: Projection) -> bool:
        """Tell whether an answer is of the state that is live; where that cannot be seen, the route is to say so."""
        looks = self._looks.get(projection)
        if looks is None:
            looks = self._looks[projection] = Looks(projection)
        try:
            return await looks.next() == found.state
        except RefusedRequest:
            return False


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


def _asked_bytes(scope: Scope, headers: dict[bytes, bytes]) -> int:
    """Return how much of a key a caller has written."""
    told = sum(len(headers.get(name, b"")) for name in _HEADERS)
    return len(scope["raw_path"]) + len(scope["query_string"]) + told


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
