"""The ledger in the words of a person: how each run ended, whatever its kind left there, and whether it goes on."""

import contextlib
import datetime as dt
import io
import uuid
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.runs import Run, finish_run, start_run
from ingest.ledger import LOCK, RunSummary, State, read_ledger, summary_of
from ingest.report import Ending, RunReport, StepOutcome
from ingest.show_runs import ended, print_run, print_runs

NINE, TEN, ELEVEN = (dt.datetime(2024, 7, 1, hour, tzinfo=dt.UTC) for hour in (9, 10, 11))
RUN_ID = uuid.UUID(int=7)


def _run(plan: dict[str, Any], result: dict[str, Any] | None, kind: str = "backfill") -> Run:
    return Run(RUN_ID, kind, NINE, None if result is None else TEN, plan, result)


def _outcome(subject: str, ending: str, why: str | None = None) -> dict[str, Any]:
    return {"subject": subject, "endpoint": "range", "ending": ending, "row_count": 3, "why": why}


def _printed(run: Run, alive: uuid.UUID | None = None) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        print_run(run, summary_of(run, alive))
        print_runs([summary_of(run, alive)], None)
    return shown.getvalue()


COST = {"planned": 3, "requests": 5, "body_bytes": 1_234, "retries": 2, "waited_s": 61.5}
WAYS = {
    "done": (COST | {"outcomes": [_outcome("AAPL", "answered"), _outcome("X", "empty"), _outcome("Y", "not_yet")]}, 0),
    "nothing to do": (COST | {"planned": 0}, 0),
    "2 failed": (COST | {"outcomes": [_outcome("AAPL", "failed"), _outcome("BCpC", "not_tried")]}, 2),
    "not passed": ({"compared": 15, "passed": False}, 0),
    "stopped by SIGTERM": (COST | {"stopped_by": "SIGTERM", "outcomes": [_outcome("AAPL", "not_tried")]}, 1),
}


@pytest.mark.parametrize(("words", "result", "failed"), [(words, *way) for words, way in WAYS.items()])
def test_a_run_that_ended_says_how(words: str, result: dict[str, Any], failed: int) -> None:
    summary = summary_of(_run({}, result), None)
    assert (ended(summary), summary.failed, summary.took_s) == (words, failed, 3600.0)


def test_a_run_says_what_it_cost() -> None:
    summary = summary_of(_run({"requests": ["/a", "/b"]}, COST), None)
    found = {name: getattr(summary, name) for name in COST}
    assert found == COST


def test_a_run_without_an_end_still_says_what_it_planned() -> None:
    summary = summary_of(_run({"requests": ["/a", "/b"]}, None), None)
    assert (summary.planned, summary.requests, summary.took_s) == (2, None, None)


def _report(*outcomes: StepOutcome, unknown: tuple[str, ...] = (), left_to_ask: int = 1) -> dict[str, Any]:
    report = RunReport(
        run_id=RUN_ID,
        first=dt.date(2024, 1, 2),
        last=dt.date(2024, 6, 28),
        sessions=124,
        planned=len(outcomes),
        already_have={},
        beyond_plan={},
        unknown=unknown,
        left_to_ask=left_to_ask,
        requests=3,
        retries=0,
        body_bytes=9,
        waited_s=0.0,
        elapsed_s=0.1,
        stopped_by=None,
        outcomes=outcomes,
    )
    result: dict[str, Any] = msgspec.to_builtins(report)
    return result


def test_what_failed_is_what_the_report_says() -> None:
    failed = StepOutcome("AAPL", "range", Ending.FAILED, why="the vendor says no")
    result = _report(failed, StepOutcome("SPY", "range", Ending.ANSWERED), unknown=("NOPE",))
    assert summary_of(_run({}, result), None).failed == 2
    assert summary_of(_run({}, _report(unknown=("NOPE",))), None).state is State.FAILED
    assert summary_of(_run({}, _report()), None).state is State.NOTHING_TO_DO


def test_a_symbol_that_failed_in_two_ways_counts_once() -> None:
    result = {"outcomes": [_outcome("NOPE", "failed"), _outcome("NOPE", "not_tried")]}
    assert summary_of(_run({}, result), None).failed == 1


async def _states(pool: asyncpg.Pool) -> dict[uuid.UUID, State]:
    return {run.run_id: summary.state for run, summary in await read_ledger(pool, 10)}


