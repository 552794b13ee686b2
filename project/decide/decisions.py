"""A person's decision as a payload: what can be decided, how it is written down, and how it is archived.

A decision is an event like a vendor's answer: it gets an archive_seq and its place in the hash chain, and replay takes
it in where it stands. It knows nothing of what a decision does to a bar (override.py) or to a payload (skip.py).
"""

import datetime as dt
import logging
import uuid
from enum import StrEnum
from urllib.parse import quote

import asyncpg
import msgspec

from archive.append import append_responses
from archive.chain import seal_archive
from archive.payload import Endpoint, Payload, Request, Response, Transfer
from project.errors import InvalidDecision, UndecodablePayload
from project.rejection import has_control

_LOGGER = logging.getLogger("project")

OPERATOR = "operator"
SKIPS = "/decisions/skip_payload/"
MOST_BECAUSE = 500
MOST_BY = 100


class Verb(StrEnum):
    """What can be decided: three things of a bar, one of a payload."""

    ACCEPT = "accept"
    REJECT = "reject"
    REVOKE = "revoke"
    SKIP_PAYLOAD = "skip_payload"


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who decided what, when and why: of the bar of `ticker` in `session`, or of a `payload`.

    Raises: InvalidDecision for what no decision can be.
    """

    decision: Verb
    ticker: str | None
    session: dt.date | None
    payload: int | None
    because: str
    by: str
    at: dt.datetime

    def __post_init__(self) -> None:
        _require_text("because", self.because, MOST_BECAUSE)
        _require_text("by", self.by, MOST_BY)
        if self.at.tzinfo is None:
            raise InvalidDecision("at", str(self.at), "it must name its offset from UTC")
        about_a_bar = self.ticker is not None and self.session is not None and self.payload is None
        about_a_payload = self.ticker is None and self.session is None and self.payload is not None
        if not (about_a_payload if self.decision is Verb.SKIP_PAYLOAD else about_a_bar):
            raise InvalidDecision("decision", self.decision, "it must be about one bar or one payload, as it says")
        if self.ticker is not None and has_control(self.ticker):
            raise InvalidDecision("ticker", self.ticker, "it must be one word of printable ASCII")

    @property
    def request(self) -> Request:
        """What the payload is filed under, so that whoever looks for payloads about a bar finds it."""
        if self.ticker is None or self.session is None:
            return Request(Endpoint.DECISION, f"{SKIPS}{self.payload}")
        target = f"/decisions/override/{quote(self.ticker, safe='')}/{self.session}"
        return Request(Endpoint.DECISION, target, self.ticker, self.session, self.session)


def as_response(decision: Decision) -> Response:
    """Return a decision in the shape of what is archived; its body is JSON with the fields in their order."""
    body = msgspec.json.encode(decision)
    return Response(OPERATOR, decision.request, decision.at, 200, [], Transfer.COMPLETE, body)


async def record_decision(pool: asyncpg.Pool, decision: Decision) -> int:
    """Archive a decision in one transaction, seal the archive after it, and return its archive_seq.

    The pool must be in the role of ingest, the only one that may append. A decision belongs to no run: it fetches
    nothing, and says itself who made it; its run_id is its own.
    """
    [archive_seq] = await append_responses(pool, uuid.uuid4(), [as_response(decision)])
    await seal_archive(pool, decision.at)
    _LOGGER.info(
        "project.decision_recorded",
        extra={"archive_seq": archive_seq, "decision": decision.decision.value, "target": decision.request.target},
    )
    return archive_seq


def decode_decision(payload: Payload) -> Decision:
    """Return the decision that a payload holds.

    Raises: UndecodablePayload for a body that is none, is filed under another one's request, or speaks of a payload
    that does not stand before it.
    """
    try:
        decision = msgspec.json.decode(payload.response.body, type=Decision)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidDecision) as exc:
        raise UndecodablePayload(payload.archive_seq, str(exc)) from exc
    if decision.request != payload.response.request:
        why = f"it is filed under {payload.response.request.target} and decides on {decision.request.target}"
        raise UndecodablePayload(payload.archive_seq, why)
    if decision.payload is not None and not 0 < decision.payload < payload.archive_seq:
        raise UndecodablePayload(payload.archive_seq, f"it speaks of payload {decision.payload}")
    return decision


def _require_text(name: str, text: str, most: int) -> None:
    if not text.strip():
        raise InvalidDecision(name, text, "it must say something")
    if len(text) > most:
        raise InvalidDecision(name, f"{text[:20]}…", f"it has {len(text):,} characters; {most} are allowed")
    if not text.isprintable():
        raise InvalidDecision(name, text, "it must be one line of printable characters")
