"""The bar routes: range, grouped, previous close and open-close.

Encodes a ticker's rows once per edition of the market and cuts replies from them. It must not know authorization,
HTTP or the reference routes.

Source: recorded responses; polygon.md for limits, paging, plan windows and empty answers.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, timedelta
from urllib.parse import quote

import msgspec
import numpy as np

from tests.fake_polygon.adjust import adjusted, adjusted_day, by_ticker
from tests.fake_polygon.ask import Ask, Reply, day
from tests.fake_polygon.body import Body
from tests.fake_polygon.envelope import beginning, reply
from tests.fake_polygon.market import BarColumns, Market, MarketSplit
from tests.fake_polygon.number import number
from tests.fake_polygon.refusals import BEFORE_END_OF_DAY, NO_DATA, OLDER_THAN_PLAN, Refusal
from tests.fake_polygon.rows import EncodedRows, quoted, range_rows, session_rows
from tests.fake_polygon.sessions import midnight_ms
from tests.fake_polygon.shelf import Shelf

_MEGABYTE = 1 << 20
_DEFAULT_LIMIT, _MAX_LIMIT = 5_000, 50_000


class _Page(msgspec.Struct, frozen=True, eq=False):
    body: Body
    count: int


class _Span(msgspec.Struct, frozen=True):
    """Rows [begin, end) are on this page, out of [start, stop) that were asked for."""

    begin: int
    end: int
    start: int
    stop: int


class Aggregates:
    """Answers the bar routes of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._rows: Shelf[EncodedRows] = Shelf(256 * _MEGABYTE, lambda rows: len(rows.text) + 16 * len(rows) + 200)
        self._pages: Shelf[_Page] = Shelf(192 * _MEGABYTE, lambda page: 2 * len(page.body.beginning) + 200)
        self._splits: Shelf[Mapping[str, Sequence[MarketSplit]]] = Shelf(1, lambda _: 1)

    def range(self, ask: Ask) -> Reply:
        """Answer a ticker's bars of a range of dates, a page of them."""
        ticker, multiplier, timespan, from_text, to_text = ask.names
        first, last = day(from_text, "from"), day(to_text, "to")
        if (multiplier, timespan) != ("1", "day"):
            raise Refusal(400, f"fake-polygon serves 1/day only, not {multiplier}/{timespan}")
        if last < first:
            raise Refusal(400, "The parameter 'to' cannot be a time that occurs before 'from'")
        limit, ascending = ask.limit(_DEFAULT_LIMIT, _MAX_LIMIT), ask.query.get("sort", "asc") != "desc"
        first, last = _within_plan(ask, first, last)
        ticker = self._answered_ticker(ask, ticker)
        adjust = ask.flag("adjusted", default=True)
        rows = self._ticker_rows(ask, ticker, adjust)
        if not len(rows) and ask.plan.unknown_ticker == "not_found":
            raise Refusal(404, NO_DATA)
        start, stop = rows.between(first, last)
        if ask.twisted("silently_truncate"):
            start += (stop - start + 1) // 2
        if ask.twist is not None and ask.twist.kind == "shorten":
            start, stop = _shortened(start, stop, ask.twist.at)
        span = _page(rows, start, stop, limit, ascending)
        results = rows.cut if ascending else rows.backwards

        def make() -> _Page:
            sent, count = results(span.begin, span.end), span.end - span.begin
            stray = self._stray(ask, ticker, adjust, first)
            if stray:
                sent, count = b",".join((stray, sent)) if sent else stray, count + 1
            return _Page(beginning(ask, ticker, adjust, count, sent), count)

        page = self._page(ask, (ticker, adjust, span.begin, span.end, ascending), adjust, make)
        return reply(ask, page.body, page.count, _more(ask, rows, span, ascending))

    def grouped(self, ask: Ask) -> Reply:
        """Answer the whole market of one date."""
        session = day(ask.names[0], "date")
        _within_plan(ask, session, session)
        adjust = ask.flag("adjusted", default=True)
        if ask.twisted("out_of_range"):
            session = self._session_before(ask, session)

        def make() -> _Page:
            rows = self._day_rows(ask, session, adjust)
            count = len(rows) // 2 if ask.twisted("silently_truncate") else len(rows)
            return _Page(beginning(ask, None, adjust, count, rows.cut(0, count)), count)

        page = self._page(ask, session, adjust, make)
        return reply(ask, page.body, page.count)

    def prev(self, ask: Ask) -> Reply:
        """Answer the bar of the last session before today."""
        ticker = self._answered_ticker(ask, ask.names[0])
        adjust = ask.flag("adjusted", default=True)
        bars = self._bars(ask, ticker, adjust)
        bars = bars.take(bars.sessions < np.datetime64(ask.today, "D")).take(slice(-1, None))
        rows = session_rows([ticker] * len(bars), bars)
        return reply(ask, beginning(ask, ticker, adjust, len(rows), rows.cut(0, len(rows))), len(rows))

    def open_close(self, ask: Ask) -> Reply:
        """Answer one bar as a flat object. Pre-market and after-hours prices are optional; none are known here."""
        ticker, session = self._answered_ticker(ask, ask.names[0]), day(ask.names[1], "date")
        _within_plan(ask, session, session)
        bars = self._bars(ask, ticker, ask.flag("adjusted", default=True))
        found = bars.take(bars.sessions == np.datetime64(session, "D")).records()
        if not found:
            raise Refusal(404, NO_DATA)
        values = ((name, getattr(found[0], name)) for name in ("open", "high", "low", "close", "volume"))
        sent = "".join(f',"{name}":{number(x)}' for name, x in values if x is not None)
        text = f'{{"status":"{ask.state}","from":"{session}","symbol":{quoted(ticker)}{sent}'
        return Reply(200, Body(text.encode()), b"}", ask.request_id)

    def _answered_ticker(self, ask: Ask, ticker: str) -> str:
        if not ask.twisted("wrong_symbol"):
            return ticker
        return next((other for other in self._market.symbols() if other != ticker), f"{ticker}X")

    def _edition(self, ask: Ask, adjust: bool) -> Hashable:
        return self._market.edition(ask.as_of), ask.today if adjust else None

    def _page(self, ask: Ask, what: Hashable, adjust: bool, make: Callable[[], _Page]) -> _Page:
        if ask.twist is not None:
            return make()
        return self._pages.get((what, adjust, self._edition(ask, adjust), ask.plan.empty_results), make)

    def _bars(self, ask: Ask, ticker: str, adjust: bool) -> BarColumns:
        bars = self._market.bars(ticker, ask.as_of)
        return adjusted(bars, self._splits_by_ticker(ask).get(ticker, ()), ask.today) if adjust else bars

    def _splits_by_ticker(self, ask: Ask) -> Mapping[str, Sequence[MarketSplit]]:
        edition = self._market.edition(ask.as_of)
        return self._splits.get(edition, lambda: by_ticker(self._market.splits(ask.as_of)))

    def _ticker_rows(self, ask: Ask, ticker: str, adjust: bool) -> EncodedRows:
        key = (ticker, adjust, self._edition(ask, adjust))
        return self._rows.get(key, lambda: range_rows(self._bars(ask, ticker, adjust)))

    def _day_rows(self, ask: Ask, session: date, adjust: bool) -> EncodedRows:
        found = self._market.grouped(session, ask.as_of)
        bars = found.bars
        if adjust:
            bars = adjusted_day(found.tickers, bars, self._splits_by_ticker(ask), ask.today)
        return session_rows(found.tickers, bars)

    def _session_before(self, ask: Ask, session: date) -> date:
        """The newest date with bars in the week before; the date itself where there is none."""
        days = (session - timedelta(days=n) for n in range(1, 8))
        return next((day for day in days if len(self._market.grouped(day, ask.as_of).bars)), session)

    def _stray(self, ask: Ask, ticker: str, adjust: bool, first: date) -> bytes:
        """A row that was not asked for, where the answer is to have that fault: ten days too old, or of another."""
        of_another = ask.twisted("stray_symbol")
        if not of_another and not ask.twisted("out_of_range"):
            return b""
        bars = self._bars(ask, ticker, adjust).take(slice(0, 1))
        if not len(bars):
            return b""
        dated = first if of_another else first - timedelta(days=10)
        row = BarColumns(np.array([dated], "datetime64[D]"), *bars.numbers())
        return (session_rows([f"{ticker}X"], row) if of_another else range_rows(row)).text


