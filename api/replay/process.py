"""Dry runs one at a time, each in a process of its own that ends when it is no longer waited for."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import msgspec
from starlette.requests import Request

from api.errors import (
    DatabaseUnreachable,
    ForeignProjection,
    GenerationChanging,
    NothingProjected,
    QueryTimedOut,
    RefusedRequest,
)
from api.replay.child import Done, Failed, Order
from api.replay.errors import DryRunFailed, DryRunUnderWay
from project.ruleset import Ruleset

_KINDS: tuple[type[RefusedRequest], ...] = (
    DatabaseUnreachable,
    ForeignProjection,
    GenerationChanging,
    NothingProjected,
    QueryTimedOut,
)
_STOPPED = "the server was stopped before the dry run was done; ask again when it is back"
_ENDED = "its process ended before it was done: for want of memory, or the server's log says why"
_BY_CODE = MappingProxyType({kind.code: kind for kind in _KINDS})
_ANSWERS: msgspec.json.Decoder[Done | Failed] = msgspec.json.Decoder(Done | Failed)


class Replays:
    """Has the archive of the warehouse at `url` replayed beside what is live."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_under_way = False

    async def run(self, request: Request, ruleset: Ruleset) -> Done | None:
        """Return what `ruleset` would change; None as soon as nobody waits for the answer to `request` any more.

        Raises: DryRunUnderWay; DryRunFailed, also when the server stops or the process ends without an answer;
        READ_ERRORS.
        """
        if self._is_under_way:
            raise DryRunUnderWay
        self._is_under_way = True
        try:
            answer = await _have_made(request, Order(self._url, ruleset))
        finally:
            self._is_under_way = False
        if answer is None:
            return None
        if not answer:
            raise DryRunFailed(_ENDED)
        done = _ANSWERS.decode(answer)
        if isinstance(done, Failed):
            raise _refusal(done)
        return done


async def _have_made(request: Request, order: Order) -> bytes | None:
    """Return what a process answers to an order, None when the caller is gone; the process has ended."""
    process = await _start()
    is_stopping = False
    try:
        return await _unless_gone(request, _tell(process, order))
    except asyncio.CancelledError as exc:  # requests have had their time to end before the server does
        is_stopping = True
        raise DryRunFailed(_STOPPED) from exc
    finally:
        with suppress(ProcessLookupError):
            process.kill()  # what it has begun to decode with ends with it
        if not is_stopping:  # the loop would not wait for that
            await process.communicate()


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        # -P: a folder of the user's that is called like one of our packages is not meant.
        *(sys.executable, "-P", "-m", "api.replay.child"),
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # Ctrl-C is for this process, which then ends it
    )


async def _tell(process: Process, order: Order) -> bytes:
    """Return all that a process says to an order; its stdin stays open, and says that somebody waits."""
    assert process.stdin
    assert process.stdout
    with suppress(ConnectionError):
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        await process.stdin.drain()
    return await process.stdout.read()


async def _unless_gone(request: Request, telling: Coroutine[Any, Any, bytes]) -> bytes | None:
    """Return what is told, or None as soon as the caller is gone."""
    told, gone = asyncio.create_task(telling), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({told, gone}, return_when=asyncio.FIRST_COMPLETED)
        return told.result() if told.done() else None
    finally:
        told.cancel()
        gone.cancel()
        await asyncio.wait({told, gone})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(failed: Failed) -> RefusedRequest:
    kind = _BY_CODE.get(failed.code)
    return DryRunFailed(failed.message) if kind is None else kind()  # type: ignore[call-arg]


def replays_of(request: Request) -> Replays:
    """Return what has the archive replayed, which the application made when it started."""
    replays: Replays = request.state.replays
    return replays
