"""Whether the end of the hash chain is whole: the newest seal, and the newest payloads with their bodies.

It is a glance: `archive verify` proves all of the archive.
"""

import asyncpg

from api.watch.check import Check
from archive.chain import GENESIS, chain_hash
from archive.errors import DamagedPayload
from archive.read import Connection, archive_head, payload_of, read_rows
from sql import load_queries

_QUERIES = load_queries("ops_watch.sql")
_NEWEST_SEAL, _CHAIN_HASH = _QUERIES["newest_seal"], _QUERIES["chain_hash_of"]
NEWEST = 64
_NAME = "chain"
_ALTERED = "run: archive verify; it names the first bad payload. Then restore from a backup"


async def check_chain(connection: Connection, *, is_fetching: bool) -> Check:
    """Return whether the newest seal agrees and the newest payloads are what was archived."""
    seal = await connection.fetchrow(_NEWEST_SEAL)
    head = await archive_head(connection)
    sealed = 0 if seal is None else seal["to_seq"]
    if seal is not None and seal["agrees"] is not True:
        found = f"payload {sealed:,}, or one before it, is not what was sealed at {seal['sealed_at']:%Y-%m-%dT%H:%MZ}"
        return Check(_NAME, "failed", sealed, head, found, _ALTERED)
    broken = await _first_broken(connection, max(head - NEWEST, 0), head)
    if broken is not None:
        return Check(_NAME, "failed", broken, head, f"payload {broken:,} is not what was archived", _ALTERED)
    looked_at = min(head, NEWEST)
    found = f"the newest {looked_at:,} of {head:,} payloads are what was archived, and all up to {sealed:,} are sealed"
    if sealed < head and not is_fetching:
        return Check(_NAME, "warn", sealed, head, found, "run: archive seal; a run that was killed did not")
    return Check(_NAME, "ok", sealed, head, found)


async def _first_broken(connection: Connection, after: int, head: int) -> int | None:
    """Return the first payload after `after` that does not follow from the one before it, or whose body changed."""
    before = await connection.fetchval(_CHAIN_HASH, after) if after else GENESIS
    expected = after + 1
    if before is None:
        return after
    async for row in read_rows(connection, after, head):
        if row["archive_seq"] != expected or chain_hash(before, row) != row["chain_hash"] or not _has_body(row):
            return expected
        before, expected = row["chain_hash"], expected + 1
    return None if expected == head + 1 else expected


def _has_body(row: asyncpg.Record) -> bool:
    try:
        payload_of(row)
    except DamagedPayload:
        return False
    return True
