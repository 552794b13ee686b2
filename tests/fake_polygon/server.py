"""The fake vendor as an HTTP server on loopback: a request log, and faults on demand around one `Vendor`.

It must not know what is answered or how a broken answer is sent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from tests.fake_polygon.ask import Reply, Twist
from tests.fake_polygon.body import Body
from tests.fake_polygon.market import Market
from tests.fake_polygon.misbehaviour import TWISTS, UNANSWERED, Misbehaviour, Trouble
from tests.fake_polygon.plan import Plan
from tests.fake_polygon.routes import route
from tests.fake_polygon.transport import Packed, send, spoiled
from tests.fake_polygon.vendor import Vendor, utc_now


class LoggedRequest(msgspec.Struct):
    """One request as it arrived. `status` is None while there is no answer, and where there never is one.

    `key_in_query` says whether the key was sent where it leaks; `trouble` names the fault of the answer; `finished`
    says that the whole answer has been handed to the client's side of the line; `request_id` is in its X-Request-Id.
    """

    kind: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    key_in_query: bool
    status: int | None = None
    trouble: str | None = None
    sent_bytes: int = 0
    finished: bool = False
    request_id: str = ""


class FakePolygon(Misbehaviour):
    """The vendor on 127.0.0.1 while its context is open; give clients `url` as the base URL.

    `page_rows` caps a page per kind of request (see `routes`), whatever limit is asked for. `public_url` is what
    next_url begins with, where the vendor is to call itself something other than `url`. `monotonic` counts the
    minute of the plan's rate, so that a `clock` that stands still does not stop it.
    """

    def __init__(
        self,
        market: Market,
        *,
        key: str = "test-key",
        plan: Plan | None = None,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        page_rows: Mapping[str, int] | None = None,
        public_url: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.market = market
        self.key = key
        self.vendor = Vendor(
            market,
            key=key,
            plan=plan or Plan(),
            clock=clock,
            monotonic=monotonic,
            page_rows=page_rows,
            base=public_url or "",
            seed=seed,
        )
        self.requests: list[LoggedRequest] = []
        self.url = ""
        self._host, self._port = host, port
        self._server_name = f"fake-polygon ({market.name})"
        self._closing = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @property
    def plan(self) -> Plan:
        """The subscription of the key; assign another to change it."""
        return self.vendor.plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self.vendor.plan = plan

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each kind have arrived."""
        return Counter(request.kind for request in self.requests)

    async def __aenter__(self) -> Self:
        # A short shutdown: whoever still hangs here was told to.
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, backlog=512).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self.vendor.base = self.vendor.base or self.url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path = request.rel_url.raw_path
        query = dict(request.rel_url.query)
        kind, _ = route(raw_path)
        logged = LoggedRequest(
            kind=kind,
            method=request.method,
            path=raw_path,
            query=query,
            headers=dict(request.headers),
            key_in_query="apiKey" in query,
        )
        self.requests.append(logged)
        return await self._respond(request, logged)

    async def _respond(self, request: web.BaseRequest, logged: LoggedRequest) -> web.StreamResponse:
        if request.method != "GET":
            logged.status = 405
            return web.Response(status=405, text="405 method not allowed", headers={"Server": self._server_name})
        trouble = self._trouble_for(logged.kind, logged.path)
        reply = self._reply(request, logged, trouble)
        logged.request_id = reply.request_id
        packed = Packed(reply, request.headers.get("Accept-Encoding", ""))
        # Whoever archives the headers can tell where the bytes are from.
        packed.headers["Server"] = self._server_name
        if trouble is None or trouble.kind not in ("hang", "reset"):
            logged.status, logged.sent_bytes = reply.status, len(packed.data)
        response = await send(request, packed, trouble, self._closing)
        logged.finished = await _finish(request, response)
        return response

    def _reply(self, request: web.BaseRequest, logged: LoggedRequest, trouble: Trouble | None) -> Reply:
        logged.trouble = trouble.kind if trouble else None
        if trouble and trouble.kind in UNANSWERED:
            return spoiled(Reply(200, Body(b""), b"", self.vendor.request_id()), trouble)
        twist = Twist(trouble.kind, trouble.host, trouble.at) if trouble and trouble.kind in TWISTS else None
        reply = self.vendor.answer(logged.path, logged.query, request.headers.get("Authorization"), twist)
        return spoiled(reply, trouble) if trouble else reply


async def _finish(request: web.BaseRequest, response: web.StreamResponse) -> bool:
    """Send what is left to send and tell whether there was anybody to take it."""
    if request.transport is None or request.transport.is_closing():
        return False
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return False
    return True
