"""The audit: the raw rows of a date add up to current, superseded and rejected ones, or it fails loudly."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.audit.evidence import gather, require_all_rows
from project.audit.missing import find_missing
from project.audit.session import Audit, audit_session, reconcile
from project.decide.decisions import Verb
from project.errors import AuditFailed, NothingProjected
from project.rebuild import catch_up_or_build, rebuild
from project.rejection import Rejection
from project.replay import catch_up
from tests.payloads import archive_all, as_payload, bar, grouped_response, range_response, split, splits_response
from tests.project.decided import about_bar
from tests.project.random_archive import FIRST, LAST, NO_SESSION, SESSIONS, TICKERS, responses, small_ruleset

RULESET = small_ruleset()
DAY = SESSIONS[3]
EVERY_DATE = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

Empty = Callable[[], Awaitable[None]]
Tamper = Callable[[str], Awaitable[None]]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _audit(pool: asyncpg.Pool, session: dt.date, ticker: str | None = None) -> Audit:
    async with pool.acquire() as connection:
        return await audit_session(connection, session, ticker)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_the_rows_of_every_date_add_up_whatever_is_archived(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    current = superseded = rejected = 0
    for date in EVERY_DATE:
        whole = await _audit(read_pool, date)
        assert whole.raw_rows == whole.current + whole.superseded + whole.rejected
        current, superseded, rejected = (
            current + whole.current,
            superseded + whole.superseded,
            rejected + whole.rejected,
        )
    assert current == await read_pool.fetchval("SELECT count(*) FROM projection.bar")
    assert superseded >= await read_pool.fetchval("SELECT count(*) FROM projection.bar_revision")
    assert rejected == await read_pool.fetchval(
        """SELECT count(*) FROM projection.rejection JOIN archive.payload USING (archive_seq)
        WHERE session BETWEEN $1 AND $2 AND endpoint IN ('range', 'grouped')""",
        FIRST,
        LAST,
    )


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_the_audits_of_single_tickers_add_up_to_that_of_the_market(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    await rebuild(project_pool, RULESET, _now)
    for date in EVERY_DATE[::3]:
        whole = await _audit(project_pool, date)
        singles = [await _audit(project_pool, date, ticker) for ticker in TICKERS]
        assert sum(one.current for one in singles) == whole.current
        assert sum(one.superseded for one in singles) == whole.superseded
        assert sum(one.validated for one in singles) == whole.validated


async def test_every_difference_is_told_with_its_reason(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [bar(SESSIONS[2], 10.0), bar(DAY, 10.5)]),
            grouped_response(
                DAY,
                [
                    bar(DAY, 12.0, ticker="AAPL"),
                    bar(DAY, ticker="BCpC"),
                    bar(DAY, ticker="ZVZZT"),
                    bar(DAY, ticker="BCpC"),
                ],
            ),
        ],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    assert (found.session, found.is_session, found.payloads) == (DAY, True, 2)
    assert (found.raw_rows, found.current, found.superseded, found.rejected) == (5, 2, 1, 2)
    assert found.validated == 1
    told = [(difference.ticker, difference.kind, difference.detail) for difference in found.differences]
    restated = ", ".join(f"{name} 10.5 → 12" for name in ("open", "high", "low", "close"))
    assert told == [
        ("ZVZZT", "rejected", "test_ticker"),
        ("BCpC", "rejected", "duplicate_key"),
        ("AAPL", "restated", restated),
        ("AAPL", "flagged", "large_gap (0.2): score 0.8"),
    ]
    assert [difference.archive_seq for difference in found.differences] == [2, 2, 2, 2]


async def test_one_ticker_is_audited_alone_and_case_counts(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(
        ingest_pool,
        [
            range_response("BCPC", [bar(DAY)]),
            grouped_response(DAY, [bar(DAY, ticker="BCPC"), bar(DAY, 20.0, ticker="BCpC")]),
        ],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    assert [(found.payloads, found.raw_rows, found.current) for found in await _both(project_pool)] == [
        (2, 2, 1),
        (1, 1, 1),
    ]


async def _both(pool: asyncpg.Pool) -> list[Audit]:
    return [await _audit(pool, DAY, ticker) for ticker in ("BCPC", "BCpC")]


async def test_a_row_that_came_unasked_is_told_on_its_own_date_and_under_its_own_name(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """The vendor is known to send rows outside the range, and another symbol's."""
    stray = {**bar(SESSIONS[8]), "T": '"MSFT"'}
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY), stray], FIRST, SESSIONS[5])])
    await catch_up_or_build(project_pool, RULESET, _now)
    for ticker in (None, "MSFT"):
        found = await _audit(project_pool, SESSIONS[8], ticker)
        assert (found.raw_rows, found.rejected) == (1, 1)
        assert found.differences[0].detail == "outside_range, other_ticker"
    assert (await _audit(project_pool, DAY, "AAPL")).raw_rows == 1


