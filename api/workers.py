"""Several processes at one socket: started, started again when one dies, and ended together.

A worker is a Python of its own (api/worker.py). It inherits the socket and is told everything else through its stdin,
so the database's password stands in no argument. Its stdin stays open as long as this process lives; a worker whose
stdin ends stops by itself, so none outlives its parent, however that ended. The embedded database belongs to this
process.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE

from api.access.policy import Access
from api.access.rate import make_cells
from api.errors import ApiError

FINISH_WITHIN_S = 10
_KILL_AFTER_S = FINISH_WITHIN_S + 5.0
_SOUND_AFTER_S = 5.0
_LONGEST_PAUSE_S = 5.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOG = logging.getLogger("api")


class NeverStarted(ApiError):
    """The application did not start; the log says why."""


class Order(msgspec.Struct, frozen=True):
    """What a worker is told: the database, who may ask, the socket it inherits and the memory that all share."""

    url: str
    access: Access
    listener: int
    cells: str


async def serve_by_workers(url: str, access: Access, listener: socket.socket, count: int) -> None:
    """Keep `count` workers at a socket until SIGINT or SIGTERM; requests under way are finished first.

    Raises: NeverStarted when the application does not start at all.
    """
    with TemporaryDirectory(prefix="warehouse-api-") as name:
        folder = Path(name)
        make_cells(folder / "cells")
        (folder / "metrics").mkdir()
        order = Order(url, access, listener.fileno(), str(folder / "cells"))
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in _SIGNALS:
            loop.add_signal_handler(number, stopping.set)
        keepers = [asyncio.create_task(_keep(order, folder / "metrics", stopping)) for _ in range(count)]
        asked_to_stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({asked_to_stop, *keepers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.set()
            asked_to_stop.cancel()
            # Who connects now is refused at once instead of waiting for nobody.
            listener.close()
            await asyncio.wait(keepers)
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        await asyncio.gather(*keepers)


async def _keep(order: Order, metrics: Path, stopping: asyncio.Event) -> None:
    """Keep one worker alive until all are to stop."""
    loop = asyncio.get_running_loop()
    pause_s = 0.0
    first = True
    while not stopping.is_set():
        worker = await _start(order, metrics)
        began = loop.time()
        await _either(worker.wait(), stopping)
        if stopping.is_set():
            await _stop(worker)
            return
        mark_process_dead(worker.pid, str(metrics))  # type: ignore[no-untyped-call]
        _LOG.warning("api.worker_ended", extra={"pid": worker.pid, "code": worker.returncode})
        if first and worker.returncode == STARTUP_FAILURE:
            raise NeverStarted
        first = False
        # What is broken for all of them (a database that is away) is tried again ever more slowly.
        pause_s = 0.0 if loop.time() - began > _SOUND_AFTER_S else min(max(2 * pause_s, 0.1), _LONGEST_PAUSE_S)
        await _either(asyncio.sleep(pause_s), stopping)


async def _start(order: Order, metrics: Path) -> Process:
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "api.worker",
        stdin=PIPE,
        pass_fds=(order.listener,),
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)},
        # Ctrl-C is for this process, which then ends its workers.
        start_new_session=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(msgspec.json.encode(order) + b"\n")
    return worker


async def _stop(worker: Process) -> None:
    if worker.returncode is not None:
        return
    worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), _KILL_AFTER_S)
    except TimeoutError:
        _LOG.warning("api.worker_killed", extra={"pid": worker.pid})
        worker.kill()
        await worker.wait()


async def _either(first: Awaitable[object], stopping: asyncio.Event) -> None:
    """Wait until one of them has happened."""
    tasks = {asyncio.ensure_future(first), asyncio.ensure_future(stopping.wait())}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
