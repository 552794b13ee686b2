"""The dry run and the change budget: what a ruleset would change is what a rebuild by it does change."""

import asyncio
import datetime as dt
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.payload import Response
from project import rules as rules_module
from project import ruleset as ruleset_module
from project.compare.changes import RuleChanges
from project.compare.dry_run import DryRun, dry_run
from project.errors import ChangeBudgetExceeded, IncomparableProjection, NothingProjected, UndecodablePayload
from project.generation import NEXT
from project.rebuild import catch_up_or_build, rebuild
from project.replay import Replayed, catch_up
from project.rows import Bools
from project.rules import RULES, Limits, Rule, rule
from project.ruleset import DEFAULT_RULES, Ruleset, read_ruleset
from project.series import Series
from sql.connect import Role, open_pool
from tests.payloads import archive_all, bar, range_response
from tests.project.random_archive import SESSIONS, TICKERS, responses, small_ruleset
from tests.project.tables import all_tables, the_generation

RULESET = small_ruleset()
ROWS = [bar(session, 20.0 if place % 2 else 10.0) for place, session in enumerate(SESSIONS)]

Empty = Callable[[], Awaitable[None]]
Job = Callable[[asyncpg.Pool], Awaitable[Replayed]]
Rows = dict[tuple[str, dt.date], asyncpg.Record]

_BARS = """
    SELECT
        bar.*,
        (SELECT array_agg(name) FROM projection.rule WHERE failed_rules >> bit & 1 = 1) AS failed
    FROM projection.bar
"""


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


def _lenient(**limits: float) -> Ruleset:
    """Return the small ruleset with the limit of large_gap set."""
    uses = [
        msgspec.structs.replace(use, limits=use.limits | limits) if use.name == "large_gap" else use
        for use in RULESET.rules
    ]
    return msgspec.structs.replace(RULESET, rules=tuple(uses))


LENIENT = _lenient(limit=5.0)
other_rulesets = st.builds(
    lambda window, score, turned, dropped, tested: msgspec.structs.replace(
        RULESET,
        volume_window=window,
        validated_from=score,
        rules=tuple(use for use in RULESET.rules[:: -1 if turned else 1] if use.name != dropped),
        test_tickers=tested,
    ),
    st.sampled_from([2, 3]),
    st.sampled_from([0.85, 0.5, 1.0]),
    st.booleans(),
    st.sampled_from(["none", "large_gap", "high_brackets"]),
    st.sampled_from([(), ("AAPL",), ("ZVZZT",)]),
)


async def _dry(pool: asyncpg.Pool, ruleset: Ruleset) -> DryRun:
    async with pool.acquire() as connection:
        return await dry_run(connection, ruleset)


async def _rows(pool: asyncpg.Pool) -> Rows:
    return {(row["ticker"], row["session"]): row for row in await pool.fetch(_BARS)}


def _values(row: asyncpg.Record) -> tuple[object, ...]:
    return tuple(row[name] for name in ("open", "high", "low", "close", "volume", "vwap", "trades"))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses, ruleset=other_rulesets)
