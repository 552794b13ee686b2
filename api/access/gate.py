"""The gate: every request passes it before any route, and every answer after. Plain ASGI, so answers stream through.

In this order: the bounds of a request, the host it is for, how much is under way, whose key it has, how often it asks.
What is for anybody (the health, the page with its files, the OpenAPI document) needs no key and is not counted.
"""

import ipaddress
from collections.abc import Mapping, Sequence

import asyncpg
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.bounds import check_bounds
from api.access.errors import MissingKey, Overloaded, RateLimited, UnknownKey
from api.access.hosts import Hosts
from api.access.keyring import KeyRing
from api.access.policy import Access
from api.access.rate import WINDOW_S, RateLimit
from api.access.refuse import refusal
from api.dialect import Dialect
from api.errors import RefusedRequest
from api.pages import PAGE_FOLDERS, PAGE_PATHS

MOST_UNDER_WAY = 256

_FOR_ANYBODY = frozenset({*PAGE_PATHS, "/docs", "/health", "/openapi.json"})
_FOLDERS_FOR_ANYBODY = (*PAGE_FOLDERS, "/static/")
_ASKED_BY_BROWSERS = ("Authorization", "X-API-Key", "If-None-Match", "Range")
_SHOWN_TO_BROWSERS = (
    "Content-Range",
    "ETag",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Coverage",
    "X-Generation",
    "X-Request-ID",
)

Headers = tuple[tuple[bytes, bytes], ...]

# For answers that do not say otherwise themselves.
_DRESS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def guarded(app: ASGIApp, access: Access, rate: RateLimit, dialects: Sequence[Dialect]) -> ASGIApp:
    """Return an application behind the gate; pages of other origins may read it where `access` names them."""
    gate = Gate(app, access, rate, dialects)
    if not access.origins:
        return gate
    return CORSMiddleware(
        gate,
        allow_origins=access.origins,
        allow_methods=("GET", "HEAD"),
        allow_headers=_ASKED_BY_BROWSERS,
        expose_headers=_SHOWN_TO_BROWSERS,
    )


class Gate:
    """An ASGI application that passes on what may be asked and refuses the rest, in the language of its path."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        rate: RateLimit,
        dialects: Sequence[Dialect] = (),
        most_under_way: int = MOST_UNDER_WAY,
    ) -> None:
        self._app = app
        self._access = access
        self._rate = rate
        self._dialects = dialects
        self._most_under_way = most_under_way
        self._under_way = 0
        self._hosts = None if access.hosts is None else Hosts(access.hosts)
        self._keys = KeyRing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app, dress = self._app, _DRESS
        try:
            dress += await self._admit(scope)
        except RefusedRequest as refused:
            app = refusal(scope["path"], refused, self._dialects)
            if isinstance(refused, RateLimited):
                dress += _limit(refused.per_minute, 0, refused.retry_after_s)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                worn = {name for name, _ in headers}
                message = {**message, "headers": [*headers, *(each for each in dress if each[0] not in worn)]}
            await send(message)

        self._under_way += 1
        try:
            await app(scope, receive, dressed)
        finally:
            self._under_way -= 1

    async def _admit(self, scope: Scope) -> Headers:
        """Return what the answer is to say of the caller's limit.

        Raises: the errors of api/access/errors.py, and those of the database when keys cannot be read.
        """
        headers = dict(scope["headers"])
        check_bounds(scope, headers)
        if self._hosts is not None and b"host" in headers:
            self._hosts.check(headers[b"host"])
        path: str = scope["path"]
        if path in _FOR_ANYBODY or path.startswith(_FOLDERS_FOR_ANYBODY):
            return ()
        if self._under_way >= self._most_under_way:
            raise Overloaded
        caller, per_minute = await self._caller(scope, headers)
        if not per_minute:
            return ()
        turn = self._rate.take(caller, per_minute)
        if not turn.granted:
            raise RateLimited(per_minute, turn.reset_s)
        return _limit(per_minute, turn.remaining, turn.reset_s)

    async def _caller(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[bytes, int]:
        """Return who asks and how often they may: the holder of a key, or where none is required an address."""
        if not self._access.keys_required:
            return (_address(scope) if self._access.per_minute else b""), self._access.per_minute
        text = _key_of(headers)
        if text is None:
            raise MissingKey
        pool: asyncpg.Pool = scope["state"]["warehouse"].projection.pool
        known = await self._keys.find(text, pool)
        if known is None:
            raise UnknownKey
        scope["api_key"] = known.key_id
        return known.key_id.encode(), known.per_minute


def _key_of(headers: Mapping[bytes, bytes]) -> str | None:
    key = headers.get(b"x-api-key")
    if key is None:
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
    return key.strip().decode("latin-1") or None


def _address(scope: Scope) -> bytes:
    """Return the address of a client as one caller: of IPv6 the network, which has one owner."""
    host = scope["client"][0] if scope["client"] else ""
    if ":" not in host:
        return host.encode()
    return ipaddress.ip_address(host.partition("%")[0]).packed[:8]


def _limit(per_minute: int, remaining: int, reset_s: int) -> Headers:
    """Return the headers that tell a limit, as draft-ietf-httpapi-ratelimit-headers has them since its version 8."""
    return (
        (b"ratelimit-policy", b'"minute";q=%d;w=%d' % (per_minute, WINDOW_S)),
        (b"ratelimit", b'"minute";r=%d;t=%d' % (remaining, reset_s)),
    )
