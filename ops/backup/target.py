"""The database that a backup is restored into: empty, or as a restore of the same backup left it when it was killed."""

import asyncpg

from archive.portable import Manifest
from archive.read import archive_head
from ops.backup.restore_errors import NotEmpty, NotThisBackup
from sql import load_queries

_QUERIES = load_queries("drill.sql")
_IS_WAREHOUSE = _QUERIES["is_warehouse"]
_IS_PROJECTED = _QUERIES["is_projected"]
_CHAIN_AT = load_queries("archive.sql")["chain_at"]


async def require_empty(owner: asyncpg.Connection, database: str) -> None:
    """Refuse a database, named `database` in the message, that holds a payload or a projection.

    Raises: NotEmpty.
    """
    head, is_projected = await _found(owner)
    if head or is_projected:
        raise NotEmpty(database, head, is_projected)


async def require_begun(owner: asyncpg.Connection, database: str, manifest: Manifest) -> bool:
    """Refuse a database in which no restore of this archive stopped; return whether it had projected already.

    A restore commits segment by segment, so what it left ends where one of them does.

    Raises: NotThisBackup.
    """
    head, is_projected = await _found(owner)
    chains = {segment.to_seq: segment.chain_hash for segment in manifest.segments}
    if head and (head not in chains or (await owner.fetchval(_CHAIN_AT, head)).hex() != chains[head]):
        raise NotThisBackup(database, f"its {head:,} payloads are not the first ones of the backup")
    if is_projected and head != manifest.head:
        raise NotThisBackup(database, "it is projected, and has not all payloads of the backup")
    return is_projected


async def _found(owner: asyncpg.Connection) -> tuple[int, bool]:
    """Return the head of the archive that is there, and whether anything is projected."""
    head = await archive_head(owner) if await owner.fetchval(_IS_WAREHOUSE) else 0
    return head, await owner.fetchval(_IS_PROJECTED)