async def test_tickers_without_a_bar_are_told_with_the_reason(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """One was rejected, one left out by an answer for it, one not asked for, one has ended, one has not begun."""
    before, after = SESSIONS[2], SESSIONS[4]
    everywhere = [bar(before), bar(after)]
    await archive_all(
        ingest_pool,
        [
            range_response("BAD", [*everywhere, {**bar(DAY), "c": "null"}]),
            range_response("HOLE", everywhere),
            range_response("LATER", [bar(after)]),
            range_response("LAST", [bar(before)]),
            range_response("GONE", [bar(SESSIONS[1])]),
            range_response("HERE", [*everywhere, bar(DAY)]),
            range_response("UNASKED", [bar(before)], FIRST, before),
            range_response("UNASKED", [bar(after)], after, LAST),
        ],
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    told = {row.ticker: (row.detail, row.archive_seq) for row in found.differences if row.kind == "missing"}
    assert told == {
        "BAD": ("rejected: missing_close", 1),
        "HOLE": ("the vendor's answers leave it out", 2),
        "LAST": (f"the vendor's answers leave it out; its last bar is of {before}", 4),
        "UNASKED": ("not fetched", None),
    }
    assert found.missing == 4
    assert (await _audit(project_pool, DAY, "HOLE")).missing == 1
    assert (await _audit(project_pool, DAY, "HERE")).missing == 0
    assert (await _audit(project_pool, NO_SESSION)).missing == 0


async def test_an_answer_for_the_whole_market_leaves_a_ticker_out(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    days = [grouped_response(day, [bar(day, ticker="AAPL")]) for day in (SESSIONS[2], SESSIONS[4])]
    await archive_all(ingest_pool, [*days, grouped_response(DAY, [bar(DAY, ticker="BCpC")])])
    await catch_up_or_build(project_pool, RULESET, _now)
    [missing] = [row for row in (await _audit(project_pool, DAY)).differences if row.kind == "missing"]
    assert (missing.ticker, missing.detail, missing.archive_seq) == ("AAPL", "the vendor's answers leave it out", 3)


async def test_what_a_person_decided_is_a_difference_and_no_failure(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[2]), bar(DAY, 12.0)])])
    await archive_all(ingest_pool, [about_bar(Verb.ACCEPT, "AAPL", DAY)])
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    assert found.validated == 1
    [told] = [row for row in found.differences if row.kind == "overridden"]
    assert (told.ticker, told.archive_seq) == ("AAPL", 2)
    assert told.detail == "accept by kim: checked"


async def test_a_flagged_bar_is_told_with_each_failed_rule_its_measure_and_its_limits(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[2]), bar(DAY, (12.0, 11.0, 12.0, 12.0))])])
    await catch_up_or_build(project_pool, RULESET, _now)
    [flagged] = (await _audit(project_pool, DAY)).differences
    assert flagged.detail == "high_brackets (1), large_gap (0.2): score 0.3"
    assert [(rule.rule, rule.limits, rule.penalty) for rule in flagged.failed] == [
        ("high_brackets", {}, 0.5),
        ("large_gap", {"limit": 0.1}, 0.2),
    ]


async def test_superseded_rows_were_restated_or_repeated(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    said = [range_response("AAPL", [bar(DAY, price)]) for price in (10.0, 10.0, 11.0, 10.0, 10.0)]
    await archive_all(ingest_pool, said)
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    assert (found.raw_rows, found.current, found.superseded) == (5, 1, 4)
    assert (found.revised, found.repeated) == (2, 2)


async def test_a_date_that_is_no_session_says_so(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(NO_SESSION)], FIRST, LAST)])
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, NO_SESSION)
    assert (found.is_session, found.current, found.rejected) == (False, 0, 1)
    assert found.differences[0].detail == "not_a_session"


async def test_splits_and_dividends_are_no_rows_of_a_session(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(
        ingest_pool, [range_response("AAPL", [bar(DAY)]), splits_response([split("AAPL", DAY, 0, 2, "s")])]
    )
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit(project_pool, DAY)
    assert (found.raw_rows, found.rejected) == (1, 0)


async def test_what_is_not_projected_yet_is_not_audited_yet(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    await catch_up_or_build(project_pool, RULESET, _now)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY, 11.0)])])
    assert (await _audit(project_pool, DAY)).raw_rows == 1
    await catch_up(project_pool, _now)
    assert (await _audit(project_pool, DAY)).raw_rows == 2


