"""Proof that the archive is whole: every number from 1 to the head is there, unaltered, and its seals agree.

A payload is checked in two ways: its body against its SHA-256, and everything else of it, that SHA-256 too, against
the hash chain. A sample leaves out the first for most payloads, never the second: the chain needs no body, and most
of an archive is bodies. So the one thing that a sample can overlook is a stored body that changed.
"""

from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec

from archive.chain import GENESIS, chain_hash
from archive.errors import ArchiveError, DamagedPayload
from archive.read import archive_head, payload_of, read_rows
from archive.sample import Sample
from sql import load_queries

_QUERIES = load_queries("archive.sql")
_SEALS = _QUERIES["seals"]
_FACTS_AFTER = _QUERIES["payload_facts_after"]
_FACTS_BATCH = 1000

Checked = tuple[asyncpg.Record, bool, str | None]


class Verification(msgspec.Struct, frozen=True):
    """What a verification saw. `first_bad` is None when all `payloads` up to `head` are good.

    `sampled` bodies were read, of `body_bytes` together; `sample_percent` and `seed` are None where all were to be.
    """

    head: int
    payloads: int
    body_bytes: int
    seals: int
    first_bad: int | None
    problem: str | None
    sampled: int
    sample_percent: float | None = None
    seed: int | None = None


class VerificationFailed(ArchiveError):
    """The archive is not whole; `verification` says where it breaks."""

    def __init__(self, verification: Verification) -> None:
        sample = "" if verification.seed is None else f" (sample of seed {verification.seed})"
        super().__init__(f"archive verify: {verification.problem}{sample}")
        self.verification = verification


async def verify_archive(pool: asyncpg.Pool, sample: Sample | None = None) -> Verification:
    """Check every payload up to the head of this moment and return what was found; stops at the first bad one.

    With a `sample` only the bodies in it are read, and everything else of every payload.
    """
    # Seals first: a payload that is appended and sealed while this looks is beyond both, not missing.
    seals = {row["to_seq"]: row["chain_hash"] for row in await pool.fetch(_SEALS)}
    head = await archive_head(pool)
    payloads = sampled = body_bytes = 0
    problem = None
    async for row, has_body, problem in _checked(pool, head, seals, sample):
        if problem is not None:
            break
        payloads += 1
        sampled += has_body
        body_bytes += row["body_bytes"] if has_body else 0
    if problem is None and seals and max(seals) > payloads:
        problem = f"payload {payloads + 1} is missing: a seal says that there were {max(seals)}"
    return Verification(
        head,
        payloads,
        body_bytes,
        len(seals),
        payloads + 1 if problem else None,
        problem,
        sampled,
        None if sample is None else sample.percent,
        None if sample is None else sample.seed,
    )


async def _checked(
    pool: asyncpg.Pool, head: int, seals: dict[int, bytes], sample: Sample | None
) -> AsyncIterator[Checked]:
    """Yield each row, whether its body was read, and what is wrong with it, None for nothing."""
    before, expected = GENESIS, 1
    async for row, has_body in _rows(pool, head, [(0, head)] if sample is None else sample.spans(head)):
        yield row, has_body, _problem(row, has_body, before, expected, seals)
        before, expected = row["chain_hash"], expected + 1


async def _rows(
    pool: asyncpg.Pool, head: int, with_bodies: Sequence[tuple[int, int]]
) -> AsyncIterator[tuple[asyncpg.Record, bool]]:
    """Yield every row in order, those of the spans with their bodies."""
    done = 0
    for after, upto in [*with_bodies, (head, head)]:
        async for row in _facts(pool, done, after):
            yield row, False
        async for row in read_rows(pool, after, upto):
            yield row, True
        done = upto


async def _facts(pool: asyncpg.Pool, after: int, upto: int) -> AsyncIterator[asyncpg.Record]:
    while after < upto and (rows := await pool.fetch(_FACTS_AFTER, after, upto, _FACTS_BATCH)):
        for row in rows:
            yield row
        after = rows[-1]["archive_seq"]


def _problem(row: asyncpg.Record, has_body: bool, before: bytes, expected: int, seals: dict[int, bytes]) -> str | None:
    if row["archive_seq"] != expected:
        return f"payload {expected} is missing"
    if has_body:
        try:
            payload_of(row)
        except DamagedPayload as exc:
            return str(exc)
    if chain_hash(before, row) != row["chain_hash"]:
        return f"payload {expected} was altered, or is not the one that followed payload {expected - 1}"
    if seals.get(expected, row["chain_hash"]) != row["chain_hash"]:
        return f"payload {expected}, or one before it, is not what was sealed"
    return None
