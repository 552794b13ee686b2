"""One archive holds one market: the made-up one of `ops up` must not take in answers of the real vendor, for good."""

import ipaddress
from urllib.parse import urlsplit

import asyncpg

from ingest.errors import MadeUpMarket
from sql import load_queries

_FIRST_SERVER = load_queries("ingest.sql")["first_server"]
_MADE_UP = "fake-polygon"


async def made_up_market(pool: asyncpg.Pool) -> str | None:
    """Return what the local fake vendor calls the market that the archive began with, None for any other's."""
    server: str | None = await pool.fetchval(_FIRST_SERVER)
    return server if server is not None and server.startswith(_MADE_UP) else None


async def require_one_market(pool: asyncpg.Pool, base_url: str) -> None:
    """Refuse to ask a vendor that is not on this machine for an archive which a fake one on this machine began.

    Raises: MadeUpMarket.
    """
    held = await made_up_market(pool)
    if held is not None and not _is_here(urlsplit(base_url).hostname or ""):
        raise MadeUpMarket(held, base_url)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
