"""Where the API listens and whom it lets ask: the API_ variables."""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping

import msgspec

from sql.errors import InvalidSetting
from sql.settings import read_setting

_PORTS = range(1, 65536)
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_ORIGIN = re.compile(r"https?://[^\s/,*]+|\*|null")


class ApiSettings(msgspec.Struct, frozen=True):
    """The address to listen at (a name or address of this machine, and a TCP port), and whom to let ask.

    `per_minute` is what one address may ask where no keys are required; 0 is no limit.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    require_keys: bool = False
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    per_minute: int = 0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "ApiSettings":
        """Read the API_ variables of the environment.

        Raises: InvalidSetting.
        """
        return cls(
            host=read_setting(environ, "API_HOST", "127.0.0.1", str, "must be an address of this machine"),
            port=read_setting(environ, "API_PORT", 8000, _port, "must be a port from 1 to 65535"),
            require_keys=read_setting(environ, "API_REQUIRE_KEYS", False, _truth, "must be true or false"),
            allowed_hosts=read_setting(
                environ, "API_ALLOWED_HOSTS", (), _hosts, "must be host names without ports, separated by commas"
            ),
            cors_origins=read_setting(
                environ,
                "API_CORS_ORIGINS",
                (),
                _origins,
                "must be origins such as https://a.example, with commas, or *",
            ),
            per_minute=read_setting(
                environ, "API_RATE_LIMIT_PER_MINUTE", 0, _count, "must be 0 or a number of requests"
            ),
        )


def cache_bytes(environ: Mapping[str, str] = os.environ) -> int:
    """Return how much the answers that one process keeps in memory may weigh, from API_CACHE_MB; 0 keeps none.

    Raises: InvalidSetting.
    """
    return 2**20 * read_setting(environ, "API_CACHE_MB", 64, _count, "must be 0 or a number of megabytes")


def is_loopback(settings: ApiSettings) -> bool:
    """Tell whether only this machine can reach the address.

    Raises: InvalidSetting for a name that has none.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise InvalidSetting("API_HOST", settings.host, "must be an address of this machine") from exc
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _port(text: str) -> int:
    port = int(text)
    if port not in _PORTS:
        raise ValueError(text)
    return port


def _truth(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise ValueError(text)
    return text.lower() in _YES


def _count(text: str) -> int:
    count = int(text)
    if not 0 <= count <= 10**6:
        raise ValueError(text)
    return count


def _hosts(text: str) -> tuple[str, ...]:
    return _list(text, _HOST)


def _origins(text: str) -> tuple[str, ...]:
    return _list(text, _ORIGIN)


def _list(text: str, form: re.Pattern[str]) -> tuple[str, ...]:
    each = tuple(part.strip() for part in text.split(","))
    if not all(map(form.fullmatch, each)):
        raise ValueError(text)
    return each
