"""The plan: the fewest requests that make coverage whole, with the reason for each. Pure: no clock, no database.

For symbols that is one range request each, from the first missing session to the last, whatever is missing between;
for the whole market one grouped request for each missing session; and fresh lists of splits and dividends, first,
so that a run that is cut off leaves no split that looks like a gap. Never asked for is what is covered.
"""

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from archive.payload import Endpoint, Request
from ingest.coverage import Coverage, Span, TickerCoverage
from ingest.endpoints import TICKERS_PER_REQUEST, dividends, grouped, range_bars, splits
from ingest.universe import Universe

MARKET = "market"


class Step(msgspec.Struct, frozen=True):
    """A request of a plan, with the reason for it."""

    request: Request
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """What a run is to ask for, in order, and what it need not ask for.

    `sessions` is how many the period has; `already_have` and `beyond_plan` say for how many of them each symbol (or
    the market) is answered for, and for how many of those the vendor said that it will never give them. `unknown` are
    symbols for which the vendor has answered in the period and of which the archive has no bar at all.
    """

    steps: tuple[Step, ...]
    sessions: int
    already_have: dict[str, int]
    beyond_plan: dict[str, int]
    unknown: tuple[str, ...] = ()


def make_plan(universe: Universe, sessions: Sequence[dt.date], coverage: Coverage, lists_due_at: dt.datetime) -> Plan:
    """Return the plan for a universe and the sessions of a period, in order.

    Lists of splits and dividends fetched before `lists_due_at` are fetched again.
    """
    lists = tuple(_lists(universe, coverage, lists_due_at)) if sessions else ()
    if universe.symbols is None:
        return _market_plan(sessions, coverage, lists)
    return _symbols_plan(universe.symbols, sessions, coverage, lists)


def _market_plan(sessions: Sequence[dt.date], coverage: Coverage, lists: tuple[Step, ...]) -> Plan:
    missing = _outside(sessions, coverage.market.spans)
    reason = f"{len(missing):,} of {len(sessions):,} sessions missing"
    return Plan(
        steps=lists + tuple(Step(grouped(session), reason) for session in missing),
        sessions=len(sessions),
        already_have={MARKET: len(sessions) - len(missing)},
        beyond_plan=_beyond_plan({MARKET: coverage.market}, sessions),
    )


def _symbols_plan(
    symbols: Sequence[str], sessions: Sequence[dt.date], coverage: Coverage, lists: tuple[Step, ...]
) -> Plan:
    not_of_market = _outside(sessions, coverage.market.spans)
    missing = {symbol: _outside(not_of_market, coverage.of(symbol).spans) for symbol in symbols}
    bars = tuple(
        Step(range_bars(symbol, days[0], days[-1]), f"{len(days):,} of {len(sessions):,} sessions missing")
        for symbol, days in missing.items()
        if days
    )
    beyond_plan = _beyond_plan({symbol: coverage.of(symbol) for symbol in symbols}, sessions)
    # Of a symbol that only the market's answers cover, the archive may have bars that are not counted here.
    named = len(not_of_market) == len(sessions)
    return Plan(
        steps=lists + bars,
        sessions=len(sessions),
        already_have={symbol: len(sessions) - len(days) for symbol, days in missing.items()},
        beyond_plan=beyond_plan,
        unknown=tuple(
            symbol
            for symbol, days in missing.items()
            if named and len(days) < len(sessions) and not coverage.of(symbol).row_count and symbol not in beyond_plan
        ),
    )


def _lists(universe: Universe, coverage: Coverage, due_at: dt.datetime) -> Iterator[Step]:
    for endpoint, ask in ((Endpoint.SPLITS, splits), (Endpoint.DIVIDENDS, dividends)):
        wanted: Sequence[str | None] = (None,) if universe.symbols is None else universe.symbols
        stale = [symbol for symbol in wanted if _is_stale(coverage.listed_at(endpoint, symbol), due_at)]
        reason = f"not fetched since {due_at:%Y-%m-%d %H:%M} UTC"
        if None in stale:
            yield Step(ask(None), reason)
            continue
        symbols = [symbol for symbol in stale if symbol is not None]
        for start in range(0, len(symbols), TICKERS_PER_REQUEST):
            yield Step(ask(symbols[start : start + TICKERS_PER_REQUEST]), reason)


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


def _beyond_plan(coverages: dict[str, TickerCoverage], sessions: Sequence[dt.date]) -> dict[str, int]:
    counts = {
        name: len(sessions) - len(_outside(sessions, coverage.beyond_plan))
        for name, coverage in coverages.items()
        if coverage.beyond_plan
    }
    return {name: count for name, count in counts.items() if count}
