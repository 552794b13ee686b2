"""The plan: the fewest requests that make coverage whole, with the reason for each. Pure: no clock, no database.

Bars of symbols are asked for by name, from the first missing session to the last, or by session for the whole market,
whichever needs fewer calls; but by name where no bar has ever come, lest a misspelt symbol look whole, and what trades
over the counter. Fresh lists of splits and dividends come first, so that a run that is cut off leaves no split that
looks like a gap; what is for reference comes last. Never asked for is what is covered.
"""

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from archive.payload import Endpoint, Request
from ingest.cheapest import cheapest
from ingest.coverage import Coverage, TickerCoverage
from ingest.endpoints import (
    TICKERS_PER_REQUEST,
    dividends,
    grouped,
    holidays,
    range_bars,
    splits,
    ticker_events,
    tickers,
)
from ingest.period import Span
from ingest.universe import Universe

MARKET = "market"
# So many symbols asked for one by one cost as much as the vendor's whole list of tickers, 1,000 a page.
_FEW_SYMBOLS = 15


class Due(msgspec.Struct, frozen=True):
    """From when on lists are fresh enough: those of splits and dividends, and those for reference, which are not asked
    for where that is None."""

    actions: dt.datetime
    reference: dt.datetime | None = None


class Step(msgspec.Struct, frozen=True):
    """A request of a plan, with the reason for it."""

    request: Request
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """What a run is to ask for, in order, and what it need not ask for.

    `sessions` is how many the period has; `already_have` and `beyond_plan` say how many of them each symbol (or the
    market) need not be asked for, and how many of those the vendor said that it will never give. `unknown` are
    symbols that the vendor was asked for by name and has no bar of.
    """

    steps: tuple[Step, ...]
    sessions: int
    already_have: dict[str, int]
    beyond_plan: dict[str, int]
    unknown: tuple[str, ...] = ()


class _Hole(msgspec.Struct, frozen=True):
    """Sessions that one call for a symbol would fill."""

    symbol: str
    days: tuple[dt.date, ...]


def make_plan(universe: Universe, sessions: Sequence[dt.date], coverage: Coverage, due: Due) -> Plan:
    """Return the plan for a universe and the sessions of a period, in order."""
    own = {MARKET: coverage.market}
    if universe.symbols is not None:
        own = {symbol: coverage.of(symbol) for symbol in universe.symbols}
    unanswered = {name: _unanswered(sessions, coverage, of_name) for name, of_name in own.items()}
    missing = {
        name: _outside(days[bisect_right(days, coverage.horizon) :], own[name].beyond_plan)
        for name, days in unanswered.items()
    }
    return Plan(
        steps=tuple(_steps(universe, sessions, missing, coverage, due)) if sessions else (),
        sessions=len(sessions),
        already_have={name: len(sessions) - len(days) for name, days in missing.items()},
        beyond_plan={
            name: len(days) - len(missing[name]) for name, days in unanswered.items() if len(days) > len(missing[name])
        },
        unknown=tuple(name for name, of_name in own.items() if name != MARKET and of_name.is_unknown),
    )


def _unanswered(sessions: Sequence[dt.date], coverage: Coverage, own: TickerCoverage) -> list[dt.date]:
    """Return the sessions without a good answer, be it by name or for the whole market."""
    by_name = _outside(sessions, own.spans)
    return _outside(by_name, coverage.market.spans) if own.in_market else by_name


def _steps(
    universe: Universe,
    sessions: Sequence[dt.date],
    missing: Mapping[str, Sequence[dt.date]],
    coverage: Coverage,
    due: Due,
) -> Iterator[Step]:
    yield from _actions(universe, coverage, due.actions)
    if universe.symbols is None:
        yield from _by_session(missing[MARKET], _missing(missing[MARKET], len(sessions)))
    else:
        yield from _bars_of_symbols(missing, sessions, coverage)
    if due.reference is not None:
        yield from _reference(universe, coverage, due.reference)


def _bars_of_symbols(
    missing: Mapping[str, Sequence[dt.date]], sessions: Sequence[dt.date], coverage: Coverage
) -> Iterator[Step]:
    holes = (hole for symbol, days in missing.items() for hole in _holes(symbol, days, sessions, coverage.of(symbol)))
    asked_now = _without_guesses(holes, coverage)
    by_name = {hole for hole in asked_now if not coverage.of(hole.symbol).in_market}
    choice = cheapest({hole: hole.days for hole in asked_now if hole not in by_name})
    by_name |= choice.names
    for hole in asked_now:
        if hole in by_name:
            yield Step(range_bars(hole.symbol, hole.days[0], hole.days[-1]), _missing(hole.days, len(sessions)))
    others = {hole.symbol for hole in asked_now if hole not in by_name}
    yield from _by_session(sorted(choice.sessions), f"one call for {len(others):,} symbols that miss it")


