"""Serving: where the API listens, what it refuses to, and what it logs."""

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from api.errors import CannotListen
from api.serve import listen, serve
from api.settings import ApiSettings
from sql.errors import InvalidSetting
from tests.api.served import served

API = Path(sys.executable).with_name("api")
READY_WITHIN_S = 60


def free_port() -> int:
    """Return a port that nobody listens at, at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def finished(process: asyncio.subprocess.Process) -> tuple[int, list[str]]:
    """Return the exit code and the lines on stderr of a command that has written nothing to stdout."""
    out, err = await asyncio.wait_for(process.communicate(), READY_WITHIN_S)
    assert out == b""
    assert process.returncode is not None
    return process.returncode, err.decode().splitlines()


async def command(environ: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start the `api` command."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(API, *arguments, env=environ, stdout=pipe, stderr=pipe)


def test_settings_have_defaults_and_are_read_from_the_environment() -> None:
    assert ApiSettings.from_environ({}) == ApiSettings("127.0.0.1", 8000, False, (), (), 0)
    environ = {
        "API_HOST": "::1",
        "API_PORT": "65535",
        "API_REQUIRE_KEYS": "True",
        "API_ALLOWED_HOSTS": "bars.lan, a.example",
        "API_CORS_ORIGINS": "https://charts.example:8443,http://localhost:3000",
        "API_RATE_LIMIT_PER_MINUTE": "600",
    }
    origins = ("https://charts.example:8443", "http://localhost:3000")
    assert ApiSettings.from_environ(environ) == ApiSettings("::1", 65535, True, ("bars.lan", "a.example"), origins, 600)


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        *(("API_PORT", port, "must be a port from 1 to 65535") for port in ("0", "65536", "-1", "http", "80.5")),
        ("API_REQUIRE_KEYS", "maybe", "must be true or false"),
        ("API_ALLOWED_HOSTS", "https://a.example", "must be host names without ports"),
        ("API_ALLOWED_HOSTS", "a.example:80", "must be host names without ports"),
        ("API_CORS_ORIGINS", "charts.example", "must be origins such as"),
        ("API_CORS_ORIGINS", "https://a.example/", "must be origins such as"),
        ("API_RATE_LIMIT_PER_MINUTE", "-1", "must be 0 or a number of requests"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_its_bound(name: str, value: str, bound: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name} is '{value}': {bound}"):
        ApiSettings.from_environ({name: value})


def test_an_address_of_another_machine_cannot_be_listened_at() -> None:
    with pytest.raises(CannotListen, match=r"at 192\.0\.2\.1 port 8000"):
        listen(ApiSettings("192.0.2.1"))


async def test_a_port_in_use_is_one_clear_line(command_environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await command(command_environ | {"API_PORT": str(port)})
        code, lines = await finished(process)
    assert code == 1
    assert lines == [
        f"error: cannot serve the API at 127.0.0.1 port {port}: Address already in use; API_HOST and API_PORT say where"
    ]


async def test_an_open_address_is_one_clear_line(command_environ: dict[str, str]) -> None:
    code, lines = await finished(await command(command_environ | {"API_HOST": "0.0.0.0"}))
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: setting API_HOST is '0.0.0.0': ")


async def test_a_database_that_is_away_is_one_clear_line(command_environ: dict[str, str]) -> None:
    url = f"postgresql://someone:secret@127.0.0.1:{free_port()}/warehouse"
    code, lines = await finished(await command(command_environ | {"DATABASE_URL": url}))
    assert code == 1
    assert len(lines) == 1
    assert "cannot be reached" in lines[0]
    assert "secret" not in lines[0]


async def test_the_command_serves_until_interrupted_and_logs_each_request(command_environ: dict[str, str]) -> None:
    port = free_port()
    process = await command(command_environ | {"API_PORT": str(port), "LOG_LEVEL": "INFO"})
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, asyncio.timeout(READY_WITHIN_S):
        while True:
            try:
                async with session.get("/health?x=1") as response:
                    assert response.status == 422
                    break
            except aiohttp.ClientConnectionError:
                assert process.returncode is None
                await asyncio.sleep(0.05)
        async with session.get("/api/v1/status") as response:
            assert response.status == 503
    os.kill(process.pid, signal.SIGINT)
    code, lines = await finished(process)
    # 0 where whoever started the tests ignores SIGINT, as shells do for what they run in the background.
    assert code in (0, 130)
    assert f"INFO api.listening url=http://127.0.0.1:{port}" in lines[0]
    asked = r"INFO api\.request method=GET route=/health path=/health status=422 elapsed_ms=\d+\.\d+ bytes=\d+"
    assert re.search(asked + r" client=127\.0\.0\.1 request_id=[0-9a-f]{8}-1$", lines[1])
    assert any("code=nothing_projected" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


async def test_the_access_log_has_one_line_a_request_whatever_the_path(
    market_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api")
    async with served(market_url) as client:
        bodies = [
            len((await client.ask(path)).body)
            for path in ("/health", "/api/v1/historical/A%0AB%20status=200", "/nothing?key=secret")
        ]
    records = [vars(record) for record in caplog.records if record.getMessage() == "api.request"]
    assert [(record["method"], record["path"], record["status"]) for record in records] == [
        ("GET", "/health", 200),
        ("GET", "/api/v1/historical/A%0AB%20status=200", 422),
        ("GET", "/nothing", 404),
    ]
    assert [record["bytes"] for record in records] == bodies
    assert all(record["elapsed_ms"] >= 0 for record in records)


async def test_an_application_that_cannot_start_is_said(caplog: pytest.LogCaptureFixture) -> None:
    settings = ApiSettings("127.0.0.1", free_port())
    with pytest.raises(CannotListen, match="did not start"):
        await serve(f"postgresql://127.0.0.1:{free_port()}/warehouse", settings)
