"""The story of one bar: every payload that ever spoke of it, the row as sent and what became of it, what each rule
says, what was believed before, and what a person decided.

It tells what the audit of the session (audit.py) has proved to be in the tables.
"""

import datetime as dt

import asyncpg
import msgspec
import numpy as np

from archive.payload import Endpoint
from project.audit.evidence import Evidence, Sent, gather
from project.audit.missing import find_missing
from project.audit.session import Audit, reconcile
from project.audit.verdict import Verdict, verdicts_of
from project.decide.override import Override
from project.factors.factor import Factor, factor_of
from project.rows import VALUES, Floats
from project.steady import read_steadily
from sql import load_queries

_FACTORS = load_queries("audit.sql")["factors_of_session"]
Values = dict[str, float | None]
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Said(msgspec.Struct, frozen=True):
    """One raw row that speaks of the bar. `outcome` is current, superseded, repeated or rejected; `by` is the payload
    that restated it, or whose values it repeats; `reasons` are those of a rejection.
    """

    archive_seq: int
    row_index: int
    fetched_at: dt.datetime
    source: str
    endpoint: Endpoint
    raw: str
    outcome: str
    by: int | None = None
    reasons: tuple[str, ...] = ()


class CleanedBar(msgspec.Struct, frozen=True):
    """The bar as the table has it."""

    values: Values
    gap: float | None
    volume_ratio: float | None
    quality_score: float
    validated: bool
    archive_seq: int
    known_from: dt.datetime


class Believed(msgspec.Struct, frozen=True):
    """Values that were believed before, from when until when."""

    values: Values
    archive_seq: int
    known_from: dt.datetime
    known_to: dt.datetime
    superseded_by: int


class BarAudit(msgspec.Struct, frozen=True):
    """The audit of one bar. `silent` are payloads that were asked for it and answered without it; `actions` are
    the splits and dividends whose ex-date it is, or which are applied on it; `overrides` has revoked ones too.
    """

    audit: Audit
    ruleset_hash: str
    said: list[Said]
    silent: list[int]
    bar: CleanedBar | None
    verdicts: list[Verdict]
    revisions: list[Believed]
    actions: list[Factor]
    overrides: list[Override]


async def audit_bar(connection: asyncpg.Connection, session: dt.date, ticker: str) -> BarAudit:
    """Return the story of one bar.

    Raises: AuditFailed when the tables do not hold what the payloads say; NothingProjected.
    """

    async def read() -> BarAudit:
        evidence = await gather(connection, session, ticker)
        audit = reconcile(evidence, await find_missing(connection, evidence))
        actions = await connection.fetch(_FACTORS, ticker, session)
        said = _said(evidence)
        spoke = {each.archive_seq for each in said}
        return BarAudit(
            audit=audit,
            ruleset_hash=evidence.generation.ruleset_hash,
            said=said,
            silent=[each.archive_seq for each in evidence.sent if each.answered and each.archive_seq not in spoke],
            bar=_bar(evidence),
            verdicts=verdicts_of(evidence.cleaned, 0, evidence.ruleset) if len(evidence.cleaned) else [],
            revisions=_revisions(evidence),
            actions=[factor_of(row) for row in actions],
            overrides=evidence.overrides,
        )

    return await read_steadily(connection, read)


def _said(evidence: Evidence) -> list[Said]:
    """Return what every row about the bar became, in order of payloads and places in them."""
    sent = {each.archive_seq: each for each in evidence.sent}
    said = []
    for seq, (outcome, by) in _outcomes(evidence).items():
        raw = sent[seq].raw
        assert raw is not None  # `gather` found it
        said.append(_one_said(sent[seq], raw.row_index, raw.text, outcome, by))
    said += [
        _one_said(sent[row.archive_seq], row.row_index, row.row_text, "rejected", reasons=row.reasons)
        for row in evidence.rejections_here()
    ]
    return sorted(said, key=lambda each: (each.archive_seq, each.row_index))


def _one_said(
    sent: Sent, row_index: int, raw: str, outcome: str, by: int | None = None, reasons: tuple[str, ...] = ()
) -> Said:
    return Said(sent.archive_seq, row_index, sent.fetched_at, sent.source, sent.endpoint, raw, outcome, by, reasons)


def _outcomes(evidence: Evidence) -> dict[int, tuple[str, int | None]]:
    """Return for each payload with an accepted row what became of it, and by which other payload."""
    resolved = evidence.resolved
    seqs = resolved.rows.archive_seq.tolist()
    restated = dict(zip(resolved.revised.tolist(), resolved.revised_by.tolist(), strict=True))
    stands = {*resolved.current.tolist(), *restated}
    outcomes: dict[int, tuple[str, int | None]] = {}
    believed = None
    for place, seq in enumerate(seqs):
        if place not in stands:
            outcomes[seq] = ("repeated", believed)
            continue
        believed = seq
        outcomes[seq] = ("superseded", seqs[restated[place]]) if place in restated else ("current", None)
    return outcomes


def _bar(evidence: Evidence) -> CleanedBar | None:
    cleaned = evidence.cleaned
    if len(cleaned) == 0:
        return None
    return CleanedBar(
        values=_values(cleaned.bars.values[:, 0]),
        gap=_number(cleaned.gap[0]),
        volume_ratio=_number(cleaned.volume_ratio[0]),
        quality_score=float(cleaned.quality_score[0]),
        validated=bool(cleaned.validated[0]),
        archive_seq=int(cleaned.bars.archive_seq[0]),
        known_from=_instant(cleaned.bars.known_from[0]),
    )


def _revisions(evidence: Evidence) -> list[Believed]:
    found = evidence.revisions
    return [
        Believed(
            _values(found.old.values[:, place]),
            int(found.old.archive_seq[place]),
            _instant(found.old.known_from[place]),
            _instant(found.known_to[place]),
            int(found.superseded_by[place]),
        )
        for place in np.argsort(found.old.archive_seq).tolist()
    ]


def _values(values: Floats) -> Values:
    return {name: _number(value) for name, value in zip(VALUES, values, strict=True)}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _instant(microseconds: int) -> dt.datetime:
    return _EPOCH_UTC + dt.timedelta(microseconds=int(microseconds))
