"""Who may ask: nobody is asked on this machine; elsewhere everybody is, and without a key nothing is served."""

import socket

import asyncpg
import pytest

from api.access.key import NewKey
from api.access.policy import Access, NoKeyYet, decide_access
from api.access.store import revoke_key
from api.errors import CannotListen
from api.serve import serve
from api.settings import ApiSettings
from sql.errors import InvalidSetting
from tests.api.market import NOW

NOWHERE = "postgresql://nowhere"
OPEN_HOSTS = ["0.0.0.0", "192.168.1.10", "::", "8.8.8.8", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost"])
async def test_on_this_machine_nobody_is_asked_and_names_of_strangers_are_refused(host: str) -> None:
    """Not even the database is."""
    assert await decide_access(NOWHERE, ApiSettings(host), trust_network=False) == Access(False, (host,))


@pytest.mark.parametrize("host", OPEN_HOSTS)
async def test_an_address_that_others_reach_is_refused_without_keys(market_url: str, host: str) -> None:
    with pytest.raises(InvalidSetting, match=r"API_HOST is .*`api keys create NAME`.* --trust-network"):
        await decide_access(market_url, ApiSettings(host), trust_network=False)


@pytest.mark.parametrize("host", OPEN_HOSTS)
async def test_a_trusted_network_is_asked_for_nothing(host: str) -> None:
    assert await decide_access(NOWHERE, ApiSettings(host), trust_network=True) == Access(False, None)


async def test_an_address_that_others_reach_asks_everybody_once_there_is_a_key(
    database_url: str, access_pool: asyncpg.Pool, key: NewKey
) -> None:
    everywhere = ApiSettings("0.0.0.0")
    assert await decide_access(database_url, everywhere, trust_network=False) == Access(True, None)
    await revoke_key(access_pool, key.key_id, NOW)
    with pytest.raises(InvalidSetting):
        await decide_access(database_url, everywhere, trust_network=False)


async def test_keys_may_be_required_on_this_machine_too(
    database_url: str, access_pool: asyncpg.Pool, key: NewKey
) -> None:
    settings = ApiSettings(require_keys=True)
    assert await decide_access(database_url, settings, trust_network=False) == Access(True, None)
    await revoke_key(access_pool, key.key_id, NOW)
    for trusted in (False, True):
        with pytest.raises(NoKeyYet, match="api keys create NAME"):
            await decide_access(database_url, settings, trust_network=trusted)


async def test_hosts_of_the_settings_are_all_that_is_answered_for(database_url: str, key: NewKey) -> None:
    settings = ApiSettings("0.0.0.0", allowed_hosts=("bars.lan",))
    assert (await decide_access(database_url, settings, trust_network=False)).hosts == ("0.0.0.0", "bars.lan")


async def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="must be an address of this machine"):
        await decide_access(NOWHERE, ApiSettings("not an address"), trust_network=False)


async def test_a_trusted_network_may_be_listened_at() -> None:
    """Shown without doing so: the port is taken, and that is the only complaint left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ApiSettings("0.0.0.0", taken.getsockname()[1])
        with pytest.raises(CannotListen):
            await serve(NOWHERE, settings, trust_network=True)
