"""The plan as a property: asked of a vendor until it is empty, it leaves nothing out, asks nothing twice, and ends."""

import datetime as dt
import itertools
import uuid
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.payload import Endpoint, Request
from ingest.assess import Outcome
from ingest.cheapest import cheapest
from ingest.coverage import Answered, Coverage, coverage_of
from ingest.endpoints import dividends, grouped, holidays, range_bars, splits, ticker_events, tickers
from ingest.period import Period, last_settled, settled_at
from ingest.plan import MARKET, Due, Plan, make_plan
from ingest.universe import WHOLE_MARKET, Universe

SESSIONS = Period(dt.date(2024, 1, 2), dt.date(2024, 2, 9)).sessions()
# Sixty sessions on, nothing of January is due for another look.
NOW = dt.datetime(2024, 5, 13, 16, 0, tzinfo=dt.UTC)
DUE = Due(NOW - dt.timedelta(hours=1))
SYMBOLS = ("AAPL", "MSFT", "BCpC", "BCPC")

universes = st.one_of(
    st.just(WHOLE_MARKET), st.sets(st.sampled_from(SYMBOLS), min_size=1).map(lambda s: Universe(tuple(sorted(s))))
)
places = st.integers(0, len(SESSIONS) - 1)


class Vendor(msgspec.Struct, frozen=True):
    """A vendor as the planner may meet it: when each symbol traded, and the first date that the key's plan includes;
    something in the market trades on every session.

    Of a request that reaches back beyond that date it says nothing, or refuses it where all of it lies beyond.
    """

    traded: dict[str, tuple[dt.date, dt.date]]
    plan_begins: dt.date

    def answer(self, request: Request, fetched_at: dt.datetime = NOW) -> Answered:
        """Return what the archive has of its answer."""
        bars: list[dt.date] = []
        first, last = request.from_date, request.to_date
        outcome = Outcome.EMPTY
        if first is not None and last is not None:
            bars = [day for day in SESSIONS if first <= day <= last and self._trades(request.ticker, day)]
            if last < self.plan_begins:
                outcome = Outcome.NEVER
        return Answered(
            request.endpoint,
            request.target,
            request.ticker,
            first,
            last,
            fetched_at,
            uuid.UUID(int=1),
            Outcome.ANSWER if bars else outcome,
            row_count=len(bars),
            first_session=bars[0] if bars else None,
            last_session=bars[-1] if bars else None,
        )

    def _trades(self, ticker: str | None, day: dt.date) -> bool:
        begin, end = self.traded.get(ticker, (dt.date.max, dt.date.min)) if ticker else (SESSIONS[0], SESSIONS[-1])
        return day >= self.plan_begins and begin <= day <= end


@st.composite
def vendors(draw: st.DrawFn) -> Vendor:
    """Draw a vendor; most symbols trade all the time, and most plans include all of it."""
    traded = {}
    for symbol in SYMBOLS:
        begin, end = sorted((draw(places), draw(places)))
        always = draw(st.booleans())
        traded[symbol] = (SESSIONS[0], SESSIONS[-1]) if always else (SESSIONS[begin], SESSIONS[end])
    return Vendor(traded, SESSIONS[draw(st.one_of(st.just(0), places))])


@st.composite
def earlier_requests(draw: st.DrawFn) -> list[Request]:
    """Draw what earlier runs asked for."""
    asked: list[Request] = []
    for _ in range(draw(st.integers(0, 8))):
        begin, end = sorted((draw(places), draw(places)))
        tickers = draw(st.sampled_from([None, ["AAPL"], ["AAPL", "MSFT", "BCpC"]]))
        by_symbol = range_bars(draw(st.sampled_from(SYMBOLS)), SESSIONS[begin], SESSIONS[end])
        asked.append(draw(st.sampled_from([by_symbol, grouped(SESSIONS[begin]), splits(tickers), dividends(tickers)])))
    return asked


def passes(universe: Universe, vendor: Vendor, answers: list[Answered]) -> list[Plan]:
    """Return the plans until there is nothing left to ask, each answered before the next is made."""
    plans = []
    while True:
        plan = make_plan(universe, SESSIONS, coverage_of(answers, NOW), DUE)
        plans.append(plan)
        if not plan.steps:
            return plans
        assert len(plans) < 30
        answers = answers + [vendor.answer(step.request) for step in plan.steps]