def _within_plan(ask: Ask, first: date, last: date) -> tuple[date, date]:
    """Cut a range to what the plan includes: silently where it straddles, refused where nothing is left."""
    oldest, newest = ask.plan.oldest(ask.today), ask.today
    if not ask.plan.same_day:
        newest -= timedelta(days=1)
        if first > newest:
            raise Refusal(403, BEFORE_END_OF_DAY)
        last = min(last, newest)
    if last < oldest:
        raise Refusal(403, OLDER_THAN_PLAN)
    return max(first, oldest), last


def _shortened(start: int, stop: int, at: float) -> tuple[int, int]:
    """Leave out rows at one end: `at` 0 to 0.5 says how much of the oldest, 0.5 to 1 how much of the newest."""
    left_out = min(max(1, int((stop - start) * (at * 2 % 1))), max(0, stop - start - 1))
    return (start + left_out, stop) if at < 0.5 else (start, stop - left_out)


def _page(rows: EncodedRows, start: int, stop: int, limit: int, ascending: bool) -> _Span:
    """Return the page; a page never ends between two rows of one date, since the next one starts by date."""
    days = rows.sessions
    if ascending:
        end = min(start + limit, stop)
        while end < stop and days[end] == days[end - 1]:
            end += 1
        return _Span(start, end, start, stop)
    begin = max(stop - limit, start)
    while begin > start and days[begin] == days[begin - 1]:
        begin -= 1
    return _Span(begin, stop, start, stop)


def _more(ask: Ask, rows: EncodedRows, span: _Span, ascending: bool) -> str | None:
    """Return the address of the next page: the range moves on, and the cursor carries the query."""
    left = span.end < span.stop if ascending else span.begin > span.start
    ticker, multiplier, timespan, first, last = ask.names
    if left and ascending:
        first = str(midnight_ms(rows.sessions[span.end].item()))
    elif left:
        last = str(midnight_ms(rows.sessions[span.begin - 1].item()))
    elif not ask.twisted("foreign_next_url"):
        return None
    carried = {name: ask.query[name] for name in ("adjusted", "sort", "limit") if name in ask.query}
    path = "/".join(("/v2/aggs/ticker", quote(ticker, safe=""), "range", multiplier, timespan, first, last))
    return ask.next_url(path, carried)
