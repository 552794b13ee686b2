"""`api keys`: make, list and revoke the keys of those who may ask. A key is shown when it is made and never again."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import click
import msgspec

from api.access.key import make_key
from api.access.store import ApiKey, add_key, list_keys, revoke_key
from sql.command import WarehouseCommand, WarehouseGroup, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")

_PER_MINUTE = 6000


@click.group(cls=WarehouseGroup)
def keys() -> None:
    """Make, list and revoke keys. Whoever asks sends one as Authorization: Bearer or X-API-Key."""


@keys.command(cls=WarehouseCommand)
@click.argument("name")
@click.option(
    "--per-minute",
    type=click.IntRange(0, 10**6),
    default=_PER_MINUTE,
    show_default=True,
    help="Requests it may make a minute; 0 sets no limit.",
)
@json_option
def create(name: str, per_minute: int, as_json: bool) -> None:
    """Make a key called NAME and show it, this once: only its hash is kept."""
    key = make_key()
    made = _with_pool(lambda pool: add_key(pool, key, name, per_minute, _now()))
    if as_json:
        print_json({"key": key.text, **msgspec.structs.asdict(made)})
    else:
        click.echo(key.text)
        click.echo(f"This is the key of {name} ({_rate(made)}). It is shown this once; keep it now.", err=True)


@keys.command(name="list", cls=WarehouseCommand)
@json_option
def list_(as_json: bool) -> None:
    """List all keys, revoked ones too, oldest first; no key itself is kept."""
    found = _with_pool(list_keys)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("There are no keys; make one with: api keys create NAME")
    else:
        rows = [(each.key_id, each.name, each.created_at, each.revoked_at, each.per_minute or None) for each in found]
        print_table("keys", ("id", "name", "created (UTC)", "revoked (UTC)", "a minute"), rows)


@keys.command(cls=WarehouseCommand)
@click.argument("key", metavar="ID|NAME")
@json_option
def revoke(key: str, as_json: bool) -> None:
    """Revoke a key by its id or name: it opens nothing from now on, in running servers after a second."""
    revoked = _with_pool(lambda pool: revoke_key(pool, key, _now()))
    if as_json:
        print_json(revoked)
    else:
        click.echo(f"{revoked.name} ({revoked.key_id}) is revoked")


def _rate(key: ApiKey) -> str:
    return f"{key.per_minute:,} requests a minute" if key.per_minute else "no limit"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _with_pool(job: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """Return what a job with the keys comes to."""

    async def work() -> T:
        async with open_pool(await ready_database(), Role.ACCESS, size=1) as pool:
            return await job(pool)

    return run(work())
