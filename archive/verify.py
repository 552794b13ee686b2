"""Proof that the archive is whole: every number from 1 to the head is there, unaltered, and its seals agree.

A payload is checked in two ways: its body against its SHA-256, and everything else of it against the hash chain.
"""

from collections.abc import AsyncIterator

import asyncpg
import msgspec

from archive.chain import GENESIS, chain_hash
from archive.errors import ArchiveError, DamagedPayload
from archive.read import archive_head, payload_of, read_rows
from sql import load_queries

_SEALS = load_queries("archive.sql")["seals"]


class Verification(msgspec.Struct, frozen=True):
    """What a verification saw. `first_bad` is None when all `payloads` up to `head` are good."""

    head: int
    payloads: int
    body_bytes: int
    seals: int
    first_bad: int | None
    problem: str | None


class VerificationFailed(ArchiveError):
    """The archive is not whole; `verification` says where it breaks."""

    def __init__(self, verification: Verification) -> None:
        super().__init__(f"archive verify: {verification.problem}")
        self.verification = verification


async def verify_archive(pool: asyncpg.Pool) -> Verification:
    """Read every payload up to the head of this moment and return what was found; stops at the first bad one."""
    # Seals first: a payload that is appended and sealed while this looks is beyond both, not missing.
    seals = {row["to_seq"]: row["chain_hash"] for row in await pool.fetch(_SEALS)}
    head = await archive_head(pool)
    payloads = body_bytes = 0
    problem = None
    async for row, problem in _checked(pool, head, seals):
        if problem is not None:
            break
        payloads += 1
        body_bytes += row["body_bytes"]
    if problem is None and seals and max(seals) > payloads:
        problem = f"payload {payloads + 1} is missing: a seal says that there were {max(seals)}"
    return Verification(head, payloads, body_bytes, len(seals), payloads + 1 if problem else None, problem)


async def _checked(
    pool: asyncpg.Pool, head: int, seals: dict[int, bytes]
) -> AsyncIterator[tuple[asyncpg.Record, str | None]]:
    """Yield each row with what is wrong with it, None for nothing."""
    before, expected = GENESIS, 1
    async for row in read_rows(pool, 0, head):
        yield row, _problem(row, before, expected, seals)
        before, expected = row["chain_hash"], expected + 1


def _problem(row: asyncpg.Record, before: bytes, expected: int, seals: dict[int, bytes]) -> str | None:
    if row["archive_seq"] != expected:
        return f"payload {expected} is missing"
    try:
        payload_of(row)
    except DamagedPayload as exc:
        return str(exc)
    if chain_hash(before, row) != row["chain_hash"]:
        return f"payload {expected} was altered, or is not the one that followed payload {expected - 1}"
    if seals.get(expected, row["chain_hash"]) != row["chain_hash"]:
        return f"payload {expected}, or one before it, is not what was sealed"
    return None