async def test_only_the_newest_fetching_run_is_under_way_and_only_while_the_lock_is_held(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    older = await start_run(ingest_pool, "nightly", {}, NINE)
    newer = await start_run(ingest_pool, "backfill", {}, TEN)
    other = await start_run(ingest_pool, "comparison", {}, ELEVEN)
    assert await _states(ingest_pool) == {older: State.KILLED, newer: State.KILLED, other: State.UNFINISHED}
    await owner.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", LOCK)
    assert await _states(ingest_pool) == {older: State.KILLED, newer: State.UNDER_WAY, other: State.UNFINISHED}
    await finish_run(ingest_pool, newer, "backfill", {"planned": 0}, ELEVEN)
    # Whoever holds the lock now has not written its row yet: the run before it was killed all the same.
    assert (await _states(ingest_pool))[older] is State.KILLED


async def test_a_run_under_way_is_found_though_another_kind_is_listed(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await start_run(ingest_pool, "nightly", {}, NINE)
    await start_run(ingest_pool, "backfill", {}, TEN)
    await owner.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", LOCK)
    [(_, nightly)] = await read_ledger(ingest_pool, 1, "nightly")
    assert nightly.state is State.KILLED


def test_a_run_shows_its_plan_and_how_each_part_of_it_ended() -> None:
    plan = {"universe": "AAPL,BCpC", "first": "2024-01-02", "already_have": {"AAPL": 120}, "requests": ["/v2/aggs/x"]}
    result = COST | {"outcomes": [_outcome("AAPL", "answered"), _outcome("BCpC", "failed", "the vendor says [/no]")]}
    shown = _printed(_run(plan, result))
    for part in (
        str(RUN_ID),
        "AAPL,BCpC",
        "/v2/aggs/x",
        "answered",
        "the vendor says [/no]",
        "1 failed",
        "1,234",
        "120",
    ):
        assert part in shown, part


def test_of_a_large_run_the_beginning_is_shown_and_all_that_did_not_go_well_by_reason() -> None:
    endings = {
        100: ("failed", "the vendor is away"),
        101: ("not_tried", "stopped"),
        5000: ("failed", "the vendor is away"),
    }
    outcomes = [_outcome(f"market {n}", *endings.get(n, ("answered",))) for n in range(6000)]
    outcomes += [_outcome(f"tail {n}", "failed", "the vendor is away") for n in range(50)]
    plan = {"requests": [f"/v2/aggs/{n}" for n in range(6050)]}
    shown = _printed(_run(plan, {"outcomes": outcomes}))
    lines = shown.splitlines()
    assert len(lines) < 130
    assert lines.count("and 6,010 more (--json has all)") == 2
    assert "/v2/aggs/39" in shown
    assert "/v2/aggs/40" not in shown
    [away] = [line for line in lines if "the vendor is away" in line]
    assert away.split()[:2] == ["failed", "52"]
    assert "market 100, market 5000, tail 0, tail 1" in away
    assert "and 42 more" in away
    assert any(line.split()[:2] == ["not_tried", "1"] and "market 101" in line for line in lines)


def test_a_kind_with_fields_of_its_own_is_shown_with_them() -> None:
    plan = {"folder": "flat", "files": ["2024-01-02.csv.gz"], "requests": 3}
    result = {"compared": [{"ticker": "AAPL", "difference": 0.001}], "within": {"0.2 %": 14}, "planned": "many"}
    run = _run(plan, result, "comparison")
    assert summary_of(run, None).state is State.DONE
    shown = _printed(run)
    for part in ("flat", "2024-01-02.csv.gz", "AAPL", "0.00", "0.2 %", "14", "many"):
        assert part in shown, part


plain = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | st.text(max_size=8)
rows = st.fixed_dictionaries({}, optional=dict.fromkeys(("subject", "ending", "why", "x"), plain))
json_values = plain | st.lists(plain, max_size=3) | st.lists(rows, max_size=3) | st.dictionaries(st.text(), plain)
names = st.sampled_from([*RunSummary.__struct_fields__, "outcomes", "unknown", "requests", "first", "anything"])
details = st.dictionaries(names, json_values)


@given(details, details | st.none(), st.sampled_from(["backfill", "comparison"]))
def test_whatever_a_run_left_it_can_be_shown(plan: dict[str, Any], result: dict[str, Any] | None, kind: str) -> None:
    assert str(RUN_ID) in _printed(_run(plan, result, kind))
