"""Serving: the application behind uvicorn at a socket of ours, until a signal or the caller stops it.

One process serves by itself; several share the socket, each a process of its own (api/workers.py).
"""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import Config

from api.access.gate import guarded
from api.access.policy import OPEN, Access, decide_access
from api.access.protocol import BoundedHttp
from api.access.rate import RateLimit
from api.access_log import AccessLog
from api.app import DIALECTS, create_app
from api.errors import CannotListen
from api.settings import ApiSettings
from api.warehouse import Clock, utc_now
from api.workers import FINISH_WITHIN_S, NeverStarted, serve_by_workers

T = TypeVar("T")

_LOG = logging.getLogger("api")
_BACKLOG = 2048
_IDLE_S = 30
# Of every answer, those too that uvicorn gives by itself.
_HEADERS = [
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]


async def serve(url: str, settings: ApiSettings, *, trust_network: bool = False, workers: int = 1) -> None:
    """Serve the warehouse at `url` until SIGINT or SIGTERM; requests under way are finished first.

    Raises: InvalidSetting for an address that others could reach, unless there are keys or the network is trusted;
    NoKeyYet; CannotListen.
    """
    access = await decide_access(url, settings, trust_network=trust_network)
    with listen(settings) as listener:
        _announce(listener, access, workers)
        try:
            if workers == 1:
                await _serve_here(url, access, listener)
            else:
                await serve_by_workers(url, access, listener, workers)
        except NeverStarted as exc:
            raise CannotListen(settings.host, settings.port, "the application did not start; see the log") from exc


def _announce(listener: socket.socket, access: Access, workers: int) -> None:
    host, port = listener.getsockname()[:2]
    facts = {
        "url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
        "keys": "required" if access.keys_required else "not_asked_for",
        "workers": workers,
    }
    _LOG.info("api.listening", extra=facts)


async def _serve_here(url: str, access: Access, listener: socket.socket) -> None:
    try:
        await http_server(url, access=access).serve(sockets=[listener])
    except SystemExit as exc:
        # uvicorn has logged why the lifespan failed, and leaves the process in this way.
        raise NeverStarted from exc


def run_serving(job: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end on the fastest event loop there is, and return what it returns."""
    with asyncio.Runner(loop_factory=Config(None, log_config=None).get_loop_factory()) as runner:  # type: ignore[arg-type]
        return runner.run(job)


def listen(settings: ApiSettings) -> socket.socket:
    """Return a socket that listens at the address.

    Raises: CannotListen when the port is taken, or the address is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as exc:
        why = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else "no such address"
        raise CannotListen(settings.host, settings.port, f"{why}; API_HOST and API_PORT say where") from exc
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, but one that returns when a signal has stopped it. The signal itself, which uvicorn raises once
    more, would end the process before anybody else has cleaned up: the embedded PostgreSQL is told so at exit."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen for signals while the context is open."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def http_server(url: str, now: Clock = utc_now, access: Access = OPEN, rate: RateLimit | None = None) -> uvicorn.Server:
    """Return the server of the warehouse at `url`, still to be given a socket; it logs through our log only.

    `rate` is the memory of the rate limit that several servers share; without it the server has its own.
    """
    return server_of(create_app(url, now), access, rate)


def server_of(app: ASGIApp, access: Access = OPEN, rate: RateLimit | None = None) -> uvicorn.Server:
    """Return the server of an application, behind the gate and the access log."""
    return _Server(
        uvicorn.Config(
            AccessLog(guarded(app, access, rate or RateLimit(), DIALECTS)),
            http=BoundedHttp,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            headers=_HEADERS,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=FINISH_WITHIN_S,
        )
    )
