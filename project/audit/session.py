"""The audit of a session: what the payloads say of it, set against what the tables hold, so that the counts add up.

The raw side is decoded afresh from the archive: raw rows = current bars + superseded + rejected, every bar, revision
and rejection is the one that the payloads give, and every verdict the one that the rules give; or the audit fails and
names the first that is not.
"""

import datetime as dt
import uuid

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from project.audit.evidence import Evidence, gather
from project.audit.missing import Missing, find_missing
from project.audit.verdict import Verdict, failed, verdicts_of
from project.compare.table_diff import Rows, first_departure, rows_of_bars, rows_of_judged, rows_of_revisions, told
from project.errors import AuditFailed
from project.rejection import Rejection
from project.rows import VALUES
from project.steady import read_steadily

CHECKED = (
    "every row of these payloads is a bar or a rejection",
    "raw rows = current + superseded + rejected",
    "bars, revisions and rejections are those that the payloads give, with the payload and since when",
    "verdicts are those that the rules give, by the bars before, the splits, the dividends and the overrides",
)


class Difference(msgspec.Struct, frozen=True):
    """One way in which the cleaned session is not the raw one.

    `kind` is rejected, restated, flagged, overridden or missing; `failed` are the rules that a flagged bar fails, with
    what they measured.
    """

    ticker: str | None
    kind: str
    detail: str
    archive_seq: int | None
    failed: tuple[Verdict, ...] = ()


class Audit(msgspec.Struct, frozen=True):
    """A session, raw against cleaned: raw_rows = current + superseded + rejected.

    Of the superseded rows, `revised` were believed until a later one restated them, and `repeated` said nothing new.
    """

    session: dt.date
    ticker: str | None
    generation_id: uuid.UUID
    checkpoint: int
    ruleset_hash: str
    is_session: bool
    payloads: int
    raw_rows: int
    current: int
    superseded: int
    revised: int
    repeated: int
    rejected: int
    validated: int
    missing: int
    checked: tuple[str, ...]
    differences: list[Difference]


async def audit_session(connection: asyncpg.Connection, session: dt.date, ticker: str | None = None) -> Audit:
    """Return the audit of one session, of the whole market or of one ticker.

    Raises: AuditFailed when the tables do not hold what the payloads say; NothingProjected.
    """

    async def read() -> Audit:
        evidence = await gather(connection, session, ticker)
        return reconcile(evidence, await find_missing(connection, evidence))

    return await read_steadily(connection, read)


def reconcile(evidence: Evidence, missing: list[Missing]) -> Audit:
    """Return the audit that the evidence gives.

    Raises: AuditFailed.
    """
    require_same_rejections(evidence.session, evidence.rejections, evidence.rejected)
    ranks = evidence.tickers.ranks()
    resolved, cleaned = evidence.resolved, evidence.cleaned
    by = resolved.revised_by
    _require_same(
        evidence,
        "bar",
        rows_of_bars(resolved.rows.take(resolved.current), ranks),
        rows_of_bars(cleaned.bars, ranks),
    )
    _require_same(
        evidence,
        "bar_revision",
        rows_of_revisions(
            resolved.rows.take(resolved.revised), resolved.rows.known_from[by], resolved.rows.archive_seq[by], ranks
        ),
        rows_of_revisions(evidence.revisions.old, evidence.revisions.known_to, evidence.revisions.superseded_by, ranks),
    )
    _require_same(evidence, "bar", rows_of_judged(evidence.judged_again, ranks), rows_of_judged(cleaned, ranks))
    rejected = evidence.rejections_here()
    superseded = len(resolved.rows) - len(cleaned)
    return Audit(
        session=evidence.session,
        ticker=evidence.ticker,
        generation_id=evidence.generation.generation_id,
        checkpoint=evidence.generation.checkpoint,
        ruleset_hash=evidence.generation.ruleset_hash,
        is_session=bool(exchange_calendar().between(evidence.session, evidence.session)),
        payloads=len(evidence.sent),
        raw_rows=len(resolved.rows) + len(rejected),
        current=len(cleaned),
        superseded=superseded,
        revised=len(resolved.revised),
        repeated=superseded - len(resolved.revised),
        rejected=len(rejected),
        validated=int(cleaned.validated.sum()),
        missing=len(missing),
        checked=CHECKED,
        differences=[
            *(Difference(row.ticker, "rejected", ", ".join(row.reasons), row.archive_seq) for row in rejected),
            *_restated(evidence),
            *_flagged(evidence),
            *_overridden(evidence),
            *(Difference(row.ticker, "missing", row.reason, row.archive_seq) for row in missing),
        ],
    )


