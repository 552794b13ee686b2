"""Several processes at one socket count together, whichever of them is asked."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import aiohttp

from tests.api.served import Client
from tests.api.watch.watched import scraped

API = Path(sys.executable).with_name("api")
_READY_WITHIN_S = 60


async def test_two_workers_tell_the_sum_of_both(command_environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        API, "--workers", "2", env=command_environ | {"API_PORT": str(port), "LOG_LEVEL": "ERROR"}
    )
    # Each request by a connection of its own, so that both workers get some.
    connector = aiohttp.TCPConnector(force_close=True)
    try:
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(_READY_WITHIN_S):
            client = Client(session, f"http://127.0.0.1:{port}")
            workers: set[str] = set()
            asked = 0
            while len(workers) < 2:
                try:
                    answer = await client.ask("/health")
                except aiohttp.ClientConnectionError:
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
                    continue
                asked += 1
                workers.add(answer.headers["x-request-id"].partition("-")[0])
            for scrapes in range(6):
                told = await scraped(client)
                assert told["http_requests_total", "GET", "/health", "200"] == asked
                assert told.get(("http_requests_total", "GET", "/metrics", "200"), 0.0) == scrapes
                assert told["http_request_duration_seconds_count", "/health"] == asked
                assert told["http_requests_in_progress"] == 1
                assert told["warehouse_up"] == 1
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
