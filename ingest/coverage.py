"""What the archive already has: for which dates each ticker was answered for, derived from payloads and assessments.

An answer covers the dates it was asked for, with or without rows: the vendor has spoken. It does not cover sessions
that had not settled when it was fetched, nor the newest ones of which it has no bar and which may yet come, nor what
stands on a next page that never came. "Your plan does not reach
back so far" covers too, since asking again cannot help. It decides nothing about what to fetch.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import asyncpg
import msgspec

from archive.payload import Endpoint
from ingest.assess import ASSESSOR, Outcome
from ingest.endpoints import SOURCE, tickers_asked
from ingest.period import last_settled, last_surely_absent
from sql import load_queries

_ANSWERED = load_queries("ingest.sql")["answered"]
_SETTLING = (Outcome.ANSWER, Outcome.EMPTY, Outcome.NEVER)


class Answered(msgspec.Struct, frozen=True):
    """A request that the archive has an answer for: the request, and what its assessment says."""

    endpoint: Endpoint
    request: str
    ticker: str | None
    from_date: dt.date | None
    to_date: dt.date | None
    fetched_at: dt.datetime
    run_id: uuid.UUID
    outcome: Outcome
    row_count: int = 0
    last_session: dt.date | None = None
    next_request: str | None = None


class Span(msgspec.Struct, frozen=True, order=True):
    """The dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date


class TickerCoverage(msgspec.Struct, frozen=True):
    """The dates a ticker was answered for: spans in order that do not touch; `beyond_plan` are those of them that the
    vendor will never give; `row_count` bars came in all."""

    spans: tuple[Span, ...] = ()
    beyond_plan: tuple[Span, ...] = ()
    row_count: int = 0


NOTHING = TickerCoverage()


class Coverage(msgspec.Struct, frozen=True):
    """What the archive has. `splits_at` and `dividends_at` say when the newest whole list of a ticker was fetched,
    under None that of the whole market."""

    tickers: Mapping[str, TickerCoverage] = {}
    market: TickerCoverage = NOTHING
    splits_at: Mapping[str | None, dt.datetime] = {}
    dividends_at: Mapping[str | None, dt.datetime] = {}

    def of(self, ticker: str) -> TickerCoverage:
        """Return what the archive has of one ticker by name."""
        return self.tickers.get(ticker, NOTHING)

    def listed_at(self, endpoint: Endpoint, ticker: str | None) -> dt.datetime | None:
        """Return when the newest whole list of a ticker's splits or dividends was fetched; the market's counts."""
        lists = self.splits_at if endpoint is Endpoint.SPLITS else self.dividends_at
        return max((lists[key] for key in (ticker, None) if key in lists), default=None)


async def read_coverage(pool: asyncpg.Pool) -> Coverage:
    """Return what the archive has of this vendor, as far as payloads are assessed."""
    rows = await pool.fetch(_ANSWERED, SOURCE, ASSESSOR, [outcome.value for outcome in _SETTLING])
    return coverage_of([_answered(row) for row in rows])


def coverage_of(answers: Sequence[Answered]) -> Coverage:
    """Return what these answers, in the order of the archive, cover."""
    by_ticker: dict[str, list[Answered]] = defaultdict(list)
    market: list[Answered] = []
    for answer in answers:
        if answer.endpoint is Endpoint.RANGE and answer.ticker is not None:
            by_ticker[answer.ticker].append(answer)
        elif answer.endpoint is Endpoint.GROUPED:
            market.append(answer)
    return Coverage(
        tickers={ticker: _ticker_coverage(of_ticker) for ticker, of_ticker in by_ticker.items()},
        market=_ticker_coverage(market),
        splits_at=_listed(answers, Endpoint.SPLITS),
        dividends_at=_listed(answers, Endpoint.DIVIDENDS),
    )


def _answered(row: asyncpg.Record) -> Answered:
    facts = dict(row)
    return Answered(endpoint=Endpoint(facts.pop("endpoint")), outcome=Outcome(facts.pop("outcome")), **facts)


def _ticker_coverage(answers: Sequence[Answered]) -> TickerCoverage:
    return TickerCoverage(
        spans=_merged(_covered(answer) for answer in answers),
        beyond_plan=_merged(_covered(answer) for answer in answers if answer.outcome is Outcome.NEVER),
        row_count=sum(answer.row_count for answer in answers),
    )


def _covered(answer: Answered) -> Span | None:
    """Return the dates that one answer settles."""
    if answer.from_date is None or answer.to_date is None:
        return None
    last = min(answer.to_date, last_settled(answer.fetched_at))
    seen = answer.last_session or dt.date.min
    if answer.next_request is not None:
        last = min(last, seen)
    elif answer.outcome is not Outcome.NEVER:
        last = min(last, max(seen, last_surely_absent(answer.fetched_at)))
    return Span(answer.from_date, last) if answer.from_date <= last else None


def _merged(spans: Iterable[Span | None]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for span in sorted(span for span in spans if span is not None):
        if merged and span.first <= merged[-1].last + dt.timedelta(days=1):
            merged[-1] = Span(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return tuple(merged)


def _listed(answers: Sequence[Answered], endpoint: Endpoint) -> dict[str | None, dt.datetime]:
    """Return when the newest list with all its pages was fetched, by ticker; a list is as old as its first page."""
    pages = {(a.run_id, a.request): a for a in answers if a.endpoint is endpoint and a.outcome is not Outcome.NEVER}
    listed: dict[str | None, dt.datetime] = {}
    for page in pages.values():
        # A page that is not the first of a list names no ticker.
        for ticker in tickers_asked(page.request) if _is_whole(page, pages) else ():
            listed[ticker] = max(listed.get(ticker, page.fetched_at), page.fetched_at)
    return listed


def _is_whole(head: Answered, pages: Mapping[tuple[uuid.UUID, str], Answered]) -> bool:
    seen: set[str] = set()
    page: Answered | None = head
    while page is not None and page.next_request is not None and page.request not in seen:
        seen.add(page.request)
        page = pages.get((page.run_id, page.next_request))
    return page is not None and page.next_request is None
