"""The skip: a person's decision that a payload nobody here can decode counts as holding no rows.

It is looked up before a replay begins, since the decision stands after the payload that it speaks of: which payloads
are skipped depends on the archive, not on where a replay starts or stops. A payload that decodes is never skipped, so
software that has learned to read it simply does. It knows no wire format and no table of a projection.
"""

import json
from collections.abc import Mapping

import asyncpg
import msgspec

from archive.payload import Payload
from archive.read import payload_of
from project.decide.decisions import SKIPS, decode_decision
from project.errors import UndecodablePayload
from project.rejection import Reason, Rejection, printable
from sql import load_queries

_SKIP_DECISIONS = load_queries("decisions.sql")["skip_decisions"]
_SHOWN_BYTES = 200
WHOLE_PAYLOAD = -1


class Skip(msgspec.Struct, frozen=True):
    """Who decided that a payload holds no rows, why, and in which payload it is written."""

    because: str
    by: str
    archive_seq: int


Skips = Mapping[int, Skip]
"""What is to be skipped where it does not decode, by archive_seq."""


async def read_skips(connection: asyncpg.Connection | asyncpg.Pool) -> dict[int, Skip]:
    """Return what is to be skipped by the decisions in the archive; of two on one payload the first stands.

    Decisions that cannot be decoded are passed over here: replay stops at them by itself.

    Raises: DamagedPayload.
    """
    skips: dict[int, Skip] = {}
    for row in await connection.fetch(_SKIP_DECISIONS, SKIPS):
        payload = payload_of(row)
        try:
            decision = decode_decision(payload)
        except UndecodablePayload:
            continue
        assert decision.payload is not None
        skips.setdefault(decision.payload, Skip(decision.because, decision.by, payload.archive_seq))
    return skips


def rejection_of(payload: Payload, skip: Skip) -> Rejection:
    """Return what remembers a payload that was skipped: who said so and why, and how its body begins."""
    body = payload.response.body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    text = json.dumps({"because": skip.because, "by": skip.by, "decision": skip.archive_seq, "body": body})
    ticker = payload.response.request.ticker
    return Rejection(
        payload.archive_seq,
        WHOLE_PAYLOAD,
        None if ticker is None else printable(ticker),
        None,
        (Reason.UNDECODABLE_PAYLOAD,),
        text.replace("\x7f", "\\u007f"),
    )
