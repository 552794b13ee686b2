"""The hosts a server answers for, against DNS rebinding.

A page anywhere can make its own name point at 127.0.0.1 and then read what this server answers, as if it were its own.
The browser still says that name in `Host`. So where nobody is asked for a key, only names that no stranger can own are
answered: localhost, addresses, and those of the settings.
"""

import ipaddress
from collections.abc import Iterable

from api.access.errors import UnknownHost

_MOST_REMEMBERED = 64


class Hosts:
    """The names a server answers for, beside every address and localhost."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower().strip("[]") for name in names)
        self._passed: set[bytes] = set()

    def check(self, host: bytes) -> None:
        """Let a request pass whose Host header is one of ours.

        Raises: UnknownHost.
        """
        if host in self._passed:
            return
        text = host.decode("latin-1").lower()
        if not self._is_ours(_without_port(text).rstrip(".")):
            raise UnknownHost(text)
        if len(self._passed) < _MOST_REMEMBERED:
            self._passed.add(host)

    def _is_ours(self, name: str) -> bool:
        return name in self._names or name == "localhost" or name.endswith(".localhost") or _is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
