"""How a reply goes onto the wire, whole or broken on purpose. It must not know what a reply says.

Source: the failures are those clients of the vendor have reported; see polygon.md §3 and §4.
"""

import asyncio
import gzip
import socket
import struct

from aiohttp import web

from tests.fake_polygon.ask import Reply
from tests.fake_polygon.body import Body
from tests.fake_polygon.misbehaviour import Trouble
from tests.fake_polygon.refusals import FORBIDDEN, default_failure, refusal_body

_WORTH_COMPRESSING = 200
_CHUNKS_PER_SECOND = 20
_PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"


class Packed:
    """A reply as bytes and headers, in the encoding the client accepts."""

    __slots__ = ("data", "headers", "status")

    def __init__(self, reply: Reply, accepted: str) -> None:
        self.status = reply.status
        self.headers = {"Content-Type": reply.content_type, "X-Request-Id": reply.request_id}
        if reply.retry_after_s is not None:
            self.headers["Retry-After"] = str(reply.retry_after_s)
        big = len(reply.body.beginning) + len(reply.end) >= _WORTH_COMPRESSING
        if big and "gzip" in accepted:
            self.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            self.data = reply.body.gzipped(reply.end)
        else:
            self.data = reply.body.plain(reply.end)


def spoiled(reply: Reply, trouble: Trouble) -> Reply:
    """Return the reply that is sent instead where the fault lies in its status or content."""
    match trouble.kind:
        case "fail":
            return _failure(reply.request_id, trouble)
        case why if why in FORBIDDEN:
            return Reply(403, Body(refusal_body(403, FORBIDDEN[why], reply.request_id)), b"", reply.request_id)
        case "html":
            return Reply(trouble.status, Body(_PAGE), b"", reply.request_id, content_type="text/html")
        case "cut_json":
            whole = reply.body.plain(reply.end)
            cut = whole[: max(1, min(len(whole) - 1, int(len(whole) * trouble.at)))]
            return Reply(reply.status, Body(cut), b"", reply.request_id)
        case _:
            return reply


def _failure(request_id: str, trouble: Trouble) -> Reply:
    body, content_type = default_failure(trouble.status, request_id)
    if trouble.body is not None:
        body = trouble.body
    return Reply(trouble.status, Body(body), b"", request_id, content_type=content_type)


async def send(
    request: web.BaseRequest, packed: Packed, trouble: Trouble | None, closing: asyncio.Event
) -> web.StreamResponse:
    """Send a reply, broken as the trouble says, and return what the server needs to finish with it."""
    match trouble.kind if trouble else None:
        case "hang":
            await closing.wait()
            return _cut_off(request)
        case "reset":
            return _reset(request)
        case "garble_gzip":
            return web.Response(
                status=packed.status, body=_garbled(), headers={**packed.headers, "Content-Encoding": "gzip"}
            )
        case "truncate" | "slow" if trouble:
            return await _piecemeal(request, packed, trouble, closing)
        case _:
            if trouble and trouble.retry_after is not None:
                packed.headers["Retry-After"] = trouble.retry_after
            return web.Response(status=packed.status, body=packed.data, headers=packed.headers)


async def _piecemeal(
    request: web.BaseRequest, packed: Packed, trouble: Trouble, closing: asyncio.Event
) -> web.StreamResponse:
    response = web.StreamResponse(status=packed.status, headers=packed.headers)
    response.content_length = len(packed.data)
    try:
        await response.prepare(request)
        if trouble.kind == "truncate":
            await response.write(packed.data[: min(len(packed.data) - 1, int(len(packed.data) * trouble.at))])
            return _cut_off(request)
        step = max(1, trouble.bytes_per_second // _CHUNKS_PER_SECOND)
        for at in range(0, len(packed.data), step):
            if closing.is_set():
                return _cut_off(request)
            await response.write(packed.data[at : at + step])
            await asyncio.sleep(step / trouble.bytes_per_second)
    except ConnectionError:  # the client has given up, as clients of a slow server do
        return _cut_off(request)
    return response


def _garbled() -> bytes:
    good = gzip.compress(_PAGE * 20, mtime=0)
    return good[:60] + bytes(255 - byte for byte in good[60:])


def _cut_off(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection after what was sent; the response is only for the server to return."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=503)


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        # With linger on and zero, closing sends RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return web.Response(status=503)
