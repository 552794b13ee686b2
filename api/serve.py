"""Serving: the application behind uvicorn at a socket of ours, until a signal or the caller stops it."""

import logging
import os
import socket

import uvicorn

from api.access_log import AccessLog
from api.app import create_app
from api.errors import CannotListen
from api.settings import ApiSettings, require_loopback
from api.warehouse import Clock, utc_now

_LOG = logging.getLogger("api")
_BACKLOG = 2048
_FINISH_WITHIN_S = 10


async def serve(url: str, settings: ApiSettings, *, trust_network: bool = False) -> None:
    """Serve the warehouse at `url` until SIGINT or SIGTERM; requests under way are finished first.

    Raises: InvalidSetting for an address that others could reach, unless the network is trusted; CannotListen.
    """
    if not trust_network:
        require_loopback(settings)
    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]
        _LOG.info("api.listening", extra={"url": f"http://{f'[{host}]' if ':' in host else host}:{port}"})
        server = http_server(url)
        try:
            await server.serve(sockets=[listener])
        except SystemExit as exc:
            # uvicorn has logged why the lifespan failed, and leaves the process in this way.
            raise CannotListen(settings.host, settings.port, "the application did not start; see the log") from exc


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


def http_server(url: str, now: Clock = utc_now) -> uvicorn.Server:
    """Return the server of the warehouse at `url`, still to be given a socket; it logs through our log only."""
    return uvicorn.Server(
        uvicorn.Config(
            AccessLog(create_app(url, now)),
            lifespan="on",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_FINISH_WITHIN_S,
        )
    )
