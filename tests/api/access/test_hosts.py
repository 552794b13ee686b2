"""The hosts a server answers for: none that a stranger can own."""

import pytest

from api.access.errors import UnknownHost
from api.access.hosts import Hosts

HOSTS = Hosts(["Warehouse.lan", "[::1]"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.",
        "a.localhost:80",
        "127.0.0.1:8000",
        "[::1]:8000",
        "192.168.1.9",
        "warehouse.lan:1",
    ],
)
def test_addresses_localhost_and_names_of_ours_are_answered(host: str) -> None:
    HOSTS.check(host.encode())
    HOSTS.check(host.encode())


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "2130706433"]
)
def test_any_other_name_is_refused(host: str) -> None:
    with pytest.raises(UnknownHost, match="does not answer for the host"):
        HOSTS.check(host.encode())
