"""The plan as a property: it asks for all that is missing, for nothing that is there, and it comes to an end."""

import datetime as dt
import uuid
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from archive.payload import Endpoint
from ingest.assess import Outcome
from ingest.coverage import Answered, Coverage, Span, coverage_of
from ingest.endpoints import dividends, grouped, range_bars, splits
from ingest.period import Period
from ingest.plan import MARKET, Plan, Step, make_plan
from ingest.universe import WHOLE_MARKET, Universe

SESSIONS = Period(dt.date(2024, 1, 2), dt.date(2024, 2, 9)).sessions()
LISTS_DUE_AT = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
NOW = LISTS_DUE_AT + dt.timedelta(hours=1)
SYMBOLS = ("AAPL", "MSFT", "BCpC", "BCPC")

universes = st.one_of(
    st.just(WHOLE_MARKET), st.sets(st.sampled_from(SYMBOLS), min_size=1).map(lambda s: Universe(tuple(sorted(s))))
)
places = st.integers(0, len(SESSIONS) - 1)


@st.composite
def archived(draw: st.DrawFn) -> list[Answered]:
    """Draw answers of earlier runs: ranges with and without a next page, grouped sessions, lists old and new."""
    answers: list[Answered] = []
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["range", "grouped", "splits", "dividends"]))
        fetched_at = draw(st.sampled_from([NOW, LISTS_DUE_AT - dt.timedelta(seconds=1)]))
        begin, end = sorted((draw(places), draw(places)))
        outcome = draw(st.sampled_from([Outcome.ANSWER, Outcome.EMPTY, Outcome.NEVER]))
        tickers = draw(st.sampled_from([None, ["AAPL"], ["AAPL", "MSFT", "BCpC"]]))
        last = None
        match kind:
            case "range":
                request = range_bars(draw(st.sampled_from(SYMBOLS)), SESSIONS[begin], SESSIONS[end])
                last = SESSIONS[draw(st.integers(begin, end))] if draw(st.booleans()) else None
            case "grouped":
                request = grouped(SESSIONS[begin])
            case "splits":
                request = splits(tickers)
            case _:
                request = dividends(tickers)
        answers.append(
            Answered(
                request.endpoint,
                request.target,
                request.ticker,
                request.from_date,
                request.to_date,
                fetched_at,
                uuid.UUID(int=len(answers)),
                outcome,
                row_count=0 if outcome is not Outcome.ANSWER else 1,
                last_session=last,
                next_request="/next" if last else None,
            )
        )
    return answers


def answers_to(plan: Plan, outcome: Outcome = Outcome.ANSWER) -> list[Answered]:
    """Return what the archive has once every step of a plan is answered."""
    return [
        Answered(
            step.request.endpoint,
            step.request.target,
            step.request.ticker,
            step.request.from_date,
            step.request.to_date,
            NOW,
            uuid.UUID(int=10_000),
            outcome,
            row_count=1,
        )
        for step in plan.steps
    ]


def has(spans: Sequence[Span], session: dt.date) -> bool:
    return any(span.first <= session <= span.last for span in spans)


@given(universes, archived())
def test_when_every_request_of_a_plan_is_answered_nothing_is_left_to_ask(
    universe: Universe, answers: list[Answered]
) -> None:
    plan = make_plan(universe, SESSIONS, coverage_of(answers), LISTS_DUE_AT)
    after = make_plan(universe, SESSIONS, coverage_of(answers + answers_to(plan)), LISTS_DUE_AT)
    assert after.steps == ()
    assert set(after.already_have.values()) == {len(SESSIONS)}


@given(universes, archived())
def test_every_missing_session_is_asked_for_and_no_request_is_for_what_is_there(
    universe: Universe, answers: list[Answered]
) -> None:
    coverage = coverage_of(answers)
    plan = make_plan(universe, SESSIONS, coverage, LISTS_DUE_AT)
    for name, spans, steps in _bar_steps(universe, coverage, plan):
        missing = [s for s in SESSIONS if not has(spans, s) and not has(coverage.market.spans, s)]
        asked = [
            Span(s.request.from_date, s.request.to_date) for s in steps if s.request.from_date and s.request.to_date
        ]
        assert all(has(asked, session) for session in missing), name
        # A request may span what lies between two holes, since one call is one call; it begins and ends in a hole.
        assert all(span.first in missing and span.last in missing for span in asked), name
        assert plan.already_have[name] == len(SESSIONS) - len(missing)


@given(universes, archived())
def test_no_cheaper_plan_of_its_kind_exists(universe: Universe, answers: list[Answered]) -> None:
    coverage = coverage_of(answers)
    plan = make_plan(universe, SESSIONS, coverage, LISTS_DUE_AT)
    for name, _, steps in _bar_steps(universe, coverage, plan):
        missing = len(SESSIONS) - plan.already_have[name]
        assert len(steps) == (missing if universe.symbols is None else min(missing, 1)), name


@given(universes, archived())
def test_a_plan_is_the_same_every_time(universe: Universe, answers: list[Answered]) -> None:
    coverage = coverage_of(answers)
    assert make_plan(universe, SESSIONS, coverage, LISTS_DUE_AT) == make_plan(
        universe, SESSIONS, coverage, LISTS_DUE_AT
    )