def require_same_rejections(session: dt.date | None, archive: list[Rejection], table: list[Rejection]) -> None:
    """Compare the rejections of some payloads; both sides are in order of payload and place in it.

    Raises: AuditFailed naming the first that is not the same.
    """
    ours = {(row.archive_seq, row.row_index): row for row in archive}
    theirs = {(row.archive_seq, row.row_index): row for row in table}
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) == theirs.get(key):
            continue
        found = "nothing" if key not in theirs else _rejection_told(theirs[key])
        due = "nothing" if key not in ours else _rejection_told(ours[key])
        where = session or (ours.get(key) or theirs[key]).session
        why = f"row {key[1]} of payload {key[0]}: {found} in rejection, by the archive there is {due}"
        raise AuditFailed(where, why, key[0])


def _rejection_told(row: Rejection) -> str:
    return f"{row.ticker or 'no ticker'} {row.session or 'without a date'} ({', '.join(row.reasons)}) {row.row_text}"


def _require_same(evidence: Evidence, table: str, archive: Rows, found: Rows) -> None:
    departure = first_departure(archive, found)
    if departure is not None:
        why = told(departure, table, evidence.tickers, evidence.tickers.ranks(), evidence.ruleset)
        raise AuditFailed(evidence.session, why)


def _restated(evidence: Evidence) -> list[Difference]:
    rows = evidence.resolved.rows
    differences = []
    for old, new in zip(evidence.resolved.revised.tolist(), evidence.resolved.revised_by.tolist(), strict=True):
        ticker = evidence.tickers.names[rows.ticker[new]]
        changes = ", ".join(changes_of(rows.values[:, old].tolist(), rows.values[:, new].tolist()))
        differences.append(Difference(ticker, "restated", changes, int(rows.archive_seq[new])))
    return differences


def changes_of(before: list[float], after: list[float]) -> list[str]:
    """Return in words which of the seven values of a bar changed."""
    return [
        f"{name} {old:.10g} → {new:.10g}"
        for name, old, new in zip(VALUES, before, after, strict=True)
        if old != new and not (old != old and new != new)
    ]


def _flagged(evidence: Evidence) -> list[Difference]:
    cleaned = evidence.cleaned
    differences = []
    order = np.argsort(evidence.tickers.ranks()[cleaned.bars.ticker])
    for place in order[cleaned.failed_rules[order] != 0].tolist():
        rules = failed(verdicts_of(cleaned, place, evidence.ruleset))
        detail = ", ".join(rule_told(rule) for rule in rules)
        differences.append(
            Difference(
                evidence.tickers.names[cleaned.bars.ticker[place]],
                "flagged",
                f"{detail}: score {cleaned.quality_score[place]:g}",
                int(cleaned.bars.archive_seq[place]),
                tuple(rules),
            )
        )
    return differences


def rule_told(verdict: Verdict) -> str:
    """Return a rule with its measure."""
    return verdict.rule if verdict.measure is None else f"{verdict.rule} ({verdict.measure:.4g})"


def _overridden(evidence: Evidence) -> list[Difference]:
    return [
        Difference(row.ticker, "overridden", f"{row.verdict} by {row.decided_by}: {row.because}", row.archive_seq)
        for row in evidence.overrides
        if row.known_to is None
    ]
