"""Deciding: is there something to decide on, then the decision is archived and takes effect at once.

The checks are for the person who decides; replay makes no use of them and takes in whatever decision it meets. It
knows no command line.
"""

import datetime as dt
from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from archive.calendar import exchange_calendar
from archive.read import read_payload
from project.batch import Batch
from project.decide.decisions import Decision, Verb, record_decision
from project.decide.skip import read_skips
from project.errors import DecisionWaits, ProjectError, RefusedDecision, UndecodablePayload
from project.generation import live_generation
from project.replay import catch_up
from project.ruleset import Ruleset
from sql import load_queries

_QUERIES = load_queries("decisions.sql")
_BAR_VERDICT = _QUERIES["bar_verdict"]
_OVERRIDES_LISTED = _QUERIES["overrides_listed"]


class BarVerdict(msgspec.Struct, frozen=True):
    """What is believed of one bar: the rules' score, and who decided `override` (payload `decision`), if anybody."""

    validated: bool
    quality_score: float
    failed_rules: tuple[str, ...]
    override: str | None
    because: str | None
    decided_by: str | None
    decision: int | None


class Decided(msgspec.Struct, frozen=True):
    """A bar before and after a decision; `archive_seq` is None where there was nothing to change."""

    ticker: str
    session: dt.date
    archive_seq: int | None
    before: BarVerdict
    after: BarVerdict


class OverrideListed(msgspec.Struct, frozen=True):
    """A version of an override with its bar as it is now.

    `ended_at` and `ended_by` are None while it holds; `validated` and the score are None where there is no bar;
    `restated_since` says that the vendor gave the bar other values after the decision.
    """

    ticker: str
    session: dt.date
    verdict: str
    because: str
    decided_by: str
    decided_at: dt.datetime
    archive_seq: int
    ended_at: dt.datetime | None
    ended_by: int | None
    validated: bool | None
    quality_score: float | None
    restated_since: bool | None


async def decide_on_bar(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, decision: Decision, now: Callable[[], dt.datetime]
) -> Decided:
    """Archive a decision on a bar and project it; return the bar before and after.

    An override that says what an override says already is not archived again.

    Raises: RefusedDecision for a date that is no session, a bar that is not there, a revoke of nothing; what
    `catch_up` raises, and then nothing was archived; DecisionWaits when it was.
    """
    assert decision.ticker is not None
    assert decision.session is not None
    ticker, session = decision.ticker, decision.session
    _require_session(ticker, session)
    await catch_up(project_pool, now)
    before = await _read_verdict(project_pool, ticker, session)
    if before is None:
        raise RefusedDecision(
            f"{ticker} {session} has no bar; `audit {session} {ticker}` says what payloads have of it"
        )
    if decision.decision is Verb.REVOKE and before.override is None:
        raise RefusedDecision(f"{ticker} {session} is not overridden; `project overrides {ticker}` lists what is")
    if before.override == decision.decision:
        return Decided(ticker, session, None, before, before)
    archive_seq = await record_decision(ingest_pool, decision)
    try:
        await catch_up(project_pool, now)
    except ProjectError as exc:
        raise DecisionWaits(archive_seq, exc) from exc
    after = await _read_verdict(project_pool, ticker, session)
    assert after is not None
    return Decided(ticker, session, archive_seq, before, after)


async def decide_to_skip(
    ingest_pool: asyncpg.Pool, ruleset: Ruleset, payloads: Sequence[int], because: str, by: str, at: dt.datetime
) -> dict[int, int]:
    """Archive the decisions that payloads hold no rows; return each payload with its decision's archive_seq.

    Every payload is looked at before the first decision is archived. One that is skipped already keeps its decision.

    Raises: UnknownPayload; DamagedPayload; RefusedDecision for a payload that decodes.
    """
    skips = await read_skips(ingest_pool)
    decided = {seq: skips[seq].archive_seq for seq in payloads if seq in skips}
    wanted = [seq for seq in dict.fromkeys(payloads) if seq not in decided]
    decisions = [Decision(Verb.SKIP_PAYLOAD, None, None, seq, because, by, at) for seq in wanted]
    for seq in wanted:
        await _require_undecodable(ingest_pool, ruleset, seq)
    for decision, seq in zip(decisions, wanted, strict=True):
        decided[seq] = await record_decision(ingest_pool, decision)
    return decided


async def list_overrides(pool: asyncpg.Pool, ticker: str | None, *, ended: bool) -> list[OverrideListed]:
    """Return the overrides of the live projection, of one ticker if given, in order of bar and archive_seq.

    Raises: NothingProjected; OutdatedProjection.
    """
    async with pool.acquire() as connection:
        await live_generation(connection)
        rows = await connection.fetch(_OVERRIDES_LISTED, ticker, ended)
    return [OverrideListed(**dict(row)) for row in rows]


def _require_session(ticker: str, session: dt.date) -> None:
    if not exchange_calendar().between(session, session):
        raise RefusedDecision(f"{ticker} {session} has no bar: the exchange held no session on that date")


async def _read_verdict(pool: asyncpg.Pool, ticker: str, session: dt.date) -> BarVerdict | None:
    async with pool.acquire() as connection:
        await live_generation(connection)
        row = await connection.fetchrow(_BAR_VERDICT, ticker, session)
    return None if row is None else msgspec.convert(dict(row), BarVerdict)


async def _require_undecodable(pool: asyncpg.Pool, ruleset: Ruleset, archive_seq: int) -> None:
    payload = await read_payload(pool, archive_seq)
    try:
        Batch(exchange_calendar(), ruleset, {}).add(payload)
    except UndecodablePayload:
        return
    raise RefusedDecision(f"payload {archive_seq} decodes: there is nothing to skip")
