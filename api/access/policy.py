"""Who may ask: decided once, when the server starts, from its address, the settings and whether there are keys."""

import msgspec

from api.access.store import any_key_in_force
from api.settings import ApiSettings, is_loopback
from sql.connect import Role, open_pool
from sql.errors import InvalidSetting, Misuse


class Access(msgspec.Struct, frozen=True):
    """Who may ask: anybody, or who has a key.

    `hosts` are names the server answers for beside addresses and localhost (None: all), `origins` those of pages that
    may ask, and `per_minute` what one address may ask where no keys are required (0: no limit).
    """

    keys_required: bool = False
    hosts: tuple[str, ...] | None = ()
    origins: tuple[str, ...] = ()
    per_minute: int = 0


OPEN = Access()
"""Anybody who can reach a server of this machine alone."""


class NoKeyYet(Misuse):
    """Keys are required, and there is none in force."""

    def __init__(self) -> None:
        super().__init__("keys are required and none is in force; make one with: api keys create NAME")


async def decide_access(url: str, settings: ApiSettings, *, trust_network: bool) -> Access:
    """Return who may ask a server with these settings that reads the warehouse at `url`.

    Raises: InvalidSetting for an address that others can reach, without keys and without trust in the network; NoKeyYet
    where keys are required for another reason; DatabaseError.
    """
    alone = is_loopback(settings)
    required = settings.require_keys or not (alone or trust_network)
    if required and not await _any_key(url):
        if settings.require_keys:
            raise NoKeyYet
        raise InvalidSetting(
            "API_HOST",
            settings.host,
            "anyone who reaches this address could read everything; make a key with `api keys create NAME`, use "
            "127.0.0.1, or give --trust-network",
        )
    hosts = (settings.host, *settings.allowed_hosts) if settings.allowed_hosts or (alone and not required) else None
    return Access(required, hosts, settings.cors_origins, settings.per_minute)


async def _any_key(url: str) -> bool:
    async with open_pool(url, Role.READ, size=1) as pool, pool.acquire() as connection:
        return await any_key_in_force(connection)
