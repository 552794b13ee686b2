"""Connections: none is held open by a client that says nothing, or that never comes to an end."""

import asyncio

import pytest

from api.access.protocol import BoundedHttp
from tests.api.served import Client, served

WAIT_S = 30


async def _connect(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = client.origin.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /health HTTP/1.1\r\nHost: x", b"\r\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"],
    ids=["nothing", "half a head", "an empty line", "half a second head"],
)
async def test_who_does_not_finish_a_head_is_left(
    market_url: str, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(BoundedHttp, "head_within_s", 0.2)
    async with served(market_url) as client:
        reader, writer = await _connect(client)
        writer.write(begun)
        async with asyncio.timeout(WAIT_S):
            answered = await reader.read()
        writer.close()
    assert answered.startswith(b"HTTP/1.1 200") == (b"\r\n\r\n" in begun)


async def test_a_head_without_end_is_refused(client: Client) -> None:
    reader, writer = await _connect(client)
    writer.write(b"GET /health HTTP/1.1\r\n")
    async with asyncio.timeout(WAIT_S):
        try:
            for number in range(10_000):
                writer.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))
                await writer.drain()
        except ConnectionError:
            pass
        answered = await _rest(reader)
    writer.close()
    assert answered == b"" or answered.startswith(b"HTTP/1.1 431 ")


async def test_more_connections_than_may_be_are_refused(market_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttp, "most_connections", 1)
    async with served(market_url) as client:
        assert (await client.ask("/health")).status == 200
        reader, writer = await _connect(client)
        async with asyncio.timeout(WAIT_S):
            answered = await reader.read()
        writer.close()
        assert (await client.ask("/health")).status == 200
    assert answered.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"overloaded"' in answered


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