@given(universes, vendors(), earlier_requests())
def test_asked_until_it_is_empty_a_plan_leaves_nothing_out_and_asks_nothing_twice(
    universe: Universe, vendor: Vendor, earlier: list[Request]
) -> None:
    before = [vendor.answer(request) for request in earlier]
    plans = passes(universe, vendor, before)
    targets = [step.request.target for plan in plans for step in plan.steps]
    assert len(set(targets)) == len(targets)
    last = plans[-1]
    assert set(last.already_have.values()) == {len(SESSIONS)}
    out_of_plan = sum(day < vendor.plan_begins for day in SESSIONS)
    assert all(count <= out_of_plan for count in last.beyond_plan.values())
    # Each symbol costs a call for its bars, and one for each side on which it has none; an empty side that an earlier
    # run asked about in the middle is two.
    asked_for_bars = [t for t in targets if "/v2/aggs/" in t]
    if universe.symbols is not None:
        assert len(asked_for_bars) <= 3 * len(universe.symbols) + len(earlier)
    else:
        assert len(asked_for_bars) <= len(SESSIONS)


@given(universes, vendors(), earlier_requests())
def test_every_bar_that_the_vendor_would_give_has_been_asked_for(
    universe: Universe, vendor: Vendor, earlier: list[Request]
) -> None:
    answers = [vendor.answer(request) for request in earlier]
    plans = passes(universe, vendor, answers)
    asked = earlier + [step.request for plan in plans for step in plan.steps]
    wanted = [request for request in asked if request.from_date and request.to_date]
    for symbol in universe.symbols or ():
        for day in SESSIONS:
            met = [r for r in wanted if r.ticker in (None, symbol) and r.from_date <= day <= r.to_date]  # type: ignore[operator]
            assert met or day < vendor.plan_begins, (symbol, day)


@given(universes, vendors(), earlier_requests())
def test_no_request_is_for_what_is_there_alone(universe: Universe, vendor: Vendor, earlier: list[Request]) -> None:
    coverage = coverage_of([vendor.answer(request) for request in earlier], NOW)
    plan = make_plan(universe, SESSIONS, coverage, DUE)
    for step in plan.steps:
        first, last = step.request.from_date, step.request.to_date
        if first is None or last is None:
            continue
        # It begins and ends on a session that somebody it is for lacks.
        for day in (first, last):
            names = [step.request.ticker] if step.request.ticker else list(universe.symbols or ())
            spans = [coverage.of(name).spans for name in names] or [()]
            of_market = any(span.first <= day <= span.last for span in coverage.market.spans)
            assert not of_market or not coverage.of(step.request.ticker or "").in_market
            assert any(not any(span.first <= day <= span.last for span in own) for own in spans)
            assert day > coverage.horizon


@given(universes, vendors(), earlier_requests())
def test_a_plan_is_the_same_every_time(universe: Universe, vendor: Vendor, earlier: list[Request]) -> None:
    coverage = coverage_of([vendor.answer(request) for request in earlier], NOW)
    assert make_plan(universe, SESSIONS, coverage, DUE) == make_plan(universe, SESSIONS, coverage, DUE)


@given(universes, vendors(), earlier_requests())
def test_lists_of_actions_are_asked_for_when_the_newest_is_too_old(
    universe: Universe, vendor: Vendor, earlier: list[Request]
) -> None:
    old = DUE.actions - dt.timedelta(seconds=1)
    answers = [vendor.answer(r, old if i % 2 else NOW) for i, r in enumerate(earlier)]
    coverage = coverage_of(answers, NOW)
    plan = make_plan(universe, SESSIONS, coverage, DUE)
    for endpoint in (Endpoint.SPLITS, Endpoint.DIVIDENDS):
        wanted: Sequence[str | None] = universe.symbols or (None,)
        stale = [w for w in wanted if (listed := coverage.listed_at(endpoint, w)) is None or listed < DUE.actions]
        asked = [step for step in plan.steps if step.request.endpoint is endpoint]
        assert len(asked) == (1 if stale else 0)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from("ABCDEFG"), st.sets(st.integers(0, 5))))
def test_no_choice_of_symbols_and_sessions_meets_all_holes_with_fewer_calls(holes: dict[str, set[int]]) -> None:
    choice = cheapest({symbol: sorted(sessions) for symbol, sessions in holes.items()})
    assert all(s in choice.names or sessions <= choice.sessions for s, sessions in holes.items())
    fewest = min(
        len(by_symbol) + len(set[int]().union(*(holes[s] for s in holes if s not in by_symbol)))
        for n in range(len(holes) + 1)
        for by_symbol in itertools.combinations(holes, n)
    )
    assert len(choice.names) + len(choice.sessions) == fewest


