"""One of several processes at one socket; api/workers.py starts it and says through stdin what it is to do."""

import os
import signal
import socket
import threading
from pathlib import Path

import msgspec

from api.access.rate import RateLimit
from api.serve import http_server
from api.workers import Order
from sql.log import start_log

_STDIN = 0


def work() -> None:
    """Serve as the order on stdin says, until SIGTERM or until stdin ends."""
    with os.fdopen(_STDIN, "rb", buffering=0, closefd=False) as stdin:
        order = msgspec.json.decode(stdin.readline(), type=Order)
    start_log()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    server = http_server(order.url, access=order.access, rate=RateLimit(Path(order.cells)))
    server.run(sockets=[socket.socket(fileno=order.listener)])


def _leave_with_parent() -> None:
    os.read(_STDIN, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    work()
