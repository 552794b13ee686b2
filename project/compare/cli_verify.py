"""What `project --verify` prints, and how it fails."""

import asyncpg

from project.bulk.replay import Progress
from project.compare.verify import Hashes, Verified, verify
from project.errors import VerificationFailed
from project.options import with_pool
from sql.command import print_json, print_table
from sql.connect import Role


def verify_live(progress: Progress, as_json: bool) -> None:
    """Verify the live projection and print what was compared.

    Raises: VerificationFailed naming the first row that differs.
    """

    async def job(pool: asyncpg.Pool) -> Verified:
        async with pool.acquire() as connection:
            return await verify(connection, progress=progress)

    found = with_pool(Role.READ, job)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found.agrees:
        raise VerificationFailed(found.why)


def _print(found: Verified) -> None:
    facts = [
        ("payloads replayed", f"{found.checkpoint:,}"),
        ("ruleset", found.ruleset_hash[:12]),
        ("calendar", found.calendar_version),
        ("bars", f"{found.bars:,}"),
    ]
    print_table("verification", ("fact", "value"), facts)
    hashes = [("recorded", found.recorded), ("in the tables", found.stored), ("replayed", found.replayed)]
    columns = ("fingerprint", "content", "provenance")
    print_table("equal" if found.agrees else "not equal", columns, [(name, *_both(each)) for name, each in hashes])
    if found.differences:
        rows = [(each.table, each.row, each.detail) for each in found.differences]
        print_table("the first row that differs, of each table", ("table", "row", "difference"), rows)


def _both(hashes: Hashes) -> tuple[str, str]:
    return hashes.content, hashes.provenance