def _holes(
    symbol: str, missing: Sequence[dt.date], sessions: Sequence[dt.date], own: TickerCoverage
) -> Iterator[_Hole]:
    """Yield a symbol's missing sessions as they can be asked for.

    What was never asked for is one call, whatever lies between. What an answer left out is asked for run by run: a
    call across the bars between two runs would be answered as before.
    """
    never_asked = tuple(_outside(missing, own.asked))
    if never_asked:
        yield _Hole(symbol, never_asked)
    left_out = sorted(set(missing).difference(never_asked)) if len(never_asked) < len(missing) else []
    places = [bisect_left(sessions, day) for day in left_out]
    for _, run in groupby(enumerate(places), lambda numbered: numbered[1] - numbered[0]):
        yield _Hole(symbol, tuple(sessions[place] for _, place in run))


def _without_guesses(holes: Iterable[_Hole], coverage: Coverage) -> list[_Hole]:
    """Return the holes to ask for now.

    A vendor that cuts ranges at the edge of a plan cuts them all on the same date, and one question tells. So of
    symbols whose bars begin alike only one is asked for what was before, until one was found to have been listed then.
    """
    asked_now: list[_Hole] = []
    guessed: set[dt.date] = set()
    for hole in holes:
        first_bar, last = coverage.of(hole.symbol).first_bar, hole.days[-1]
        if first_bar is not None and last < first_bar:
            if last in guessed:
                continue
            if not any(_holds(own.silent, last) for own in coverage.tickers.values()):
                guessed.add(last)
        asked_now.append(hole)
    return asked_now


def _holds(spans: Sequence[Span], day: dt.date) -> bool:
    return any(span.first <= day <= span.last for span in spans)


def _by_session(sessions: Sequence[dt.date], reason: str) -> Iterator[Step]:
    for session in sessions:
        yield Step(grouped(session), reason)


def _actions(universe: Universe, coverage: Coverage, due_at: dt.datetime) -> Iterator[Step]:
    for endpoint, ask in ((Endpoint.SPLITS, splits), (Endpoint.DIVIDENDS, dividends)):
        wanted: Sequence[str | None] = (None,) if universe.symbols is None else universe.symbols
        stale = [symbol for symbol in wanted if _is_stale(coverage.listed_at(endpoint, symbol), due_at)]
        reason = _since(due_at)
        if None in stale:
            yield Step(ask(None), reason)
            continue
        symbols = [symbol for symbol in stale if symbol is not None]
        for start in range(0, len(symbols), TICKERS_PER_REQUEST):
            yield Step(ask(symbols[start : start + TICKERS_PER_REQUEST]), reason)


def _reference(universe: Universe, coverage: Coverage, due_at: dt.datetime) -> Iterator[Step]:
    """Yield the lists for reference that are too old. Renames are asked for one ticker a call, so not for a market."""
    symbols = universe.symbols or ()
    listed: Sequence[str | None] = symbols if 0 < len(symbols) <= _FEW_SYMBOLS else (None,)
    wanted = [tickers(symbol, active=active) for active in (True, False) for symbol in listed]
    wanted += [ticker_events(symbol) for symbol in symbols]
    for request in (holidays(), *wanted):
        if _is_stale(coverage.lists_at.get((request.endpoint, request.target)), due_at):
            yield Step(request, _since(due_at))


def _missing(days: Sequence[dt.date], sessions: int) -> str:
    return f"{len(days):,} of {sessions:,} sessions missing or due for another look"


def _since(due_at: dt.datetime) -> str:
    return f"not fetched since {due_at:%Y-%m-%d %H:%M} UTC"


def _is_stale(fetched_at: dt.datetime | None, due_at: dt.datetime) -> bool:
    return fetched_at is None or fetched_at < due_at


def _outside(sessions: Sequence[dt.date], spans: Sequence[Span]) -> list[dt.date]:
    """Return the sessions that are in none of the spans; both are in order, and spans do not overlap."""
    outside: list[dt.date] = []
    after = 0
    for span in spans:
        outside += sessions[after : bisect_left(sessions, span.first)]
        after = bisect_right(sessions, span.last)
    return outside + list(sessions[after:])