def test_a_night_of_many_symbols_is_a_call_for_each_session_to_look_at() -> None:
    sessions = Period(dt.date(2024, 1, 2), dt.date(2024, 3, 28)).sessions()
    universe = Universe(tuple(f"S{n}" for n in range(15)))
    known = [
        Answered(r.endpoint, r.target, r.ticker, r.from_date, r.to_date, settled_at(sessions[-2]), uuid.UUID(int=1),
                 Outcome.ANSWER, row_count=1, first_session=r.from_date, last_session=r.to_date)
        for symbol in universe.symbols or ()
        for r in [range_bars(symbol, sessions[0], sessions[-2])]
    ]  # fmt: skip
    now = settled_at(sessions[-1])
    plan = make_plan(universe, sessions, coverage_of(known, now), Due(now - dt.timedelta(days=9)))
    asked = [step.request for step in plan.steps if step.request.from_date]
    assert asked == [grouped(sessions[place]) for place in (-31, -6, -2, -1)]
    # Three symbols are asked for by name: three calls instead of four.
    few = Universe(("S0", "S1", "S2"))
    plan = make_plan(few, sessions, coverage_of(known, now), Due(now))
    asked = [step.request for step in plan.steps if step.request.from_date]
    assert asked == [range_bars(symbol, sessions[-31], sessions[-1]) for symbol in few.symbols or ()]


def test_an_empty_archive_needs_one_request_a_symbol_and_two_lists() -> None:
    plan = make_plan(Universe(("MSFT", "AAPL")), SESSIONS, Coverage(), DUE)
    first, last = SESSIONS[0], SESSIONS[-1]
    assert [step.request for step in plan.steps] == [
        splits(["MSFT", "AAPL"]),
        dividends(["MSFT", "AAPL"]),
        range_bars("MSFT", first, last),
        range_bars("AAPL", first, last),
    ]
    assert plan.steps[2].reason == f"{len(SESSIONS)} of {len(SESSIONS)} sessions missing or due for another look"


def test_two_holes_are_one_request_from_the_first_to_the_last() -> None:
    vendor = Vendor({"AAPL": (SESSIONS[0], SESSIONS[-1])}, SESSIONS[0])
    there = [range_bars("AAPL", SESSIONS[3], SESSIONS[5]), range_bars("AAPL", SESSIONS[8], SESSIONS[-1])]
    coverage = coverage_of([vendor.answer(request) for request in there], NOW)
    plan = make_plan(Universe(("AAPL",)), SESSIONS, coverage, DUE)
    assert plan.steps[-1].request == range_bars("AAPL", SESSIONS[0], SESSIONS[7])


def test_the_edge_of_a_plan_costs_one_request_however_many_symbols_there_are() -> None:
    symbols = tuple(f"S{n}" for n in range(20))
    vendor = Vendor(dict.fromkeys(symbols, (SESSIONS[0], SESSIONS[-1])), plan_begins=SESSIONS[9])
    plans = passes(Universe(symbols), vendor, [])
    asked = [step.request for plan in plans for step in plan.steps if step.request.from_date]
    assert len(asked) == len(symbols) + 1
    assert plans[-1].beyond_plan == dict.fromkeys(symbols, 9)


def test_once_one_symbol_was_listed_on_the_day_it_begins_the_others_are_asked_for_together() -> None:
    symbols = tuple(f"S{n}" for n in range(20))
    vendor = Vendor(dict.fromkeys(symbols, (SESSIONS[9], SESSIONS[-1])), plan_begins=SESSIONS[0])
    plans = passes(Universe(symbols), vendor, [])
    kinds = [[step.request.endpoint for step in plan.steps if step.request.from_date] for plan in plans]
    # By name, one guess, and then the nine sessions before in a call each instead of nineteen symbols.
    assert kinds == [[Endpoint.RANGE] * 20, [Endpoint.RANGE], [Endpoint.GROUPED] * 9, []]


def test_what_answers_left_out_on_both_sides_is_asked_for_on_each() -> None:
    vendor = Vendor({"AAPL": (SESSIONS[9], SESSIONS[19])}, SESSIONS[0])
    asked = [
        step.request
        for plan in passes(Universe(("AAPL",)), vendor, [])
        for step in plan.steps
        if step.request.from_date
    ]
    assert asked == [
        range_bars("AAPL", SESSIONS[0], SESSIONS[-1]),
        range_bars("AAPL", SESSIONS[0], SESSIONS[8]),
        range_bars("AAPL", SESSIONS[20], SESSIONS[-1]),
    ]


def test_the_whole_market_is_asked_for_session_by_session_oldest_first() -> None:
    vendor = Vendor({"AAPL": (SESSIONS[0], SESSIONS[-1])}, SESSIONS[0])
    coverage = coverage_of([vendor.answer(grouped(SESSIONS[1]))], NOW)
    plan = make_plan(WHOLE_MARKET, SESSIONS[:3], coverage, DUE)
    assert [step.request for step in plan.steps] == [
        splits(None),
        dividends(None),
        grouped(SESSIONS[0]),
        grouped(SESSIONS[2]),
    ]
    assert plan.already_have == {MARKET: 1}


