"""The audit of everything: every raw row is accounted for, and whatever was changed in a table is found."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from archive.payload import Response
from project.audit.archive import WholeAudit, audit_all, reconcile_all
from project.decide.decisions import Verb
from project.errors import AuditFailed, NothingProjected
from project.rebuild import catch_up_or_build, rebuild
from project.replay import catch_up
from tests.command import complaint, run_command
from tests.payloads import (
    archive_all,
    bar,
    dividend,
    dividends_response,
    grouped_response,
    range_response,
    split,
    splits_response,
)
from tests.project.decided import about_bar, skip
from tests.project.random_archive import LAST, NO_SESSION, SESSIONS, responses, small_ruleset

RULESET = small_ruleset()
BEFORE, DAY, NEW_YEAR = SESSIONS[2], SESSIONS[3], SESSIONS[-1]

Empty = Callable[[], Awaitable[None]]


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


async def _audit_all(pool: asyncpg.Pool) -> WholeAudit:
    async with pool.acquire() as connection:
        return await audit_all(connection)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=responses)
async def test_every_row_of_whatever_is_archived_is_accounted_for(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool, empty: Empty, sent: list[Response]
) -> None:
    """Half of it comes by rebuild and half by catch-up."""
    await empty()
    await archive_all(ingest_pool, sent[: len(sent) // 2])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, sent[len(sent) // 2 :])
    await catch_up(project_pool, _now, batch_payloads=2)
    found = await _audit_all(read_pool)
    assert (found.payloads, found.waiting) == (len(sent), 0)
    for account in [*found.years, found.total]:
        assert account.raw_rows == account.current + account.superseded + account.rejected
        assert account.superseded == account.revised + account.repeated
    count = read_pool.fetchval
    assert found.total.current == await count("SELECT count(*) FROM projection.bar")
    assert found.total.revised == await count("SELECT count(*) FROM projection.bar_revision")
    assert found.total.rejected + found.rejected_records == await count("SELECT count(*) FROM projection.rejection")
    years = await read_pool.fetch(
        "SELECT extract(year FROM session)::int AS y, count(*) FROM projection.bar GROUP BY 1"
    )
    assert {year.year: year.current for year in found.years if year.current} == {row[0]: row[1] for row in years}


ARCHIVE = [
    range_response("AAPL", [bar(BEFORE), bar(DAY), {**bar(DAY), "o": "null"}, {**bar(DAY), "t": "null"}]),
    range_response("BCpC", [bar(BEFORE), bar(DAY, 11.0), bar(NEW_YEAR)]),
    range_response("BCpC", [bar(DAY, 12.0), bar(NEW_YEAR)]),
    grouped_response(NEW_YEAR, [bar(NEW_YEAR, ticker="AAPL"), bar(NEW_YEAR, ticker="ZVZZT")]),
    splits_response([split("AAPL", DAY, 1, 2, "s"), split("AAPL", DAY, 0, 2, "bad")]),
    dividends_response([dividend("AAPL", DAY, 0.5, "d"), dividend("AAPL", DAY, -1, "bad")]),
    about_bar(Verb.ACCEPT, "BCpC", DAY),
]


async def test_the_accounts_of_years_and_of_rows_without_a_date(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, ARCHIVE)
    await catch_up_or_build(project_pool, RULESET, _now)
    found = await _audit_all(read_pool)
    assert [msgspec.structs.astuple(year) for year in [*found.years, found.total]] == [
        (2023, 6, 4, 1, 1, 0, 1),
        (2024, 4, 2, 1, 0, 1, 1),
        (None, 1, 0, 0, 0, 0, 1),
        (None, 11, 6, 2, 1, 1, 3),
    ]
    assert (found.payloads, found.rejected_records, found.skipped) == (7, 2, [])


async def test_what_is_not_projected_yet_waits(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    with pytest.raises(NothingProjected):
        await _audit_all(project_pool)
    await archive_all(ingest_pool, ARCHIVE[:1])
    await rebuild(project_pool, RULESET, _now)
    await archive_all(ingest_pool, ARCHIVE[1:])
    found = await _audit_all(project_pool)
    assert (found.payloads, found.waiting, found.checkpoint, found.total.current) == (1, 6, 1, 2)


async def test_a_payload_that_a_person_decided_to_skip_is_named(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [*ARCHIVE[:1], range_response("AAPL", b'{"results":{"o":1}}'), skip(2)])
    await rebuild(project_pool, RULESET, _now)
    found = await _audit_all(project_pool)
    assert (found.payloads, found.skipped, found.total.raw_rows) == (3, [2], 4)


TAMPERINGS = {
    "UPDATE bar SET close = close + 0.01 WHERE ticker = 'AAPL'": (
        f"audit {BEFORE}: AAPL: close is 10.01 in bar, by payload 1 it is 10;"
    ),
    f"UPDATE bar SET volume = 1 WHERE session = '{NEW_YEAR}'": (
        f"audit {NEW_YEAR}: AAPL: volume is 1 in bar, by payload 4 it is 1000;"
    ),
    f"DELETE FROM bar WHERE ticker = 'BCpC' AND session = '{DAY}'": (
        f"audit {DAY}: BCpC: nothing in bar, by the archive there is open 12,"
    ),
    "DELETE FROM bar": f"audit {BEFORE}: AAPL: nothing in bar",
    f"UPDATE bar SET session = '{LAST + dt.timedelta(days=1)}' WHERE session = '{NEW_YEAR}' AND ticker = 'AAPL'": (
        f"audit {NEW_YEAR}: AAPL: nothing in bar"
    ),
    "INSERT INTO bar SELECT (jsonb_populate_record(bar, '{\"ticker\": \"NEW\"}')).* FROM bar WHERE ticker = 'AAPL'": (
        f"audit {BEFORE}: NEW: bars in the table, by the archive there are none"
    ),
    f'INSERT INTO bar SELECT (jsonb_populate_record(bar, \'{{"session": "{NO_SESSION}"}}\')).* FROM bar'
    f" WHERE ticker = 'AAPL' AND session = '{DAY}'": f"audit {NO_SESSION}: AAPL: open 10, high 10,",
    "UPDATE bar SET failed_rules = 0 WHERE ticker = 'BCpC'": (
        f"audit {DAY}: BCpC: failed_rules is none in bar, by the rules it is large_gap;"
    ),
    "UPDATE bar SET quality_score = 1": f"audit {DAY}: AAPL: quality_score is 1 in bar, by the rules it is 0.95;",
    "UPDATE bar SET validated = NOT validated": f"audit {BEFORE}: AAPL: validated is False in bar, by the rules it is",
    "DELETE FROM rejection WHERE row_index = 2": (
        f"audit {DAY}: row 2 of payload 1: nothing in rejection, by the archive there is AAPL {DAY} (missing_open"
    ),
    "DELETE FROM rejection WHERE archive_seq = 5": f"audit {DAY}: row 1 of payload 5: nothing in rejection",
    "UPDATE rejection SET ticker = 'X'": f"audit {DAY}: row 2 of payload 1: X {DAY} (",
    "DELETE FROM bar_revision": f"audit {DAY}: BCpC of payload 2: nothing in bar_revision,",
    "UPDATE bar_revision SET close = 1": f"audit {DAY}: BCpC of payload 2: close is 1 in bar_revision, by the archive",
    "DELETE FROM split": "audit of payload 5: nothing in split, by the archive there is Split(",
    "UPDATE dividend SET cash_amount = 0.6": "audit of payload 6: Dividend(",
    "UPDATE override SET verdict = 'reject'": "audit of payload 7: Override(",
    "UPDATE factor SET price_factor = 0.4 WHERE kind = 'split'": "audit of payload 5: Factor(",
    "DELETE FROM factor WHERE kind = 'dividend'": "audit of payload 6: nothing in factor, by the archive there is Fact",
}


async def test_whatever_was_changed_is_found_and_the_first_date_or_payload_named(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, ARCHIVE)
    await rebuild(project_pool, RULESET, _now)
    await owner.execute("SET search_path = projection")
    for statement, complaint_due in TAMPERINGS.items():
        with pytest.raises(AuditFailed) as caught:
            async with owner.transaction():
                await owner.execute(statement)
                await reconcile_all(owner)
        assert str(caught.value).startswith(complaint_due), statement
    assert (await _audit_all(project_pool)).total.raw_rows == 11


async def test_the_command_shows_the_years_and_leaves_with_1_at_the_first_difference(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, command_environ: dict[str, str], owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, ARCHIVE)
    await rebuild(project_pool, RULESET, _now)
    done = run_command(command_environ, "audit", "--all")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"audit of 7 payloads")
    assert b"rejected rows of splits, dividends and listings, counted apart: 2" in done.stdout
    facts = msgspec.json.decode(run_command(command_environ, "audit", "--all", "--json").stdout)
    assert (facts["total"]["raw_rows"], facts["total"]["current"]) == (11, 6)
    assert [year["year"] for year in facts["years"]] == [2023, 2024, None]
    await owner.execute("UPDATE projection.bar SET low = 9 WHERE ticker = 'AAPL' AND session = $1", DAY)
    failed = run_command(command_environ, "audit", "--all")
    assert failed.returncode == 1
    assert complaint(failed).startswith(f"error: audit {DAY}: AAPL: low is 9 in bar, by payload 1 it is 10; `project")
