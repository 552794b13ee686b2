"""Logins of a test's own warehouse. They belong to the whole server, so each warehouse has names of its own."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from ops.compose.logins import JOBS

PASSWORDS = {name: f"{name}.pass~word-{number}" for number, name in enumerate(JOBS)}
ENVIRON = {job.setting: PASSWORDS[job.name] for job in JOBS.values()}


def url_of(database_url: str, login: str, password: str) -> str:
    """Return the URL of a database for another login than its owner."""
    parts = urlsplit(database_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{login}:{password}@{host}"))


async def drop_logins(owner: asyncpg.Connection, prefix: str) -> None:
    """Remove what `ops logins` made; a login that is left behind would stay on the server."""
    for name in JOBS:
        await owner.execute(f"DROP ROLE IF EXISTS {prefix}{name}")
