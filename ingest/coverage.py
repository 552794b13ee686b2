"""What the archive already has: for which dates each ticker was answered for, derived from payloads and assessments.

An answer with rows settles the dates from its first row to its last and no more: a vendor that silently cuts a range
short says nothing of what it leaves out, so the edges are settled by an answer of their own, be it an empty one. No
answer settles sessions that had not settled when it was fetched, or that are due for another look by now; and that the
whole market had no bar on a session of the calendar is believed when a second run was told so.

"Your plan does not reach back so far" settles too, since asking again cannot help, and for every ticker, since it
speaks of dates; it holds until a bar from those dates comes, or the plan has another name. It decides nothing about
what to fetch.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import asyncpg
import msgspec

from archive.payload import Endpoint
from ingest.assess import ASSESSOR, Outcome
from ingest.endpoints import FOR_REFERENCE, SOURCE, tickers_asked
from ingest.flat.source import FLAT_SOURCE
from ingest.period import Span, last_surely_absent, looked_at
from sql import load_queries

_ANSWERED = load_queries("ingest.sql")["answered"]
_ANSWERS = (Outcome.ANSWER, Outcome.EMPTY)
_REFUSALS = (Outcome.NEVER, Outcome.NOT_ENTITLED)
LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


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
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    otc: bool = False
    next_request: str | None = None
    vendor_plan: str | None = None


class TickerCoverage(msgspec.Struct, frozen=True):
    """The dates a ticker was answered for, as spans in order that do not overlap: `spans` are all of them, `silent`
    those of them for which an answer came without a bar; `asked` are dates asked for and answered, if only in part;
    `beyond_plan` are dates that the vendor refused for good. `row_count` bars came, the oldest of `first_bar`; `otc`
    says that the newest traded over the counter."""

    spans: tuple[Span, ...] = ()
    asked: tuple[Span, ...] = ()
    silent: tuple[Span, ...] = ()
    beyond_plan: tuple[Span, ...] = ()
    row_count: int = 0
    first_bar: dt.date | None = None
    otc: bool = False

    @property
    def in_market(self) -> bool:
        """Whether answers for the whole market speak of it: they leave out what trades over the counter, and tell
        nothing of a ticker that may not exist."""
        return not self.otc and not self.is_unknown

    @property
    def is_unknown(self) -> bool:
        """Whether the vendor was asked for it by name, and has never given a bar."""
        return bool(self.silent) and not self.row_count


NOTHING = TickerCoverage()


class Coverage(msgspec.Struct, frozen=True):
    """What the archive has. Up to `horizon` the vendor gives no date of any ticker. `lists_at` says when the newest
    whole list was fetched that begins with a target; `actions_at` says it of splits and dividends by ticker, under
    None of the whole market."""

    tickers: Mapping[str, TickerCoverage] = {}
    market: TickerCoverage = NOTHING
    horizon: dt.date = dt.date.min
    lists_at: Mapping[tuple[Endpoint, str], dt.datetime] = {}
    actions_at: Mapping[tuple[Endpoint, str | None], dt.datetime] = {}

    def of(self, ticker: str) -> TickerCoverage:
        """Return what the archive has of one ticker by name."""
        return self.tickers.get(ticker, NOTHING)

    def listed_at(self, endpoint: Endpoint, ticker: str | None) -> dt.datetime | None:
        """Return when the newest whole list of a ticker's splits or dividends was fetched; the market's counts."""
        lists = ((endpoint, key) for key in (ticker, None))
        return max((self.actions_at[key] for key in lists if key in self.actions_at), default=None)


async def read_coverage(
    pool: asyncpg.Pool, now: dt.datetime, plan: str = "", since: dt.datetime = LONG_AGO
) -> Coverage:
    """Return what the archive has of this vendor and its files at `now`, as far as payloads are assessed.

    Refusals count only if they came under the vendor plan of this name, and not before `since`.
    """
    outcomes = [outcome.value for outcome in (*_ANSWERS, *_REFUSALS)]
    rows = await pool.fetch(_ANSWERED, [SOURCE, FLAT_SOURCE], ASSESSOR, outcomes)
    answers = [_answered(row) for row in rows]
    return coverage_of([answer for answer in answers if _counts(answer, plan, since)], now)


def coverage_of(answers: Sequence[Answered], now: dt.datetime) -> Coverage:
    """Return what these answers, in the order of the archive, cover at `now`."""
    later_pages = {(answer.run_id, answer.next_request) for answer in answers if answer.next_request is not None}
    pieces: dict[str | None, list[_Piece]] = defaultdict(list)
    oldest_bar = dt.date.max
    horizon = dt.date.min
    once_empty = _once_empty(answers)
    for answer in reversed(answers):
        if answer.endpoint not in (Endpoint.RANGE, Endpoint.GROUPED):
            continue
        if answer.endpoint is Endpoint.GROUPED and answer.from_date in once_empty:
            continue
        piece = _piece(answer, is_first=(answer.run_id, answer.request) not in later_pages, oldest_bar=oldest_bar)
        if piece is None:
            continue
        if answer.outcome is Outcome.NEVER:
            horizon = max(horizon, piece.span.last)
        elif answer.row_count:
            oldest_bar = min(oldest_bar, piece.span.first)
        pieces[answer.ticker].append(piece)
    tickers = {ticker: _ticker_coverage(of_ticker, now) for ticker, of_ticker in pieces.items()}
    market = tickers.pop(None, NOTHING)
    lists_at = _lists_at(answers)
    return Coverage(
        tickers={ticker: coverage for ticker, coverage in tickers.items() if ticker is not None},
        market=market,
        horizon=horizon,
        lists_at=lists_at,
        actions_at=_actions_at(lists_at),
    )


def _once_empty(answers: Sequence[Answered]) -> set[dt.date | None]:
    """Return the sessions of which all that is known is one run's word that no ticker in the market had a bar."""
    said = defaultdict(set)
    for answer in answers:
        if answer.endpoint is Endpoint.GROUPED and answer.outcome in _ANSWERS:
            said[answer.from_date].add((answer.run_id, answer.row_count > 0))
    return {session for session, told in said.items() if len(told) == 1 and not any(rows for _, rows in told)}


