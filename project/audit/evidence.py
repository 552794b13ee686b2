"""The evidence on a session: what the payloads say of it, decoded afresh, and what the tables hold.

It gathers, for the audit to set one against the other; the two sides share no row. Payloads are decoded one by one and
of each only the rows of the session are kept, so it needs memory for a session, whatever the payloads hold beside it.
"""

import datetime as dt

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.payload import Endpoint, Payload
from archive.read import read_payloads_about
from project.audit.raw_rows import RawRow, count_rows, find_row, holds_bars
from project.batch import Batch
from project.compare.table_diff import VERDICTS
from project.decide.override import Override, overrides_of, overrule
from project.decide.skip import WHOLE_PAYLOAD, read_skips
from project.errors import AuditFailed
from project.factors.circumstances import read_applied
from project.generation import Generation, live_generation
from project.judged import JudgedBars, judge_bars, nothing_judged
from project.kinds import read_records
from project.rejection import Rejection, rejection_from
from project.resolve import Resolved, resolve
from project.rows import VALUES, BarRows, Ints, Tickers, join, sort_keys
from project.ruleset import Ruleset
from project.series import actions_of
from project.store import bars_of_records
from project.unload import Revisions
from sql import load_queries

_QUERIES = load_queries("audit.sql")
_PAYLOADS_WITH_REJECTED = _QUERIES["payloads_with_rejected_bars"]
_REJECTIONS = _QUERIES["rejections_of_payloads"]
_BARS = _QUERIES["bars_in_session"]
_BARS_UP_TO = _QUERIES["bars_up_to"]
_REVISIONS = _QUERIES["revisions_in_session"]
_OVERRIDES = _QUERIES["overrides_in_session"]
_EPOCH = dt.date(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_PART_TICKERS = 2_000


class Sent(msgspec.Struct, frozen=True):
    """A payload that may speak of the session: whether it is an answer, and the raw row of the one ticker asked for."""

    archive_seq: int
    fetched_at: dt.datetime
    source: str
    endpoint: Endpoint
    ticker: str | None
    answered: bool
    raw: RawRow | None


class Evidence(msgspec.Struct, frozen=True):
    """Both sides. Of the archive: `sent`, `resolved`, `rejections` (of the whole payloads); of the tables: the rest.

    `judged_again` is what the rules say now of the bars of `cleaned`, by the bars before them.
    """

    session: dt.date
    ticker: str | None
    generation: Generation
    ruleset: Ruleset
    tickers: Tickers
    sent: list[Sent]
    resolved: Resolved
    rejections: list[Rejection]
    rejected: list[Rejection]
    cleaned: JudgedBars
    judged_again: JudgedBars
    revisions: Revisions
    overrides: list[Override]

    def rejections_here(self) -> list[Rejection]:
        """Return the rejected rows of the session, of the one ticker if one was asked for."""
        return [row for row in self.rejections if row.session == self.session and self.ticker in (None, row.ticker)]


async def gather(connection: asyncpg.Connection, session: dt.date, ticker: str | None) -> Evidence:
    """Return the evidence on a session, of the whole market or of one ticker.

    Raises: AuditFailed for a payload whose rows were not all made bars or rejections; NothingProjected.
    """
    generation, ruleset = await live_generation(connection)
    batch = Batch(exchange_calendar(), ruleset, await read_skips(connection))
    named = [row["archive_seq"] for row in await connection.fetch(_PAYLOADS_WITH_REJECTED, session, ticker)]
    sent = [
        _take(batch, payload, session, ticker)
        async for payload in read_payloads_about(connection, session, ticker, named)
        if payload.archive_seq <= generation.checkpoint and holds_bars(payload)
    ]
    tickers = batch.tickers
    cleaned = bars_of_records(await connection.fetch(_BARS, session, ticker), tickers)
    revisions = revisions_of_records(await connection.fetch(_REVISIONS, session, ticker), tickers)
    return Evidence(
        session=session,
        ticker=ticker,
        generation=generation,
        ruleset=ruleset,
        tickers=tickers,
        sent=sent,
        resolved=resolve(join(batch.bars), tickers.ranks()),
        rejections=batch.rejections,
        rejected=list(map(rejection_from, await connection.fetch(_REJECTIONS, [each.archive_seq for each in sent]))),
        cleaned=cleaned,
        judged_again=await _judge_again(connection, cleaned, session, tickers, ruleset),
        revisions=revisions,
        overrides=[Override(**row) for row in await connection.fetch(_OVERRIDES, session, ticker)],
    )


def _take(batch: Batch, payload: Payload, session: dt.date, ticker: str | None) -> Sent:
    """Decode one more payload and keep of its bars those that are meant."""
    parts, rejections = len(batch.bars), len(batch.rejections)
    batch.add(payload)
    rows, refused = join(batch.bars[parts:]), batch.rejections[rejections:]
    answered = len(batch.bars) > parts
    require_all_rows(payload, len(rows), refused, session)
    wanted = rows.day == (session - _EPOCH).days
    if ticker is not None:
        wanted &= rows.ticker == batch.tickers.code(ticker)
    batch.bars[parts:] = [rows.take(wanted)]
    raw = None
    if ticker is not None and wanted.any():
        raw = find_row(payload, ticker, session, {row.row_index for row in refused})
        if raw is None:
            seq = payload.archive_seq
            raise AuditFailed(session, f"payload {seq} has no row of {ticker}, but a bar was read from it", seq)
    response = payload.response
    return Sent(
        payload.archive_seq,
        response.fetched_at,
        response.source,
        response.request.endpoint,
        response.request.ticker,
        answered,
        raw,
    )


def require_all_rows(payload: Payload, accepted: int, rejections: list[Rejection], session: dt.date | None) -> int:
    """Return how many rows a payload of bars holds; 0 for one that a person decided to skip.

    Raises: AuditFailed when they are not as many as were made bars or rejections.
    """
    if any(row.row_index == WHOLE_PAYLOAD for row in rejections):
        return 0
    count = count_rows(payload)
    if count != accepted + len(rejections):
        why = f"it has {count:,} rows, of which {accepted:,} are bars and {len(rejections):,} rejected"
        seq = payload.archive_seq
        raise AuditFailed(session, why if session is None else f"payload {seq}: {why}", seq)
    return count


async def _judge_again(
    connection: asyncpg.Connection, cleaned: JudgedBars, session: dt.date, tickers: Tickers, ruleset: Ruleset
) -> JudgedBars:
    """Return what the rules say of bars of a session, by the bars before them and the records that the tables hold."""
    codes = np.unique(cleaned.bars.ticker)
    parts = [codes[start : start + _PART_TICKERS] for start in range(0, len(codes), _PART_TICKERS)]
    return joined([await _judge_part(connection, part, session, tickers, ruleset) for part in parts])


async def _judge_part(
    connection: asyncpg.Connection, codes: Ints, session: dt.date, tickers: Tickers, ruleset: Ruleset
) -> JudgedBars:
    names = [tickers.names[code] for code in codes.tolist()]
    bars = bars_of_records(await connection.fetch(_BARS_UP_TO, names, session, ruleset.volume_window + 1), tickers).bars
    bars = bars.take(np.argsort(sort_keys(bars.ticker, bars.day, tickers.ranks())))
    actions = actions_of(await read_applied(connection, names), tickers)
    overrides = overrides_of(await read_records(connection, "override", names), tickers)
    judged = overrule(judge_bars(bars, tickers, actions, ruleset), overrides)
    return judged.take(judged.bars.day == (session - _EPOCH).days)


def joined(parts: list[JudgedBars]) -> JudgedBars:
    """Return the bars of all parts, one after the other."""
    parts = [nothing_judged(), *parts]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in VERDICTS)
    return JudgedBars(join([part.bars for part in parts]), *columns)


def revisions_of_records(records: list[asyncpg.Record], tickers: Tickers) -> Revisions:
    """Return rows of the bar_revision table as columns."""
    count = len(records)
    old = BarRows(
        tickers.codes([record["ticker"] for record in records]),
        np.array([record["session"] for record in records], "datetime64[D]").astype(np.int64),
        np.array([[record[name] for record in records] for name in VALUES], np.float64).reshape(len(VALUES), count),
        np.array([record["archive_seq"] for record in records], np.int64),
        _microseconds(records, "known_from"),
    )
    superseded_by = np.array([record["superseded_by"] for record in records], np.int64)
    return Revisions(old, _microseconds(records, "known_to"), superseded_by)


def _microseconds(records: list[asyncpg.Record], name: str) -> Ints:
    return np.array([(record[name] - _EPOCH_UTC) // dt.timedelta(microseconds=1) for record in records], np.int64)