async def test_a_dry_run_tells_what_the_rebuild_does(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    empty: Empty,
    sent: list[Response],
    ruleset: Ruleset,
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    await catch_up_or_build(project_pool, RULESET, _now)
    before = await _rows(project_pool)
    told = (await _dry(read_pool, ruleset)).changes
    done = await rebuild(project_pool, ruleset, _now, max_change=1.0)
    after = await _rows(project_pool)
    both = [(before[key], after[key]) for key in before if key in after]
    counts = told.counts
    assert (counts.before, counts.after) == (len(before), len(after))
    assert (counts.lost, counts.gained) == (len(before.keys() - after.keys()), len(after.keys() - before.keys()))
    assert counts.newly_validated == sum(new["validated"] > old["validated"] for old, new in both)
    assert counts.no_longer_validated == sum(new["validated"] < old["validated"] for old, new in both)
    assert counts.restated == sum(_values(old) != _values(new) for old, new in both)
    assert counts.rejudged == sum(
        set(old["failed"] or ()) != set(new["failed"] or ()) or old["quality_score"] != new["quality_score"]
        for old, new in both
    )
    for name, said in told.by_rule.items():
        assert said.before == sum(name in (row["failed"] or ()) for row in before.values())
        assert said.after == sum(name in (row["failed"] or ()) for row in after.values())
    assert sum(each.before for each in told.by_year.values()) == len(before)
    if done.changes is not None:
        assert done.changes == told
    else:
        assert counts.newly_validated == counts.no_longer_validated == counts.lost == counts.gained == 0


async def test_a_dry_run_writes_nothing(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    live = await all_tables(project_pool)
    rulesets = await read_pool.fetch("SELECT * FROM archive.ruleset")
    counts = (await _dry(read_pool, LENIENT)).changes.counts
    assert (counts.before, counts.newly_validated) == (len(ROWS), len(ROWS) - 1)
    assert await all_tables(project_pool) == live
    assert await read_pool.fetch("SELECT * FROM archive.ruleset") == rulesets
    assert not await read_pool.fetchval("SELECT to_regnamespace($1) IS NOT NULL", NEXT)


async def test_a_catch_up_during_a_dry_run_is_not_seen_and_a_swap_starts_it_again(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("MSFT", ROWS)])
    jobs: list[Job] = [
        lambda pool: catch_up(pool, _now),
        lambda pool: rebuild(pool, LENIENT, _now),
    ]
    told = []
    for job in jobs:
        turns: list[None] = []

        def progress(done: int, total: int, job: Job = job, turns: list[None] = turns) -> None:
            turns.append(None)
            if len(turns) == 1:
                _in_a_thread(_in_a_pool(database_url, job))

        async with read_pool.acquire() as connection:
            told.append((await dry_run(connection, LENIENT, progress=progress)).changes.counts)
    assert [each.before for each in told] == [len(ROWS), 2 * len(ROWS)]
    assert [each.newly_validated for each in told] == [len(ROWS) - 1, 0]


async def _in_a_pool(url: str, job: Job) -> None:
    async with open_pool(url, Role.PROJECT, size=1) as pool:
        await job(pool)


def _in_a_thread(job: Coroutine[None, None, None]) -> None:
    thread = threading.Thread(target=lambda: asyncio.run(job))
    thread.start()
    thread.join()


async def test_a_new_rule_is_one_function_and_one_line(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the README has it: the function under `@rule`, the line under [rules], and what it would change is told."""
    monkeypatch.setattr(ruleset_module, "RULES", rules := dict(RULES))
    monkeypatch.setattr(rules_module, "RULES", rules)

    @rule(source="a share that trades between 10 and 20 USD on one day deserves a look", limits=("limit",))
    def wide_range(series: Series, limits: Limits) -> Bools:
        """Fail where high / low − 1 > limit."""
        return np.asarray(series.high / series.low - 1 > limits["limit"])

    path = tmp_path / "rules.toml"
    path.write_text(DEFAULT_RULES.read_text() + "wide_range = { penalty = 0.2, limit = 0.5 }\n")
    rows = [bar(session, (10.0, 10.0 + place, 10.0, 10.0)) for place, session in enumerate(SESSIONS)]
    await archive_all(ingest_pool, [range_response("AAPL", rows)])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), _now)
    told = (await _dry(project_pool, read_ruleset(path))).changes
    too_wide = len(SESSIONS) - 6
    expected = RuleChanges(after=too_wide, newly_failing=too_wide, no_longer_validated=too_wide)
    assert told.by_rule["wide_range"] == expected
    await rebuild(project_pool, read_ruleset(path), _now)
    flagged = await project_pool.fetchval("SELECT count(*) FROM projection.bar WHERE failed_rules >> 8 & 1 = 1")
    assert flagged == too_wide


async def test_payloads_that_the_live_projection_lacks_are_left_out(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    """Else what came since would look as if the rules had brought it."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("MSFT", ROWS)])
    told = await _dry(read_pool, RULESET)
    assert (told.checkpoint, told.archive_head) == (1, 2)
    assert told.changes.counts.changed == 0


async def test_a_projection_of_other_rule_code_or_calendar_can_be_compared_with(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await owner.execute("UPDATE projection.generation SET calendar_version = 'exchange_calendars 1.0 XNYS'")
    old = RULES["large_gap"]
    never = Rule(old.name, old.version + 1, old.limits, old.source, lambda series, limits: series.acted)
    monkeypatch.setitem(RULES, "large_gap", never)
    uses = [msgspec.structs.replace(use, version=RULES[use.name].version) for use in RULESET.rules]
    told = await _dry(read_pool, msgspec.structs.replace(RULESET, rules=tuple(uses)))
    assert told.changes.by_rule["large_gap"].after == 0
    assert told.changes.counts.newly_validated == len(ROWS) - 1
    assert told.calendar_before == "exchange_calendars 1.0 XNYS" != told.calendar_after


async def test_where_there_is_nothing_to_compare_with_it_says_so(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    with pytest.raises(NothingProjected):
        await _dry(project_pool, RULESET)
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await owner.execute("ALTER TABLE projection.bar RENAME quality_score TO score")
    with pytest.raises(IncomparableProjection, match="another shape"):
        await _dry(project_pool, LENIENT)
    with pytest.raises(IncomparableProjection):
        await rebuild(project_pool, LENIENT, _now, max_change=1.0)
    assert await _live_hash(project_pool) == RULESET.hash
    await rebuild(project_pool, LENIENT, _now)
    assert await _live_hash(project_pool) == LENIENT.hash


async def test_an_undecodable_payload_stops_a_dry_run_too(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", b'{"results":{"o":1}}')])
    await owner.execute("UPDATE projection.generation SET checkpoint = 2")
    with pytest.raises(UndecodablePayload):
        await _dry(project_pool, LENIENT)


async def _live_hash(pool: asyncpg.Pool) -> str:
    return (await the_generation(pool)).ruleset_hash


async def _archive_for_budget(pool: asyncpg.Pool) -> None:
    """Archive 8 bars of two tickers, of which exactly one is a gap between 10 and 500 %."""
    calm = [bar(session, 10.0) for session in SESSIONS[:4]]
    await archive_all(pool, [range_response("AAPL", calm), range_response("MSFT", [*calm[:3], bar(SESSIONS[3], 20.0)])])


@pytest.mark.parametrize(("max_change", "goes_live"), [(0.0, False), (0.124, False), (0.125, True), (None, True)])
async def test_a_rebuild_that_changes_more_than_it_may_stops_before_the_swap(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, max_change: float | None, goes_live: bool
) -> None:
    await _archive_for_budget(ingest_pool)
    await rebuild(project_pool, RULESET, _now)
    live = await all_tables(project_pool)
    replayed: Replayed | None = None
    try:
        replayed = await rebuild(project_pool, LENIENT, _now, max_change=max_change)
    except ChangeBudgetExceeded as exc:
        assert exc.changes.changed_share == 1 / 8
        assert "12.5% of the live bars" in str(exc)
        assert list(exc.changes.by_symbol) == ["MSFT"]
    assert (replayed is not None) == goes_live
    assert (await all_tables(project_pool) == live) != goes_live
    assert not await project_pool.fetchval("SELECT to_regnamespace($1) IS NOT NULL", NEXT)
    if replayed is not None and max_change is not None:
        assert replayed.changes is not None
        assert replayed.changes.counts.newly_validated == 1


async def test_the_first_build_and_one_that_changes_nothing_need_no_budget(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await _archive_for_budget(ingest_pool)
    for _ in range(2):
        replayed = await rebuild(project_pool, RULESET, _now, max_change=0.0)
        assert replayed.changes is None


async def test_after_a_refusal_the_live_projection_goes_on_and_a_later_rebuild_may_succeed(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await _archive_for_budget(ingest_pool)
    await rebuild(project_pool, RULESET, _now)
    with pytest.raises(ChangeBudgetExceeded):
        await rebuild(project_pool, LENIENT, _now, max_change=0.0)
    await archive_all(ingest_pool, [range_response("MSFT", [bar(SESSIONS[4], 20.0)])])
    await catch_up(project_pool, _now)
    assert (await the_generation(project_pool)).checkpoint == 3
    await rebuild(project_pool, LENIENT, _now)
    assert await _live_hash(project_pool) == LENIENT.hash


async def test_bars_that_are_lost_spend_the_budget(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response(name, ROWS[:2]) for name in TICKERS[:2]])
    await rebuild(project_pool, RULESET, _now)
    with pytest.raises(ChangeBudgetExceeded) as caught:
        await rebuild(project_pool, msgspec.structs.replace(RULESET, test_tickers=("AAPL",)), _now, max_change=0.4)
    assert (caught.value.changes.counts.lost, caught.value.changes.changed_share) == (2, 0.5)
