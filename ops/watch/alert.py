"""Telling a person: one message, to a web hook as JSON and to a command on its stdin; and the heartbeat.

Each is tried a few times. The addresses are secrets, so nothing that is said of a failure holds one, nor a word of what
answered there. The command gets none of our secrets in its environment.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential

from api.watch.check import Check
from ingest.exchange import what_failed
from ops.watch.settings import AlertSettings, SecretUrl

_LOG = logging.getLogger("ops")
_ATTEMPTS = 3
BETWEEN_TRIES = wait_exponential(multiplier=1, max=8)
_PATIENCE = aiohttp.ClientTimeout(total=10.0)
_COMMAND_WITHIN_S = 60.0
_AGAIN = (408, 425, 429)
_SECRETS = ("ALERT_URL", "ALERT_COMMAND", "HEARTBEAT_URL")
_SECRETS_END = ("DATABASE_URL", "PASSWORD", "API_KEY", "KEY_ID", "SECRET")

Wait = Callable[[RetryCallState], float]
_Job = Callable[[], Awaitable[None]]


class Message(msgspec.Struct, frozen=True):
    """What is told. `text` says it all to a person, as web hooks of chats want it; the rest is for programs.

    `host` is the machine that watches, `warehouse` the address of the database without user and password.
    """

    text: str
    host: str
    warehouse: str
    at: dt.datetime
    troubles: tuple[Check, ...] = ()
    over: tuple[str, ...] = ()
    test: bool = False


class Undelivered(Exception):
    """A try failed; `why` names no address."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _TryAgain(Undelivered):
    """The next try may not fail."""


async def tell(settings: AlertSettings, message: Message, wait: Wait = BETWEEN_TRIES) -> tuple[int, list[str]]:
    """Tell everybody who is to be told; return how many were, and why the others were not."""
    body = msgspec.json.encode(message)
    jobs: dict[str, _Job] = {}
    if settings.url is not None:
        jobs["ALERT_URL"] = partial(_call, settings.url, body)
    if settings.command:
        jobs["ALERT_COMMAND"] = partial(_run, settings.command, message.text, body)
    failures = []
    for setting, job in jobs.items():
        try:
            await _tried(job, wait)
        except Undelivered as exc:
            failures.append(f"nobody could be told through {setting}: {exc.why}")
        else:
            _LOG.info("ops.told", extra={"through": setting})
    return len(jobs) - len(failures), failures


async def beat(heartbeat: SecretUrl, wait: Wait = BETWEEN_TRIES) -> str | None:
    """Call the heartbeat; return why it was not heard, None where it was."""
    try:
        await _tried(partial(_call, heartbeat), wait)
    except Undelivered as exc:
        return f"HEARTBEAT_URL was not heard: {exc.why}"
    return None


async def _tried(job: _Job, wait: Wait) -> None:
    tries = AsyncRetrying(
        stop=stop_after_attempt(_ATTEMPTS), wait=wait, retry=retry_if_exception_type(_TryAgain), reraise=True
    )
    await tries(job)


async def _call(url: SecretUrl, body: bytes | None = None) -> None:
    """POST a body of JSON, or GET where there is none."""
    method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, headers={"User-Agent": "market-data-warehouse"}) as http,
            http.request(method, url.reveal(), data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        # Not chained: what was raised may hold the address.
        raise _TryAgain(what_failed(exc)) from None
    if not 200 <= status < 300:
        kind = _TryAgain if status >= 500 or status in _AGAIN else Undelivered
        raise kind(f"it answered {status}")


def _is_secret(name: str) -> bool:
    return name in _SECRETS or name.endswith(_SECRETS_END)


async def _run(command: tuple[str, ...], text: str, body: bytes) -> None:
    environ = {name: value for name, value in os.environ.items() if not _is_secret(name)}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environ | {"WAREHOUSE_ALERT": text.replace("\n", " ")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as exc:
        raise Undelivered(f"it cannot be started ({exc.strerror})") from None
    try:
        async with asyncio.timeout(_COMMAND_WITHIN_S):
            await process.communicate(body)
    except TimeoutError:
        raise Undelivered(f"it did not end within {_COMMAND_WITHIN_S:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise _TryAgain(f"it ended with exit code {process.returncode}")
