"""The server: objects in a bucket, the errors of S3 as XML, and misbehaviour on demand."""

import asyncio
import datetime as dt
from collections import Counter, deque
from types import TracebackType
from xml.sax.saxutils import escape

import msgspec
from aiohttp import web

from tests.fake_s3.signature import Refusal, require_signed


class Asked(msgspec.Struct, frozen=True):
    """A request as it came: its path and its headers."""

    path: str
    headers: dict[str, str]


class _Fault(msgspec.Struct, frozen=True):
    kind: str
    status: int
    code: str
    headers: dict[str, str]
    path: str


class FakeS3:
    """A bucket on loopback. `objects` maps keys to bytes; `denied` are keys nobody may read; `secrets` by key id."""

    def __init__(
        self,
        objects: dict[str, bytes],
        secrets: dict[str, str],
        *,
        bucket: str = "flatfiles",
        region: str = "us-east-1",
    ) -> None:
        self.objects = objects
        self.denied: set[str] = set()
        self.asked: list[Asked] = []
        self.go_on = asyncio.Event()
        self._secrets, self._bucket, self._region = secrets, bucket, region
        self._faults: deque[_Fault] = deque()

    async def __aenter__(self) -> "FakeS3":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/{self._bucket}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on.set()
        await self._runner.cleanup()

    @property
    def counts(self) -> Counter[str]:
        """How often each key was asked for."""
        return Counter(asked.path.partition(f"/{self._bucket}/")[2] for asked in self.asked)

    def fail_next(
        self,
        status: int = 503,
        code: str = "SlowDown",
        times: int = 1,
        path: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer the next requests (with `path` in theirs) with an error."""
        self._faults.extend([_Fault("error", status, code, headers or {}, path)] * times)

    def cut_next(self, times: int = 1) -> None:
        """Break the next bodies off in the middle."""
        self._faults.extend([_Fault("cut", 200, "", {}, "")] * times)

    def hang_next(self, times: int = 1, path: str = "") -> None:
        """Answer the next requests (with `path` in theirs) only once `go_on` is set."""
        self._faults.extend([_Fault("hang", 200, "", {}, path)] * times)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request.raw_path, dict(request.headers)))
        try:
            return await self._answer(request)
        except Refusal as refusal:
            return self._error(request, refusal)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        now = dt.datetime.now(dt.UTC)
        require_signed(request.method, request.raw_path, request.headers, self._secrets, self._region, now)
        fault = self._fault_for(request.raw_path)
        if fault is not None and fault.kind == "error":
            refused = self._error(request, Refusal(fault.status, fault.code, "as the test wants it"))
            refused.headers.update(fault.headers)
            return refused
        if fault is not None and fault.kind == "hang":
            await self.go_on.wait()
        body = self._object(request.raw_path)
        answer = web.StreamResponse(headers={"ETag": '"5d41402abc4b2a76"', "Content-Type": "application/gzip"})
        answer.content_length = len(body)
        await answer.prepare(request)
        if fault is not None and fault.kind == "cut":
            await answer.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(body)
        return answer

    def _fault_for(self, path: str) -> _Fault | None:
        for fault in self._faults:
            if fault.path in path:
                self._faults.remove(fault)
                return fault
        return None

    def _object(self, path: str) -> bytes:
        _, bucket, key = path.split("/", 2)
        if bucket != self._bucket:
            raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
        if key in self.denied:
            raise Refusal(403, "AccessDenied", "Access Denied.")
        if key not in self.objects:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
        return self.objects[key]

    def _error(self, request: web.Request, refusal: Refusal) -> web.Response:
        """Return an error as S3 words it: it repeats who asked, as the real one does."""
        key_id = request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
            f"<AWSAccessKeyId>{escape(key_id)}</AWSAccessKeyId><Resource>{escape(request.raw_path)}</Resource>"
            "<RequestId>TX0000</RequestId></Error>"
        )
        headers = {"x-amz-request-id": "TX0000", "x-echo": key_id}
        return web.Response(status=refusal.status, text=text, content_type="application/xml", headers=headers)
