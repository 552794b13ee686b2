"""A decision payload in, what it states of overrides out. It knows the words of decisions and none of any vendor."""

import datetime as dt

from archive.payload import Payload
from project.decide.decisions import Decision, Verb, decode_decision
from project.decide.override import Override
from project.record import Statement


def decode_override(payload: Payload) -> Statement[Override] | None:
    """Return what a decision states of overrides, None where it is about a payload.

    Raises: UndecodablePayload for a payload of this source that is no decision.
    """
    decision = decode_decision(payload)
    if decision.ticker is None or decision.session is None:
        return None
    ended = ((decision.ticker, decision.session),) if decision.decision is Verb.REVOKE else ()
    return Statement(
        archive_seq=payload.archive_seq,
        known_from=payload.response.fetched_at,
        asked=payload.response.request.target,
        records=tuple(_overrides(payload, decision)),
        ended=ended,
    )


def _overrides(payload: Payload, decision: Decision) -> list[Override]:
    if decision.decision is Verb.REVOKE:
        return []
    assert decision.ticker is not None
    assert decision.session is not None
    return [
        Override(
            ticker=decision.ticker,
            session=decision.session,
            verdict="accept" if decision.decision is Verb.ACCEPT else "reject",
            because=decision.because,
            decided_by=decision.by,
            decided_at=decision.at.astimezone(dt.UTC),  # as a table gives it back
            archive_seq=payload.archive_seq,
            known_from=payload.response.fetched_at,
            asked=payload.response.request.target,
        )
    ]
