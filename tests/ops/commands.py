"""The command lines of the product as real subprocesses. It knows how to start and stop them, not what they do."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from tests.command import console_command


class Ended(msgspec.Struct, frozen=True):
    """A command that has ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


async def run_command(environ: Mapping[str, str], *words: str) -> Ended:
    """Run a command of the product to its end."""
    process = await start_command(environ, *words)
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def start_command(environ: Mapping[str, str], *words: str) -> asyncio.subprocess.Process:
    """Start a command of the product, in a session of its own so that it can be killed alone."""
    return await asyncio.create_subprocess_exec(
        console_command(words[0]),
        *words[1:],
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


@asynccontextmanager
async def serving(environ: Mapping[str, str], *words: str) -> AsyncIterator[str]:
    """Start a command that serves and yield its base URL once it answers; Ctrl-C ends it, and that is no failure."""
    port = _free_port()
    process = await start_command({**environ, "API_PORT": str(port)}, *words)
    base = f"http://127.0.0.1:{port}"
    try:
        await _answers(process, base)
        yield base
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 0, err.decode()


async def get_json(url: str) -> dict[str, object]:
    """Return the JSON object at a URL that must answer 200."""
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        assert response.status == 200, await response.text()
        found: dict[str, object] = await response.json()
        return found


async def _answers(process: asyncio.subprocess.Process, base: str) -> None:
    async with aiohttp.ClientSession() as client:
        while process.returncode is None:
            try:
                async with client.get(f"{base}/health"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
    out, err = await process.communicate()
    raise AssertionError(f"exit {process.returncode} before serving\n{out.decode()}\n{err.decode()}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
