"""Where the API listens: API_HOST and API_PORT."""

import ipaddress
import os
import socket
from collections.abc import Mapping

import msgspec

from sql.errors import InvalidSetting
from sql.settings import read_setting

_PORTS = range(1, 65536)


class ApiSettings(msgspec.Struct, frozen=True):
    """The address to listen at: a name or address of this machine, and a TCP port."""

    host: str = "127.0.0.1"
    port: int = 8000

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "ApiSettings":
        """Read API_HOST and API_PORT.

        Raises: InvalidSetting for a port that is none.
        """
        return cls(
            host=read_setting(environ, "API_HOST", "127.0.0.1", str, "must be an address of this machine"),
            port=read_setting(environ, "API_PORT", 8000, _port, "must be a port from 1 to 65535"),
        )


def require_loopback(settings: ApiSettings) -> None:
    """Let an address pass that only this machine can reach: nobody is asked who they are.

    Raises: InvalidSetting for any other address, and for a name that has none.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise InvalidSetting("API_HOST", settings.host, "must be an address of this machine") from exc
    if not all(ipaddress.ip_address(str(address[0])).is_loopback for *_, address in found):
        raise InvalidSetting(
            "API_HOST",
            settings.host,
            "anyone who reaches this address could read everything; use 127.0.0.1, or give --trust-network",
        )


def _port(text: str) -> int:
    port = int(text)
    if port not in _PORTS:
        raise ValueError(text)
    return port