def test_more_tickers_than_fit_are_several_lists() -> None:
    symbols = tuple(f"S{n}" for n in range(250))
    plan = make_plan(Universe(symbols), SESSIONS, Coverage(), DUE)
    lists = [step.request for step in plan.steps if step.request.endpoint is Endpoint.SPLITS]
    assert lists == [splits(symbols[:100]), splits(symbols[100:200]), splits(symbols[200:])]


def test_what_is_for_reference_is_asked_for_last_and_only_where_it_is_old() -> None:
    due = Due(DUE.actions, reference=NOW - dt.timedelta(days=30))
    vendor = Vendor({"AAPL": (SESSIONS[0], SESSIONS[-1])}, SESSIONS[0])
    universe = Universe(("AAPL",))
    plan = make_plan(universe, SESSIONS, Coverage(), due)
    wanted = [holidays(), tickers("AAPL", active=True), tickers("AAPL", active=False), ticker_events("AAPL")]
    assert [step.request for step in plan.steps][3:] == wanted
    fresh = coverage_of([vendor.answer(step.request) for step in plan.steps], NOW)
    assert make_plan(universe, SESSIONS, fresh, due).steps == ()
    old = coverage_of([vendor.answer(request, NOW - dt.timedelta(days=31)) for request in wanted], NOW)
    assert [step.request for step in make_plan(universe, SESSIONS, old, due).steps][3:] == wanted
    # Of many symbols, or all, the vendor's own lists; renames of a whole market would be a call a ticker.
    market = make_plan(WHOLE_MARKET, SESSIONS[:1], Coverage(), due)
    whole = [tickers(None, active=True), tickers(None, active=False)]
    assert [step.request for step in market.steps][3:] == [holidays(), *whole]


def test_a_period_without_a_session_needs_nothing() -> None:
    assert make_plan(Universe(("AAPL",)), [], Coverage(), DUE).steps == ()


def test_a_symbol_of_which_every_answer_was_empty_is_unknown() -> None:
    vendor = Vendor({}, SESSIONS[0])
    universe = Universe(("NOPE",))
    (*_, last) = passes(universe, vendor, [])
    assert last.unknown == ("NOPE",)
    # Before the first answer nobody knows; and what is beyond the plan says nothing.
    assert make_plan(universe, SESSIONS, Coverage(), DUE).unknown == ()
    (*_, refused) = passes(universe, Vendor({}, SESSIONS[-1] + dt.timedelta(days=1)), [])
    assert (refused.unknown, refused.beyond_plan) == ((), {"NOPE": len(SESSIONS)})


def test_what_trades_over_the_counter_is_asked_for_by_name() -> None:
    vendor = Vendor(dict.fromkeys(("TCEHY", "AAPL"), (SESSIONS[0], SESSIONS[-1])), SESSIONS[0])
    before = [range_bars(symbol, SESSIONS[0], SESSIONS[-2]) for symbol in ("TCEHY", "AAPL")]
    answers = [msgspec.structs.replace(vendor.answer(r), otc=r.ticker == "TCEHY") for r in before]
    coverage = coverage_of([*answers, vendor.answer(grouped(SESSIONS[-1]))], NOW)
    plan = make_plan(Universe(("TCEHY", "AAPL")), SESSIONS, coverage, DUE)
    assert [step.request for step in plan.steps][2:] == [range_bars("TCEHY", SESSIONS[-1], SESSIONS[-1])]


def test_the_clock_of_these_tests_is_long_after_every_session() -> None:
    assert len(Period(SESSIONS[-1], last_settled(NOW)).sessions()) > 60


def test_a_symbol_that_never_gave_a_bar_stays_unknown_whatever_the_market_answered() -> None:
    vendor = Vendor({"AAPL": (SESSIONS[0], SESSIONS[-1])}, SESSIONS[0])
    nothing = vendor.answer(range_bars("NOPE", SESSIONS[0], SESSIONS[-2]))
    market = vendor.answer(grouped(SESSIONS[-1]))
    plan = make_plan(Universe(("NOPE",)), SESSIONS, coverage_of([nothing, market], NOW), DUE)
    assert plan.unknown == ("NOPE",)
    assert plan.steps[-1].request == range_bars("NOPE", SESSIONS[-1], SESSIONS[-1])
    # One that was only ever part of the market's answers may well have bars in them.
    assert make_plan(Universe(("SPY",)), SESSIONS[-1:], coverage_of([market], NOW), DUE).unknown == ()
