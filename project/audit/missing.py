"""The tickers that have no bar in a session though they have bars around it, each with the reason where it is known.

Within one session only; what is missing over years, and since when, is told by `project gaps`.
"""

import datetime as dt

import asyncpg
import msgspec

from archive.calendar import exchange_calendar
from archive.payload import Endpoint
from project.audit.evidence import Evidence
from sql import load_queries

_MISSING = load_queries("audit.sql")["missing_in_session"]
_LONGEST_CLOSURE = dt.timedelta(days=14)  # the exchange was shut for a week in September 2001


class Missing(msgspec.Struct, frozen=True):
    """A ticker without a bar. `archive_seq` is the payload that rejected it, or the last one that left it out."""

    ticker: str
    reason: str
    archive_seq: int | None


async def find_missing(connection: asyncpg.Connection, evidence: Evidence) -> list[Missing]:
    """Return the tickers that have bars before and after the session, or one in the session just before, and none in
    it; none on a date that is no session.
    """
    calendar = exchange_calendar()
    if not calendar.between(evidence.session, evidence.session):
        return []
    near = calendar.between(evidence.session - _LONGEST_CLOSURE, evidence.session)
    before = near[-2] if len(near) > 1 else None
    rejected = {row.ticker: row for row in evidence.rejections_here() if row.ticker is not None}
    whole = [each.archive_seq for each in evidence.sent if each.answered and each.endpoint is Endpoint.GROUPED]
    single = {each.ticker: each.archive_seq for each in evidence.sent if each.answered and each.ticker is not None}
    missing = []
    for ticker, last_session in await connection.fetch(_MISSING, evidence.session, before, evidence.ticker):
        if ticker in rejected:
            row = rejected[ticker]
            reason, archive_seq = f"rejected: {', '.join(row.reasons)}", row.archive_seq
        elif answers := [*whole, *([single[ticker]] if ticker in single else [])]:
            reason, archive_seq = "the vendor's answers leave it out", max(answers)
        else:
            reason, archive_seq = "not fetched", None
        if last_session < evidence.session:
            reason += f"; its last bar is of {last_session}"
        missing.append(Missing(ticker, reason, archive_seq))
    return missing