@given(universes, archived())
def test_lists_of_actions_are_asked_for_when_the_newest_is_too_old(universe: Universe, answers: list[Answered]) -> None:
    coverage = coverage_of(answers)
    plan = make_plan(universe, SESSIONS, coverage, LISTS_DUE_AT)
    for endpoint in (Endpoint.SPLITS, Endpoint.DIVIDENDS):
        wanted: Sequence[str | None] = universe.symbols or (None,)
        stale = [
            w
            for w in wanted
            if (coverage.listed_at(endpoint, w) or dt.datetime.min.replace(tzinfo=dt.UTC)) < LISTS_DUE_AT
        ]
        asked = [step for step in plan.steps if step.request.endpoint is endpoint]
        assert len(asked) == (1 if stale else 0)


def _bar_steps(universe: Universe, coverage: Coverage, plan: Plan) -> list[tuple[str, Sequence[Span], list[Step]]]:
    if universe.symbols is None:
        steps = [step for step in plan.steps if step.request.endpoint is Endpoint.GROUPED]
        return [(MARKET, coverage.market.spans, steps)]
    return [
        (symbol, coverage.of(symbol).spans, [step for step in plan.steps if _is_bars_of(step, symbol)])
        for symbol in universe.symbols
    ]


def _is_bars_of(step: Step, symbol: str) -> bool:
    return step.request.endpoint is Endpoint.RANGE and step.request.ticker == symbol


def test_an_empty_archive_needs_one_request_a_symbol_and_two_lists() -> None:
    plan = make_plan(Universe(("MSFT", "AAPL")), SESSIONS, Coverage(), LISTS_DUE_AT)
    first, last = SESSIONS[0], SESSIONS[-1]
    assert [step.request for step in plan.steps] == [
        splits(["MSFT", "AAPL"]),
        dividends(["MSFT", "AAPL"]),
        range_bars("MSFT", first, last),
        range_bars("AAPL", first, last),
    ]
    assert plan.steps[2].reason == f"{len(SESSIONS)} of {len(SESSIONS)} sessions missing"


def test_two_holes_are_one_request_from_the_first_to_the_last() -> None:
    there = [range_bars("AAPL", SESSIONS[3], SESSIONS[5]), range_bars("AAPL", SESSIONS[8], SESSIONS[-1])]
    coverage = coverage_of(answers_to(Plan(tuple(Step(request, "") for request in there), 0, {}, {})))
    plan = make_plan(Universe(("AAPL",)), SESSIONS, coverage, LISTS_DUE_AT)
    assert plan.steps[-1].request == range_bars("AAPL", SESSIONS[0], SESSIONS[7])


def test_the_whole_market_is_asked_for_session_by_session_oldest_first() -> None:
    coverage = coverage_of(answers_to(Plan((Step(grouped(SESSIONS[1]), ""),), 0, {}, {})))
    plan = make_plan(WHOLE_MARKET, SESSIONS[:3], coverage, LISTS_DUE_AT)
    assert [step.request for step in plan.steps] == [
        splits(None),
        dividends(None),
        grouped(SESSIONS[0]),
        grouped(SESSIONS[2]),
    ]


def test_more_tickers_than_fit_are_several_lists() -> None:
    symbols = tuple(f"S{n}" for n in range(250))
    plan = make_plan(Universe(symbols), SESSIONS, Coverage(), LISTS_DUE_AT)
    lists = [step.request for step in plan.steps if step.request.endpoint is Endpoint.SPLITS]
    assert lists == [splits(symbols[:100]), splits(symbols[100:200]), splits(symbols[200:])]


def test_a_period_without_a_session_needs_nothing() -> None:
    assert make_plan(Universe(("AAPL",)), [], Coverage(), LISTS_DUE_AT).steps == ()


def test_a_symbol_of_which_every_answer_was_empty_is_unknown() -> None:
    requests = Plan((Step(range_bars("NOPE", SESSIONS[0], SESSIONS[-1]), ""),), 0, {}, {})
    empty = [_without_rows(answer) for answer in answers_to(requests, Outcome.EMPTY)]
    universe = Universe(("NOPE",))
    assert make_plan(universe, SESSIONS, coverage_of(empty), LISTS_DUE_AT).unknown == ("NOPE",)
    # Before the first answer nobody knows; and what is beyond the plan says nothing.
    assert make_plan(universe, SESSIONS, coverage_of([]), LISTS_DUE_AT).unknown == ()
    never = [_without_rows(answer) for answer in answers_to(requests, Outcome.NEVER)]
    plan = make_plan(universe, SESSIONS, coverage_of(never), LISTS_DUE_AT)
    assert (plan.unknown, plan.beyond_plan) == ((), {"NOPE": len(SESSIONS)})


def _without_rows(answer: Answered) -> Answered:
    return Answered(
        answer.endpoint,
        answer.request,
        answer.ticker,
        answer.from_date,
        answer.to_date,
        answer.fetched_at,
        answer.run_id,
        answer.outcome,
    )
