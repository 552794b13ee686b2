"""One GET over the wire, and every byte that came back: nothing is judged here, and nothing is asked twice.

The body is decoded by hand, because a client that decompresses for us throws away the bytes of a stream that breaks.
The key travels only in the Authorization header of the session, and redirects are not followed, so it reaches no host
but the configured one.
"""

import datetime as dt
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from archive.payload import Request, Response, Transfer
from ingest.endpoints import SOURCE
from ingest.patience import Patience
from ingest.settings import VendorKey


class NoResponse(Exception):
    """Nothing came back that could be archived; `why` says what happened."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Exchange:
    """Sends GETs to the configured host. Get one from `open_exchange`."""

    def __init__(
        self, http: aiohttp.ClientSession, base_url: str, key: VendorKey, now: Callable[[], dt.datetime]
    ) -> None:
        self.base_url = base_url
        self._http, self._key, self._now = http, key, now

    async def get(self, request: Request) -> Response:
        """Return what came back: any status, and a body that is whole, or as much of it as came.

        Raises: NoResponse when the vendor sent no status line and headers.
        """
        url = URL(self.base_url + request.target, encoded=True)
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                wire, whole = await _read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise NoResponse(_why(exc)) from exc
        fetched_at = self._now()
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        body = _decoded(wire, encoding) if whole else None
        return Response(
            source=SOURCE,
            request=request,
            fetched_at=fetched_at,
            http_status=answer.status,
            headers=self._headers(answer),
            transfer=_transfer(whole, body),
            body=self._key.blanked(wire if body is None else body),
        )

    def _headers(self, answer: aiohttp.ClientResponse) -> list[tuple[str, str]]:
        return [
            (name.decode("latin-1"), self._key.blanked(value).decode("latin-1"))
            for name, value in answer.raw_headers
            if name.lower() != b"set-cookie"
        ]


@asynccontextmanager
async def open_exchange(
    base_url: str, key: VendorKey, now: Callable[[], dt.datetime], patience: Patience
) -> AsyncIterator[Exchange]:
    """Yield an exchange with the vendor at `base_url`; its connections are kept open and shared."""
    async with aiohttp.ClientSession(
        headers={
            "Authorization": f"Bearer {key.reveal()}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "market-data-warehouse",
        },
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(
            total=patience.total_s, sock_connect=patience.connect_s, sock_read=patience.silence_s
        ),
    ) as http:
        yield Exchange(http, base_url, key, now)


async def _read(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return the bytes of a body as they came, and whether they are all that was promised."""
    came: list[bytes] = []
    try:
        while chunk := await answer.content.readany():
            came.append(chunk)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b"".join(came), False
    return b"".join(came), True


def _decoded(wire: bytes, encoding: str) -> bytes | None:
    """Return what the content encoding hides, None where the bytes do not decode."""
    if encoding in ("", "identity"):
        return wire
    if encoding not in ("gzip", "x-gzip"):
        return None
    decoded, rest = [], wire
    try:
        while rest:
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            decoded.append(member.decompress(rest))
            if not member.eof:
                return None
            rest = member.unused_data
    except zlib.error:
        return None
    return b"".join(decoded)


def _transfer(whole: bool, body: bytes | None) -> Transfer:
    if not whole:
        return Transfer.CUT_SHORT
    return Transfer.BROKEN_ENCODING if body is None else Transfer.COMPLETE


def _why(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientConnectorDNSError():
            return "its host name is not known here"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "no trusted TLS connection can be made to it"
        case aiohttp.ClientConnectorError():
            return f"no connection can be made to it ({os.strerror(exc.os_error.errno or 0)})"
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return "it closed the connection without an answer"
        case _:
            return f"it sent no HTTP answer ({type(exc).__name__})"