class _Piece(msgspec.Struct, frozen=True):
    """The dates that one answer was asked for, and those that it speaks of."""

    answer: Answered
    asked: Span
    span: Span


def _counts(answer: Answered, plan: str, since: dt.datetime) -> bool:
    if answer.outcome not in _REFUSALS:
        return True
    return (answer.vendor_plan or "") == plan and answer.fetched_at >= since


def _answered(row: asyncpg.Record) -> Answered:
    facts = dict(row)
    return Answered(endpoint=Endpoint(facts.pop("endpoint")), outcome=Outcome(facts.pop("outcome")), **facts)


def _piece(answer: Answered, *, is_first: bool, oldest_bar: dt.date) -> _Piece | None:
    """Return an answer with the dates that it speaks of; `oldest_bar` is the first date of the bars that came later."""
    if answer.from_date is None or answer.to_date is None:
        return None
    asked = Span(answer.from_date, answer.to_date)
    if answer.endpoint is Endpoint.GROUPED and answer.row_count and answer.first_session is None:
        return None  # a flat file that is stamped with another session
    if answer.outcome is Outcome.NEVER:
        # A bar from those dates shows that the plan has come to include them.
        spoken = Span(dt.date.min, oldest_bar - dt.timedelta(days=1))
    elif answer.outcome is Outcome.NOT_ENTITLED or (answer.row_count and answer.endpoint is Endpoint.GROUPED):
        spoken = asked
    elif answer.row_count:
        spoken = Span(answer.first_session or asked.first, answer.last_session or asked.last)
    elif is_first and answer.next_request is None:
        spoken = Span(dt.date.min, last_surely_absent(answer.fetched_at))
    else:
        return None
    span = asked.within(spoken)
    return None if span is None else _Piece(answer, asked, span)


def _ticker_coverage(pieces: Sequence[_Piece], now: dt.datetime) -> TickerCoverage:
    answers = [piece for piece in pieces if piece.answer.outcome in _ANSWERS]
    bars = [piece for piece in answers if piece.answer.row_count]
    silent = [piece for piece in answers if not piece.answer.row_count]
    return TickerCoverage(
        spans=_merged(span for piece in answers for span in _in_time(piece.span, piece, now)),
        asked=_merged(span for piece in answers for span in _in_time(piece.asked, piece, now)),
        silent=_merged(piece.span for piece in silent),
        beyond_plan=_merged(piece.span for piece in pieces if piece.answer.outcome in _REFUSALS),
        row_count=sum(piece.answer.row_count for piece in bars),
        first_bar=min((piece.span.first for piece in bars), default=None),
        otc=bool(bars) and max(bars, key=lambda piece: piece.span.last).answer.otc,
    )


def _in_time(dates: Span, piece: _Piece, now: dt.datetime) -> Iterator[Span]:
    """Yield those of the dates that need no other look than this answer's."""
    for looked in looked_at(piece.answer.fetched_at, now):
        span = dates.within(looked)
        if span is not None:
            yield span


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].last + dt.timedelta(days=1):
            merged[-1] = Span(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return tuple(merged)


def _lists_at(answers: Sequence[Answered]) -> dict[tuple[Endpoint, str], dt.datetime]:
    """Return when the newest list with all its pages was fetched, by the target of its first page; it is as old as
    that page. A list for reference that was refused for good is as good as fetched."""
    pages = {
        (answer.run_id, answer.request): answer
        for answer in answers
        if answer.from_date is None and (answer.outcome in _ANSWERS or answer.endpoint in FOR_REFERENCE)
    }
    listed: dict[tuple[Endpoint, str], dt.datetime] = {}
    for page in pages.values():
        if _is_whole(page, pages):
            key = (page.endpoint, page.request)
            listed[key] = max(listed.get(key, page.fetched_at), page.fetched_at)
    return listed


def _actions_at(lists_at: Mapping[tuple[Endpoint, str], dt.datetime]) -> dict[tuple[Endpoint, str | None], dt.datetime]:
    """Return when splits and dividends of each ticker were listed; None is the whole market."""
    found: dict[tuple[Endpoint, str | None], dt.datetime] = {}
    for (endpoint, target), fetched_at in lists_at.items():
        # A page that is not the first of a list names no ticker.
        for ticker in tickers_asked(target) if endpoint not in FOR_REFERENCE else ():
            found[endpoint, ticker] = max(found.get((endpoint, ticker), fetched_at), fetched_at)
    return found


def _is_whole(head: Answered, pages: Mapping[tuple[uuid.UUID, str], Answered]) -> bool:
    seen: set[str] = set()
    page: Answered | None = head
    while page is not None and page.next_request is not None and page.request not in seen:
        seen.add(page.request)
        page = pages.get((page.run_id, page.next_request))
    return page is not None and page.next_request is None
