"""A caller who stops reading a stream gives back what the stream holds."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest
from starlette.types import Message

from api.formats.answer import Stream
from api.formats.representation import Format


async def test_a_stream_that_is_not_read_is_broken_and_lets_go() -> None:
    let_go = []

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
        finally:
            let_go.append("parts")

    async def read_the_head_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    source = AsyncExitStack()
    source.callback(let_go.append, "source")
    stream = Stream(parts(), source, {}, Format.CSV, stalled_s=0.05)
    scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.4"}}
    with pytest.raises(Exception):  # noqa: B017 - whatever it is, the server breaks the connection
        await asyncio.wait_for(stream(scope, receive, read_the_head_only), 5)
    assert let_go == ["parts", "source"]
