"""GET /api/v1/audit/{symbol}/{date}: the whole story of one bar."""

import datetime as dt
from uuid import UUID

import asyncpg
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS, AuditFailed, InvalidParameter, PayloadDamaged, TooBusy, UnknownSymbol
from api.operation import Operation
from api.params import Symbol
from api.records.aside import aside_of
from api.records.audit_session import AuditedDate
from api.records.known_symbol import require_known
from archive.payload import Endpoint
from project.audit.bar import BarAudit, CleanedBar, Said, audit_bar
from project.audit.session import CHECKED, Audit
from project.audit.verdict import Verdict


class BarAuditParams(Struct, frozen=True, kw_only=True):
    """Which bar is audited."""

    symbol: Symbol
    date: AuditedDate


async def audit_of_bar(request: Request, params: BarAuditParams) -> Response:
    """Answer with the story of one bar."""

    async def read(connection: asyncpg.Connection) -> BarAudit:
        found = await audit_bar(connection, params.date, params.symbol)
        if not found.said and not found.actions:
            await require_known(connection, params.symbol)
        return found

    return json_answer(await aside_of(request).read(read))


_FETCHED_AT = dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC)

OPERATION = Operation(
    path="/api/v1/audit/{symbol}/{date}",
    summary="The whole story of one bar",
    description=(
        "Every row of a payload that ever spoke of the bar, as it was sent, and what became of it; the bar with the "
        "verdict of each rule, what was believed of it before, splits and dividends of the session, and what a person "
        "decided. All of it is proved against the payloads, or the answer is audit_failed."
    ),
    params=BarAuditParams,
    answer=BarAudit,
    example=BarAudit(
        audit=Audit(
            session=dt.date(2024, 1, 16),
            ticker="AAPL",
            generation_id=UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"),
            checkpoint=1024,
            ruleset_hash="9f86d081884c7d65…",
            is_session=True,
            payloads=1,
            raw_rows=1,
            current=1,
            superseded=0,
            revised=0,
            repeated=0,
            rejected=0,
            validated=1,
            missing=0,
            checked=CHECKED,
            differences=[],
        ),
        ruleset_hash="9f86d081884c7d65…",
        said=[
            Said(
                archive_seq=16,
                row_index=10_080,
                fetched_at=_FETCHED_AT,
                source="polygon",
                endpoint=Endpoint.RANGE,
                raw='{"v":6.560224e+07,"o":182.16,"c":183.63,"h":184.26,"l":180.934,"t":1705381200000}',
                outcome="current",
            )
        ],
        silent=[],
        bar=CleanedBar(
            values={
                "open": 182.16,
                "high": 184.26,
                "low": 180.934,
                "close": 183.63,
                "volume": 65_602_240.0,
                "vwap": None,
                "trades": None,
            },
            gap=-0.0202,
            volume_ratio=1.29,
            quality_score=1.0,
            validated=True,
            archive_seq=16,
            known_from=_FETCHED_AT,
        ),
        verdicts=[
            Verdict("large_gap", True, -0.0202, {"limit": 0.1}, 0.2, None, "abs(open / previous close - 1) > 10 %")
        ],
        revisions=[],
        actions=[],
        overrides=[],
    ),
    handle=audit_of_bar,
    errors=(
        UnknownSymbol("AAPLX"),
        InvalidParameter("date", "2023-02-30", "must be a date that exists, written YYYY-MM-DD"),
        AuditFailed("audit 2024-01-16: AAPL: nothing in bar, by the archive there is 181.16 182.93 180.3 …"),
        PayloadDamaged(16),
        TooBusy(8, "audits and counts of gaps"),
        *READ_ERRORS,
    ),
)
