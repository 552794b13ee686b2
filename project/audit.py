"""The audit of a session: what the payloads say of it, set against what the tables hold, so that the counts add up.

The raw side is decoded afresh from the archive and shares no row with the projection's tables: raw rows = current
bars + superseded + rejected, or the audit fails.
"""

import datetime as dt

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.read import read_payloads_about
from project.batch import Batch
from project.errors import AuditFailed
from project.generation import live_generation
from project.judged import JudgedBars
from project.resolve import Resolved, resolve
from project.rows import VALUES, join
from project.ruleset import Ruleset
from project.skip import read_skips
from project.store import bars_of_records
from sql import load_queries

_QUERIES = load_queries("project.sql")
_REJECTED = _QUERIES["rejected_in_session"]
_BARS = _QUERIES["bars_in_session"]
_EPOCH = dt.date(1970, 1, 1)


class Difference(msgspec.Struct, frozen=True):
    """One way in which the cleaned session is not the raw one: a row rejected, a bar restated or failing a rule."""

    ticker: str | None
    kind: str
    detail: str
    archive_seq: int


class Audit(msgspec.Struct, frozen=True):
    """A session, raw against cleaned: raw_rows = current + superseded + rejected."""

    session: dt.date
    ticker: str | None
    is_session: bool
    payloads: int
    raw_rows: int
    current: int
    superseded: int
    rejected: int
    validated: int
    differences: list[Difference]


async def audit_session(connection: asyncpg.Connection, session: dt.date, ticker: str | None = None) -> Audit:
    """Return the audit of one session, of the whole market or of one ticker.

    Raises: AuditFailed when the tables do not hold what the payloads say; NothingProjected.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        generation, ruleset = await live_generation(connection)
        rejected = await connection.fetch(_REJECTED, session, ticker)
        named = [row["archive_seq"] for row in rejected]
        batch = Batch(exchange_calendar(), ruleset, await read_skips(connection))
        async for payload in read_payloads_about(connection, session, ticker, named):
            if payload.archive_seq <= generation.checkpoint:
                batch.add(payload)
        cleaned = bars_of_records(await connection.fetch(_BARS, session, ticker), batch.tickers)
    resolved = _resolve_session(batch, session, ticker)
    raw_rejections = [row for row in batch.rejections if row.session == session and ticker in (None, row.ticker)]
    _require_equal(session, resolved, cleaned, batch)
    if {(row["archive_seq"], row["row_index"]) for row in rejected} != {
        (row.archive_seq, row.row_index) for row in raw_rejections
    }:
        raise AuditFailed(session, f"the archive has {len(raw_rejections)} rows to reject, the table {len(rejected)}")
    return Audit(
        session=session,
        ticker=ticker,
        is_session=bool(exchange_calendar().between(session, session)),
        payloads=batch.payloads,
        raw_rows=len(resolved.rows) + len(raw_rejections),
        current=len(cleaned),
        superseded=len(resolved.rows) - len(cleaned),
        rejected=len(rejected),
        validated=int(cleaned.validated.sum()),
        differences=[
            *(Difference(row["ticker"], "rejected", ", ".join(row["reasons"]), row["archive_seq"]) for row in rejected),
            *_restated(resolved, batch),
            *_failed(cleaned, ruleset, batch),
        ],
    )


def _resolve_session(batch: Batch, session: dt.date, ticker: str | None) -> Resolved:
    rows = join(batch.bars)
    wanted = rows.day == (session - _EPOCH).days
    if ticker is not None:
        wanted &= rows.ticker == batch.tickers.code(ticker)
    return resolve(rows.take(wanted), batch.tickers.ranks())


def _require_equal(session: dt.date, resolved: Resolved, cleaned: JudgedBars, batch: Batch) -> None:
    raw = resolved.rows.take(resolved.current)
    ranks = batch.tickers.ranks()
    table = cleaned.bars.take(np.argsort(ranks[cleaned.bars.ticker]))
    if len(raw) != len(table) or not np.array_equal(raw.ticker, table.ticker):
        raise AuditFailed(session, f"the archive has bars of {len(raw)} tickers, the table of {len(table)}")
    wrong = ~np.all((raw.values == table.values) | (np.isnan(raw.values) & np.isnan(table.values)), axis=0)
    wrong |= raw.archive_seq != table.archive_seq
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        name = batch.tickers.names[raw.ticker[place]]
        raise AuditFailed(session, f"{name} in the table is not what payload {raw.archive_seq[place]} says; rebuild")


def _restated(resolved: Resolved, batch: Batch) -> list[Difference]:
    differences = []
    for old, new in zip(resolved.revised.tolist(), resolved.revised_by.tolist(), strict=True):
        before, after = resolved.rows.values[:, old], resolved.rows.values[:, new]
        changes = [
            f"{name} {before[place]:.10g} → {after[place]:.10g}"
            for place, name in enumerate(VALUES)
            if before[place] != after[place] and not (np.isnan(before[place]) and np.isnan(after[place]))
        ]
        ticker = batch.tickers.names[resolved.rows.ticker[new]]
        differences.append(Difference(ticker, "restated", ", ".join(changes), int(resolved.rows.archive_seq[new])))
    return differences


def _failed(cleaned: JudgedBars, ruleset: Ruleset, batch: Batch) -> list[Difference]:
    measures = {"large_gap": cleaned.gap, "volume_anomaly": cleaned.volume_ratio}
    differences = []
    for place in np.flatnonzero(cleaned.failed_rules).tolist():
        failed = [use.name for bit, use in enumerate(ruleset.rules) if int(cleaned.failed_rules[place]) >> bit & 1]
        detail = ", ".join(f"{name} ({measures[name][place]:.4g})" if name in measures else name for name in failed)
        ticker = batch.tickers.names[cleaned.bars.ticker[place]]
        score = f"{detail}: score {cleaned.quality_score[place]:g}"
        differences.append(Difference(ticker, "flagged", score, int(cleaned.bars.archive_seq[place])))
    return differences
