"""One GET against servers that send exactly the bytes they are told to."""

import asyncio
import datetime as dt
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from archive.payload import Response, Transfer
from ingest.endpoints import range_bars
from ingest.exchange import NoResponse, open_exchange
from ingest.settings import VendorKey
from tests.ingest.conftest import KEY, QUICK, noon

REQUEST = range_bars("BCpC", dt.date(2024, 1, 2), dt.date(2024, 1, 5))
OK = b"HTTP/1.1 200 OK\r\n"


class Wire:
    """A server that sends its pieces to whoever asks, one after the other, and closes; `heard` is what was asked."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.heard: list[bytes] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in self.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()


@asynccontextmanager
async def listening(wire: Wire) -> AsyncIterator[Wire]:
    server = await asyncio.start_server(wire.answer, "127.0.0.1", 0)
    async with server:
        wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield wire


async def get(*pieces: bytes) -> Response:
    async with (
        listening(Wire(*pieces)) as wire,
        open_exchange(wire.url, VendorKey(KEY), noon, QUICK) as exchange,
    ):
        return await exchange.get(REQUEST)


def sized(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(line + b"\r\n" for line in (*headers, b"Content-Length: %d" % len(body))) + b"\r\n" + body


async def test_the_target_is_sent_as_it_is_archived() -> None:
    async with (
        listening(Wire(sized(b"{}"))) as wire,
        open_exchange(wire.url, VendorKey(KEY), noon, QUICK) as exchange,
    ):
        await exchange.get(REQUEST)
    head = wire.heard[0].decode()
    assert head.startswith(f"GET {REQUEST.target} HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}\r\n" in head


async def test_what_came_before_a_stream_broke_is_kept_even_if_it_came_in_the_same_instant() -> None:
    response = await get(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\nno chunk size\r\n")
    assert (response.transfer, response.body) == (Transfer.CUT_SHORT, b"hello")


async def test_a_body_shorter_than_promised_is_kept() -> None:
    response = await get(OK + b"Content-Length: 100\r\n\r\n", b"the first half, ", b"and no second")
    assert (response.transfer, response.body) == (Transfer.CUT_SHORT, b"the first half, and no second")


async def test_silence_in_the_middle_keeps_what_came() -> None:
    class Silent(Wire):
        async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"Content-Length: 100\r\n\r\nso far")
            await reader.read()
            writer.close()

    # Only the bound on silence can end this.
    patience = msgspec.structs.replace(QUICK, total_s=3600.0)
    async with listening(Silent()) as wire, open_exchange(wire.url, VendorKey(KEY), noon, patience) as exchange:
        response = await exchange.get(REQUEST)
    assert (response.transfer, response.body) == (Transfer.CUT_SHORT, b"so far")


async def test_a_cut_gzip_stream_of_the_promised_length_is_kept_undecoded() -> None:
    cut = gzip.compress(b"a body" * 50)[:-10]
    response = await get(sized(cut, b"Content-Encoding: gzip"))
    assert (response.transfer, response.body) == (Transfer.BROKEN_ENCODING, cut)


async def test_gzip_in_several_members_is_decoded_whole() -> None:
    wire = gzip.compress(b"one ") + gzip.compress(b"two")
    response = await get(sized(wire, b"Content-Encoding: gzip"))
    assert (response.transfer, response.body) == (Transfer.COMPLETE, b"one two")


async def test_an_encoding_nobody_asked_for_is_kept_undecoded() -> None:
    response = await get(sized(b"\x00\x01", b"Content-Encoding: br"))
    assert (response.transfer, response.body) == (Transfer.BROKEN_ENCODING, b"\x00\x01")


async def test_cookies_are_neither_archived_nor_sent_back() -> None:
    async with (
        listening(Wire(sized(b"{}", b"Set-Cookie: session=1", b"X-Twice: a", b"X-Twice: b"))) as wire,
        open_exchange(wire.url, VendorKey(KEY), noon, QUICK) as exchange,
    ):
        first = await exchange.get(REQUEST)
        await exchange.get(REQUEST)
    assert first.headers == [("X-Twice", "a"), ("X-Twice", "b"), ("Content-Length", "2")]
    assert b"session=1" not in wire.heard[1]


async def test_an_echoed_key_is_blanked_out_in_headers_and_body() -> None:
    response = await get(sized(f"Bearer {KEY}".encode(), f"X-Echo: {KEY}".encode()))
    assert response.body == b"Bearer " + b"*" * len(KEY)
    assert ("X-Echo", "*" * len(KEY)) in response.headers


async def test_a_redirect_is_archived_and_not_followed() -> None:
    async with listening(Wire(sized(b"{}"))) as elsewhere:
        location = f"Location: {elsewhere.url}/".encode()
        response = await get(b"HTTP/1.1 302 Found\r\n" + location + b"\r\nContent-Length: 0\r\n\r\n")
        assert elsewhere.heard == []
    assert response.http_status == 302


@pytest.mark.parametrize(
    "bytes_sent", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200"], ids=["nothing", "ssh", "half"]
)
async def test_what_is_no_http_response_is_nothing_to_archive(bytes_sent: bytes) -> None:
    with pytest.raises(NoResponse):
        await get(bytes_sent)


async def test_nobody_listening_is_said_in_plain_words() -> None:
    async with listening(Wire()) as wire:
        pass
    async with open_exchange(wire.url, VendorKey(KEY), noon, QUICK) as exchange:
        with pytest.raises(NoResponse, match="Connection refused"):
            await exchange.get(REQUEST)
