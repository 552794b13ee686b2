"""GET /api/v1/audit/{date}: raw against cleaned for a session of the whole market, each difference with its reason.

Every audit is made afresh, from the payloads themselves: an answer that was kept would prove nothing.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import Cursor, decode_cursor, encode_cursor
from api.errors import READ_ERRORS, AuditFailed, InvalidParameter, PayloadDamaged, TooBusy
from api.formats.answer import answer_rows
from api.generation_ref import EXAMPLE_GENERATION, GenerationRef
from api.operation import Operation
from api.records.aside import aside_of
from api.records.page import NextCursor
from project.audit.session import CHECKED, Audit, Difference, audit_session
from project.rules import RULES

AuditedDate = Annotated[dt.date, Meta(description="The session, as a date of the exchange.", examples=["2024-01-16"])]
Kind = Literal["rejected", "restated", "flagged", "overridden", "missing"]
_Key = tuple[str, str, int, int]


class AuditParams(Struct, frozen=True, kw_only=True):
    """Which session is audited, and which of the differences are told."""

    date: AuditedDate
    kind: Annotated[Kind, Meta(description="Differences of this kind only.")] | None = None
    rule: (
        Annotated[
            str,
            Meta(
                description="Bars that failed this rule only.",
                examples=["large_gap"],
                max_length=64,
                pattern=r"^\w+$",
            ),
        ]
        | None
    ) = None
    limit: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=50_000,
                description="How many at most, next_cursor leading on to the rest; without it, all differences.",
                examples=[1000],
            ),
        ]
        | None
    ) = None
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that nobody wrote."""
        if self.rule is not None and self.rule not in RULES:
            raise InvalidParameter("rule", self.rule, f"must be one of {', '.join(RULES)}")


class DifferenceRow(Struct, frozen=True, gc=False):
    """One way in which the cleaned session is not the raw one."""

    symbol: Annotated[str | None, Meta(description="As the row has it; null where it has none.")]
    kind: Kind
    detail: Annotated[str, Meta(description="The reason, for a person.")]
    failed_rules: Annotated[list[str], Meta(description="The rules that a flagged bar fails.")]
    archive_seq: Annotated[
        int | None, Meta(description="The payload it comes from, or that leaves it out; null where none was fetched.")
    ]


class SessionAudit(Struct, frozen=True):
    """A session, raw against cleaned: raw_rows = current + superseded + rejected, superseded = revised + repeated."""

    session: dt.date
    is_session: Annotated[bool, Meta(description="Whether the exchange was open on the date.")]
    generation: GenerationRef
    payloads: Annotated[int, Meta(description="Payloads that may speak of the session.")]
    raw_rows: Annotated[int, Meta(description="Rows of the session in them.")]
    current: Annotated[int, Meta(description="Bars.")]
    superseded: Annotated[int, Meta(description="Rows that no longer stand.")]
    revised: Annotated[int, Meta(description="Of those, the ones believed until a later one restated them.")]
    repeated: Annotated[int, Meta(description="Of those, the ones that said what was known.")]
    rejected: int
    validated: Annotated[int, Meta(description="Bars that are validated.")]
    missing: Annotated[int, Meta(description="Tickers that have bars around the session, and none in it.")]
    checked: Annotated[list[str], Meta(description="What was proved of the session, or there were no answer.")]
    found: Annotated[int, Meta(description="Differences of the kind and rule asked for, on all pages.")]
    count: Annotated[int, Meta(description="Differences on this page.")]
    next_cursor: NextCursor
    differences: list[DifferenceRow]


async def audit_of_session(request: Request, params: AuditParams) -> Response:
    """Answer with the audit of a session."""
    of = f"audit {params.date}"
    after = None if params.cursor is None else decode_cursor(params.cursor, (str, str, int, int), of=of)

    async def read(connection: asyncpg.Connection) -> Audit:
        return await audit_session(connection, params.date)

    audit = await aside_of(request).read(read)
    wanted = [row for row in audit.differences if _is_wanted(row, params)]
    ordered = sorted(_with_keys(wanted), key=lambda each: each[0])
    rest = [each for each in ordered if after is None or each[0] > after]
    page = rest[: params.limit]
    answer = _answer(
        audit,
        found=len(wanted),
        next_cursor=encode_cursor(*page[-1][0], of=of) if len(rest) > len(page) else None,
        rows=[_row(difference) for _, difference in page],
    )
    return await answer_rows(request, answer, "differences", answer.differences)


def _is_wanted(row: Difference, params: AuditParams) -> bool:
    if params.kind is not None and row.kind != params.kind:
        return False
    return params.rule is None or any(verdict.rule == params.rule for verdict in row.failed)


def _with_keys(rows: list[Difference]) -> Iterator[tuple[_Key, Difference]]:
    """Yield each difference with a key of its own, by which they are told in the same order each time."""
    alike: Counter[tuple[str, str, int]] = Counter()
    for row in rows:
        key = (row.kind, row.ticker or "", row.archive_seq or 0)
        yield (*key, alike[key]), row
        alike[key] += 1


def _row(row: Difference) -> DifferenceRow:
    kind: Kind = row.kind  # type: ignore[assignment]
    return DifferenceRow(row.ticker, kind, row.detail, [verdict.rule for verdict in row.failed], row.archive_seq)


def _answer(audit: Audit, *, found: int, next_cursor: str | None, rows: list[DifferenceRow]) -> SessionAudit:
    return SessionAudit(
        session=audit.session,
        is_session=audit.is_session,
        generation=GenerationRef(audit.generation_id, audit.checkpoint, audit.ruleset_hash),
        payloads=audit.payloads,
        raw_rows=audit.raw_rows,
        current=audit.current,
        superseded=audit.superseded,
        revised=audit.revised,
        repeated=audit.repeated,
        rejected=audit.rejected,
        validated=audit.validated,
        missing=audit.missing,
        checked=list(audit.checked),
        found=found,
        count=len(rows),
        next_cursor=next_cursor,
        differences=rows,
    )


OPERATION = Operation(
    path="/api/v1/audit/{date}",
    summary="A session, raw against cleaned",
    description=(
        "What the payloads say of a session, decoded afresh and set against the tables, so that the counts add up: "
        "raw_rows = current + superseded + rejected. Each difference has its reason. Where the tables do not hold what "
        "the payloads say, the answer is audit_failed with the first that is not the same. It takes about a second "
        "for the whole market and one is made at a time, so it is not for polling."
    ),
    params=AuditParams,
    answer=SessionAudit,
    example=SessionAudit(
        session=dt.date(2024, 1, 16),
        is_session=True,
        generation=EXAMPLE_GENERATION,
        payloads=3,
        raw_rows=10_877,
        current=10_853,
        superseded=21,
        revised=20,
        repeated=1,
        rejected=3,
        validated=10_640,
        missing=12,
        checked=list(CHECKED),
        found=1,
        count=1,
        next_cursor=None,
        differences=[
            DifferenceRow(
                symbol="SPRC",
                kind="flagged",
                detail="large_gap (0.2143): score 0.8",
                failed_rules=["large_gap"],
                archive_seq=981,
            )
        ],
    ),
    handle=audit_of_session,
    errors=(
        InvalidParameter("date", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        AuditFailed("audit 2024-01-16: AAPL: nothing in bar, by the archive there is 181.16 182.93 180.3 …"),
        PayloadDamaged(16),
        TooBusy(8, "audits and counts of gaps"),
        *READ_ERRORS,
    ),
    rows="differences",
)