async def test_where_nothing_is_projected_there_is_nothing_to_audit(read_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await _audit(read_pool, DAY)


TAMPERINGS = {
    "UPDATE bar SET close = close + 0.01 WHERE ticker = 'AAPL'": "AAPL: close is 10.01 in bar, by payload 1 it is 10;",
    "UPDATE bar SET volume = -0.5 WHERE ticker = 'AAPL'": "AAPL: volume is -0.5 in bar, by payload 1 it is 1000;",
    "UPDATE bar SET vwap = 1 WHERE ticker = 'AAPL'": "AAPL: vwap is 1 in bar, by payload 1 it is nothing;",
    "UPDATE bar SET archive_seq = 2 WHERE ticker = 'AAPL'": "AAPL: archive_seq is 2 in bar, by the archive it is 1;",
    "UPDATE bar SET known_from = '2020-01-01' WHERE ticker = 'AAPL'": "AAPL: known_from is 2020-01-01 00:00:00.000000",
    "DELETE FROM bar WHERE ticker = 'AAPL'": "AAPL: nothing in bar, by the archive there is open 10, high 10, low 10,",
    "UPDATE bar SET ticker = 'AAPM' WHERE ticker = 'AAPL'": "AAPL: nothing in bar",
    "INSERT INTO bar SELECT (jsonb_populate_record(bar, '{\"ticker\": \"NEW\"}')).* FROM bar WHERE ticker = 'AAPL'": (
        "NEW: open 10, high 10, low 10, close 10, volume 1000, archive_seq 1 in bar, by the archive there is nothing;"
    ),
    "DELETE FROM rejection": "row 1 of payload 1: nothing in rejection, by the archive there is AAPL 2023-12-26",
    "UPDATE rejection SET row_index = 7": "row 1 of payload 1: nothing in rejection",
    "UPDATE rejection SET reasons = '{because}'": "row 1 of payload 1: AAPL 2023-12-26 (because) {",
    "UPDATE rejection SET row_text = '{}'": "row 1 of payload 1: AAPL 2023-12-26 (missing_open, duplicate_key) {} in ",
    "DELETE FROM bar_revision": "BCpC of payload 2: nothing in bar_revision, by the archive there is open 11,",
    "UPDATE bar_revision SET close = 12": "BCpC of payload 2: close is 12 in bar_revision, by the archive it is 11;",
    "UPDATE bar_revision SET superseded_by = 9": "BCpC of payload 2: superseded_by is 9 in bar_revision, by",
    "UPDATE bar_revision SET known_to = known_to + interval '1 s'": "BCpC of payload 2: known_to is 2024-07-01",
    "UPDATE bar SET failed_rules = 0 WHERE ticker = 'BCpC'": (
        "BCpC: failed_rules is none in bar, by the rules it is large_gap;"
    ),
    "UPDATE bar SET failed_rules = failed_rules | 1 WHERE ticker = 'BCpC'": "BCpC: failed_rules is high_brackets and ",
    "UPDATE bar SET quality_score = 1 WHERE ticker = 'BCpC'": "BCpC: quality_score is 1 in bar, by the rules it is 0.8",
    "UPDATE bar SET validated = true": "BCpC: validated is True in bar, by the rules it is False;",
    "UPDATE bar SET gap = 0.1 WHERE ticker = 'BCpC'": "BCpC: gap is 0.1 in bar, by the rules it is 0.19999",
    "UPDATE bar SET close = 11 WHERE session = '2023-12-22'": "BCpC: gap is 0.19999999999999996 in bar, by",
}


async def test_a_table_that_was_tampered_with_fails_the_audit(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """Each statement spoils one thing; the complaint names the ticker and both values."""
    await archive_all(
        ingest_pool,
        [
            range_response("AAPL", [bar(DAY), {**bar(DAY), "o": "null"}]),
            range_response("BCpC", [bar(SESSIONS[2]), bar(DAY, 11.0)]),
            range_response("BCpC", [bar(DAY, 12.0)]),
        ],
    )
    await rebuild(project_pool, RULESET, _now)
    assert (await _audit(project_pool, DAY)).raw_rows == 4
    await owner.execute("SET search_path = projection")
    for statement, complaint in TAMPERINGS.items():
        with pytest.raises(AuditFailed) as caught:
            async with owner.transaction():
                await owner.execute(statement)
                await audit_within(owner)
        assert str(caught.value).startswith(f"audit {DAY}: {complaint}"), statement
        assert caught.value.session == DAY
    assert (await _audit(project_pool, DAY)).raw_rows == 4


async def audit_within(connection: asyncpg.Connection) -> Audit:
    """Return the audit as a transaction sees it that will be rolled back."""
    evidence = await gather(connection, DAY, None)
    return reconcile(evidence, await find_missing(connection, evidence))


@pytest.mark.parametrize("session", [DAY, None])
def test_a_payload_of_which_a_row_became_nothing_fails_the_audit(session: dt.date | None) -> None:
    payload = as_payload(range_response("AAPL", [bar(DAY), bar(DAY), bar(SESSIONS[4])]), 7)
    duplicate = Rejection(7, 1, "AAPL", DAY, ("duplicate_key",), "{}")
    assert require_all_rows(payload, 2, [duplicate], session) == 3
    for accepted, rejections in ((1, [duplicate]), (3, [duplicate]), (2, [])):
        with pytest.raises(
            AuditFailed, match=r"payload 7: it has 3 rows, of which \d are bars and \d rejected"
        ) as caught:
            require_all_rows(payload, accepted, rejections, session)
        assert (caught.value.session, caught.value.archive_seq) == (session, 7)
