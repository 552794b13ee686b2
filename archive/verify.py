"""Proof that the archive is whole: every number from 1 to the head is there, and every body is what was archived."""

import asyncpg
import msgspec

from archive.errors import ArchiveError, DamagedPayload
from archive.read import archive_head, read_payloads


class Verification(msgspec.Struct, frozen=True):
    """What a verification saw. `first_bad` is None when all `payloads` up to `head` are good."""

    head: int
    payloads: int
    body_bytes: int
    first_bad: int | None
    problem: str | None


async def verify_archive(pool: asyncpg.Pool) -> Verification:
    """Read every payload up to the head of this moment and return what was found; stops at the first bad one."""
    head = await archive_head(pool)
    payloads = body_bytes = 0
    try:
        async for payload in read_payloads(pool, 0, head):
            if payload.archive_seq != payloads + 1:
                return Verification(head, payloads, body_bytes, payloads + 1, f"payload {payloads + 1} is missing")
            payloads += 1
            body_bytes += len(payload.response.body)
    except DamagedPayload as exc:
        return Verification(head, payloads, body_bytes, exc.archive_seq, str(exc))
    return Verification(head, payloads, body_bytes, None, None)


class VerificationFailed(ArchiveError):
    """The archive is not whole; `verification` says where it breaks."""

    def __init__(self, verification: Verification) -> None:
        super().__init__(f"archive verify: {verification.problem}")
        self.verification = verification
