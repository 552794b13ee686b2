"""The keys in the database: make, list, revoke, and read what is in force. Knows no HTTP."""

import datetime as dt

import asyncpg
import msgspec

from api.access.key import KnownKey, NewKey, key_id_of
from api.errors import ApiError
from sql import load_queries
from sql.errors import Misuse

_QUERIES = load_queries("access.sql")
_IN_FORCE = _QUERIES["keys_in_force"]
_ANY = _QUERIES["any_key_in_force"]
_ADD = _QUERIES["add_key"]
_LIST = _QUERIES["list_keys"]
_REVOKE = _QUERIES["revoke_key"]


class ApiKey(msgspec.Struct, frozen=True):
    """A key as its owner sees it; without `revoked_at` it is in force, and `per_minute` 0 is no limit."""

    key_id: str
    name: str
    per_minute: int
    created_at: dt.datetime
    revoked_at: dt.datetime | None


class InvalidKeyName(Misuse):
    """A key cannot be called `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} cannot be a key's name: 1 to 64 letters, digits and . _ - @ +, and not 12 hex digits, as ids are"
        )
        self.name = name


class KeyNameTaken(ApiError):
    """A key in force is called `name` already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a key in force is called {name} already; revoke it, or choose another name")
        self.name = name


class NoSuchKey(ApiError):
    """No key in force has the id or name `wanted`."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"no key in force has the id or name {wanted}; `api keys list` shows all")
        self.wanted = wanted


async def add_key(pool: asyncpg.Pool, key: NewKey, name: str, per_minute: int, now: dt.datetime) -> ApiKey:
    """Put a key in force and return it as its owner sees it.

    Raises: InvalidKeyName; KeyNameTaken.
    """
    try:
        await pool.execute(_ADD, key.key_id, name, key.sha256, per_minute, now)
    except asyncpg.CheckViolationError as exc:
        raise InvalidKeyName(name) from exc
    except asyncpg.UniqueViolationError as exc:
        raise KeyNameTaken(name) from exc
    return ApiKey(key.key_id, name, per_minute, now, None)


async def list_keys(pool: asyncpg.Pool) -> list[ApiKey]:
    """Return all keys, revoked ones too, oldest first."""
    return [ApiKey(*row) for row in await pool.fetch(_LIST)]


async def revoke_key(pool: asyncpg.Pool, wanted: str, now: dt.datetime) -> ApiKey:
    """Revoke the key with this id or name and return it; a whole key (one that leaked) is taken for its id.

    Raises: NoSuchKey.
    """
    wanted = key_id_of(wanted) or wanted
    row = await pool.fetchrow(_REVOKE, wanted, now)
    if row is None:
        raise NoSuchKey(wanted)
    return ApiKey(*row)


async def keys_in_force(pool: asyncpg.Pool) -> dict[str, KnownKey]:
    """Return what it takes to check the keys in force, by id."""
    return {row["key_id"]: KnownKey(*row) for row in await pool.fetch(_IN_FORCE)}


async def any_key_in_force(connection: asyncpg.Connection) -> bool:
    """Tell whether there is a key that opens anything."""
    found: bool = await connection.fetchval(_ANY)
    return found
