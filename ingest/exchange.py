"""One GET over the wire, and every byte that came back: nothing is judged here, and nothing is asked twice.

The body is decoded by hand, because a client that decompresses for us throws away the bytes of a stream that breaks.
The key travels only in the Authorization header of the session, and redirects are not followed, so it reaches no host
but the configured one.
"""

import contextlib
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
                wire, whole = await read_wire(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise NoResponse(what_failed(exc)) from exc
        fetched_at = self._now()
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        transfer, body = self._content(wire, whole, encoding)
        return Response(
            source=SOURCE,
            request=request,
            fetched_at=fetched_at,
            http_status=answer.status,
            headers=kept_headers(answer, self._key.blanked),
            transfer=transfer,
            body=body,
        )

    def _content(self, wire: bytes, whole: bool, encoding: str) -> tuple[Transfer, bytes]:
        """Return how the bytes came over, and what they are without the key: decoded, or as they came."""
        body = _decoded(wire, encoding) if whole else None
        kept = self._without_hidden_key(wire, encoding) if body is None else body
        return _transfer(whole, body), self._key.blanked(kept)

    def _without_hidden_key(self, wire: bytes, encoding: str) -> bytes:
        """Return the bytes of a broken stream as they came, or what they decode to where that holds the key."""
        decoded = _decoded_so_far(wire, encoding)
        return wire if self._key.blanked(decoded) == decoded else decoded


@asynccontextmanager
async def open_exchange(
    base_url: str, key: VendorKey, now: Callable[[], dt.datetime], patience: Patience
) -> AsyncIterator[Exchange]:
    """Yield an exchange with the vendor at `base_url`; its connections are kept open and shared."""
    headers = {
        "Authorization": f"Bearer {key.reveal()}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
    }
    async with http_session(patience, headers) as http:
        yield Exchange(http, base_url, key, now)


def http_session(patience: Patience, headers: dict[str, str]) -> aiohttp.ClientSession:
    """Return a session that hands over the bytes as they come, keeps no cookie, and waits no longer than is patient."""
    return aiohttp.ClientSession(
        headers=headers | {"User-Agent": "market-data-warehouse"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(
            total=patience.total_s, sock_connect=patience.connect_s, sock_read=patience.silence_s
        ),
    )


def kept_headers(answer: aiohttp.ClientResponse, blanked: Callable[[bytes], bytes]) -> list[tuple[str, str]]:
    """Return the headers that are archived: all but cookies, with secrets blanked out in names and values."""
    return [
        (blanked(name).decode("latin-1"), blanked(value).decode("latin-1"))
        for name, value in answer.raw_headers
        if name.lower() != b"set-cookie"
    ]


async def read_wire(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
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


def _decoded_so_far(wire: bytes, encoding: str) -> bytes:
    """Return what a gzip stream gives before it breaks; byte by byte, since a piece that breaks gives nothing."""
    decoded = bytearray()
    if encoding in ("gzip", "x-gzip"):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        with contextlib.suppress(zlib.error):
            for place in range(len(wire)):
                decoded += member.decompress(wire[place : place + 1])
    return bytes(decoded)


def _transfer(whole: bool, body: bytes | None) -> Transfer:
    if not whole:
        return Transfer.CUT_SHORT
    return Transfer.BROKEN_ENCODING if body is None else Transfer.COMPLETE


def what_failed(exc: Exception) -> str:
    """Return why nothing came back, in words that name no address."""
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
