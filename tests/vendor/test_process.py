"""The fake vendor as a process: one line when it is ready, an end with its parent, one line for bad input."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]


async def start(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fake_polygon", *arguments), cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    )


async def ready(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 20))


async def test_it_says_when_it_is_ready_serves_and_ends_with_its_stdin() -> None:
    process = await start("--symbols", "AAPL,BCpC", "--until", "2024-06-28", "--key", "secret", "--exit-with-stdin")
    line = await ready(process)
    assert line["symbols"] == ["AAPL", "BCpC"]
    assert (line["market"], line["first"], line["last"]) == ("synthetic seed=7", "2021-01-04", "2024-06-28")
    path = "/v2/aggs/ticker/BCpC/range/1/day/2024-06-01/2024-06-28"
    headers = {"Authorization": "Bearer secret"}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(line["url"] + path) as response:
        assert (response.status, (await response.json())["resultsCount"]) == (200, 19)
    assert process.stdin is not None
    process.stdin.close()
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_it_ends_when_told_to() -> None:
    told = (signal.SIGTERM, signal.SIGINT)
    processes = [await start("--seed", "3", "--since", "2026-10-01") for _ in told]
    for number, process in zip(told, processes, strict=True):
        line = await ready(process)
        assert {"AAPL", "ZVZZT"} < set(line["symbols"])
        assert line["last"] >= "2026-11-20"
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), 10)
        assert (process.returncode, err) == (0, b"")


async def test_bad_input_is_named_in_one_line() -> None:
    cases = {
        "/no/such/folder": ("--market", "/no/such/folder"),
        "2024-02-30": ("--until", "2024-02-30"),
        "2020-12-31": ("--until", "2020-12-31"),
        "--seed": ("--market", ".", "--seed", "3"),
    }
    processes = [await start(*arguments) for arguments in cases.values()]
    for named, process in zip(cases, processes, strict=True):
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, out) == (2, b"")
        assert named in err.decode()
        assert err.count(b"\n") == 1
