"""Telling systemd how a service is, by its protocol: a datagram to the socket that it names in NOTIFY_SOCKET."""

import os
import socket
from collections.abc import Mapping


def tell_systemd(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send a state such as READY=1; nothing happens where nobody asked for it.

    Source: sd_notify(3).
    """
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.send(state.encode())
