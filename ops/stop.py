"""Stopping a job of this room from outside: it cleans up first. It does not know what there is to clean."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ops.errors import OpsError

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def stoppable(job: Coroutine[Any, Any, T], stopped: Callable[[str], OpsError]) -> T:
    """Return what a job returns; the first SIGINT or SIGTERM cancels it, so that it cleans up, the next ends it as is.

    Raises: what `stopped` makes of the signal's name.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(job)
    heard: list[str] = []

    def hear(name: str) -> None:
        heard.append(name)
        _listen_no_more(loop)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear, number.name)
    try:
        return await task
    except asyncio.CancelledError as exc:
        if not heard:
            raise
        raise stopped(heard[0]) from exc
    finally:
        _listen_no_more(loop)


def _listen_no_more(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
