"""Every ruleset that was ever used, and how a person names one: by the beginning of its hash, or by what it is now.

It reads the archive and which ruleset the live and the previous generation were judged by. It judges nothing.
"""

import datetime as dt
import string

import asyncpg
import msgspec

from project.errors import NothingProjected, UnknownRuleset
from project.generation import LIVE, PREVIOUS
from project.ruleset import Ruleset, decode_ruleset, runs_here
from sql import load_queries

_QUERIES = load_queries("rules.sql")
_RECORDED = _QUERIES["recorded_rulesets"]
_LIVE = _QUERIES["live_ruleset"]
_PREVIOUS = _QUERIES["previous_ruleset"]
_TABLE_EXISTS = _QUERIES["table_exists"]
_READ_RULESET = load_queries("project.sql")["read_ruleset"]

FEWEST_DIGITS = 4
_DIGITS = frozenset(string.hexdigits.lower())


class KnownRuleset(msgspec.Struct, frozen=True):
    """A ruleset and what it is to the warehouse; `recorded_at` is None for a rules file that never judged a bar.

    `roles` are of live, previous and file. `runs_here` tells whether this software has its rules in its versions.
    """

    hash: str
    recorded_at: dt.datetime | None
    roles: tuple[str, ...]
    runs_here: bool
    ruleset: Ruleset


async def known_rulesets(connection: asyncpg.Connection, rules_file: Ruleset | None = None) -> list[KnownRuleset]:
    """Return all recorded rulesets, the oldest first, and the rules file's where it is not among them."""
    recorded = {row["ruleset_hash"]: row for row in await connection.fetch(_RECORDED)}
    roles = {
        "live": await _hash_in_use(connection, LIVE, _LIVE),
        "previous": await _hash_in_use(connection, PREVIOUS, _PREVIOUS),
    }
    rulesets = {digest: decode_ruleset(row["body"]) for digest, row in recorded.items()}
    if rules_file is not None:
        roles["file"] = rules_file.hash
        rulesets.setdefault(rules_file.hash, rules_file)
    return [
        KnownRuleset(
            hash=digest,
            recorded_at=recorded[digest]["recorded_at"] if digest in recorded else None,
            roles=tuple(role for role, used in roles.items() if used == digest),
            runs_here=runs_here(ruleset),
            ruleset=ruleset,
        )
        for digest, ruleset in rulesets.items()
    ]


async def recorded_ruleset(connection: asyncpg.Connection, digest: str) -> Ruleset:
    """Return a ruleset that judged a generation, whether its rules run here or not."""
    return decode_ruleset(await connection.fetchval(_READ_RULESET, digest))


def find_ruleset(known: list[KnownRuleset], name: str) -> KnownRuleset:
    """Return the ruleset that a person means: live, previous or file, or a hash or its first digits.

    Raises: NothingProjected for live where nothing is; UnknownRuleset.
    """
    if name in ("live", "previous", "file"):
        of_role = [each for each in known if name in each.roles]
        if not of_role and name == "live":
            raise NothingProjected
        if not of_role:
            raise UnknownRuleset(name, "there is no previous generation; `project rules list` has the rulesets")
        return of_role[0]
    digits = name.lower()
    if not set(digits) <= _DIGITS or len(digits) < FEWEST_DIGITS:
        raise UnknownRuleset(name, f"it must be live, previous, file, or {FEWEST_DIGITS} or more digits of a hash")
    found = [each for each in known if each.hash.startswith(digits)]
    if not found:
        raise UnknownRuleset(name, "no ruleset begins so; `project rules list` has them")
    if len(found) > 1:
        raise UnknownRuleset(name, f"{len(found)} rulesets begin so: {', '.join(each.hash[:12] for each in found)}")
    return found[0]


async def _hash_in_use(connection: asyncpg.Connection, schema: str, query: str) -> str | None:
    if not await connection.fetchval(_TABLE_EXISTS, f"{schema}.generation"):
        return None
    digest: str | None = await connection.fetchval(query)
    return digest
