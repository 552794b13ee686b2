"""Overrides: what a person decided of a bar stands over the rules, through replay and restatement, until revoked."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.payload import Response
from project.decide.decisions import Verb
from project.decide.override import Override, overrides_of, overrule
from project.errors import UndecodablePayload
from project.judged import JudgedBars
from project.rebuild import rebuild
from project.replay import catch_up
from project.rows import BarRows, Tickers
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.command import complaint, run_command
from tests.payloads import archive_all, bar, range_response
from tests.project.decided import AT, about_bar
from tests.project.random_archive import SESSIONS, small_ruleset
from tests.project.tables import all_tables, fingerprint_of_tables, status, status_of_tables, the_generation

RULESET = small_ruleset()
NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
GAP_AT = SESSIONS[4]
# A gap of 30 % costs 0.2: the bar after it is not validated by the rules.
ROWS = [bar(session, 10.0 if session < GAP_AT else 13.0) for session in SESSIONS]

_KEYS = st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(-3, 3))


def _override(ticker: str, day: int, verdict: str) -> Override:
    session = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    return msgspec.convert(
        {"ticker": ticker, "session": session, "verdict": verdict, "because": "x", "decided_by": "kim"}
        | {"decided_at": AT, "archive_seq": 1, "known_from": AT},
        Override,
    )


@given(
    bars=st.dictionaries(_KEYS, st.booleans(), max_size=12),
    decided=st.dictionaries(_KEYS, st.sampled_from(["accept", "reject"]), max_size=8),
)
def test_overruling_changes_the_bars_that_were_decided_on_and_nothing_else(
    bars: dict[tuple[str, int], bool], decided: dict[tuple[str, int], str]
) -> None:
    tickers, count = Tickers(), len(bars)
    codes = tickers.codes([ticker for ticker, _ in bars])
    days = np.array([day for _, day in bars], np.int64)
    rows = BarRows(codes, days, np.zeros((7, count)), np.ones(count, np.int64), np.zeros(count, np.int64))
    zeros = np.zeros(count)
    judged = JudgedBars(rows, zeros, zeros, zeros.astype(np.int64), zeros, np.array(list(bars.values()), np.bool_))
    overrides = overrides_of([_override(*key, verdict) for key, verdict in decided.items()], tickers)
    overruled = overrule(judged, overrides)
    expected = [decided[key] == "accept" if key in decided else validated for key, validated in bars.items()]
    assert overruled.validated.tolist() == expected
    assert overruled.quality_score is judged.quality_score


async def _bar(pool: asyncpg.Pool, session: dt.date = GAP_AT) -> tuple[bool, float, float]:
    row = await pool.fetchrow("SELECT validated, quality_score, close FROM projection.bar WHERE session = $1", session)
    return (row["validated"], row["quality_score"], row["close"])


async def _require_consistent(pool: asyncpg.Pool) -> None:
    """A rebuild gives what the catch-ups gave; hashes and counts are those of the tables."""
    tables, generation = await all_tables(pool), await the_generation(pool)
    assert await fingerprint_of_tables(pool) == generation.fingerprint
    assert await status(pool) == await status_of_tables(pool)
    rebuilt = (await rebuild(pool, RULESET, lambda: NOW)).generation
    assert rebuilt.fingerprint == generation.fingerprint
    assert await all_tables(pool) == tables


async def test_an_override_holds_over_the_score_until_it_is_revoked(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    hashes = [(await rebuild(project_pool, RULESET, lambda: NOW)).generation.content_hash]
    seen = [await _bar(project_pool)]
    for verb in (Verb.ACCEPT, Verb.REJECT, Verb.ACCEPT, Verb.REVOKE):
        await archive_all(ingest_pool, [about_bar(verb, "AAPL", GAP_AT)])
        hashes.append((await catch_up(project_pool, lambda: NOW)).generation.content_hash)
        seen.append(await _bar(project_pool))
        await _require_consistent(project_pool)
    assert [validated for validated, _, _ in seen] == [False, True, False, True, False]
    assert {(score, close) for _, score, close in seen} == {(0.8, 13.0)}
    # The reject repeats the rules' verdict, so only the override's own row tells it from no override at all.
    assert len(set(hashes)) == 3
    assert hashes[1] == hashes[3]
    assert hashes[0] == hashes[4]
    versions = await project_pool.fetch("SELECT verdict, ended_by FROM projection.override ORDER BY archive_seq")
    assert [tuple(row) for row in versions] == [("accept", 3), ("reject", 4), ("accept", 5)]


_DECIDED_ON = SESSIONS[3:6]
_decisions = st.builds(about_bar, st.sampled_from(list(Verb)[:3]), st.just("AAPL"), st.sampled_from(_DECIDED_ON))
_restated = st.builds(
    lambda session, price: range_response("AAPL", [bar(session, price)]),
    st.sampled_from(_DECIDED_ON),
    st.sampled_from([10.0, 13.0, 16.0]),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(_decisions | _restated, max_size=3),
    later=st.lists(_decisions | _restated, min_size=1, max_size=8),
    batch_payloads=st.integers(1, 4),
)
async def test_decisions_and_restatements_in_any_order_give_what_one_rebuild_gives(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    empty: Callable[[], Awaitable[None]],
    first: list[Response],
    later: list[Response],
    batch_payloads: int,
) -> None:
    await empty()
    await archive_all(ingest_pool, [range_response("AAPL", ROWS), *first])
    await rebuild(project_pool, RULESET, lambda: NOW)
    await archive_all(ingest_pool, later)
    await catch_up(project_pool, lambda: NOW, batch_payloads=batch_payloads)
    await _require_consistent(project_pool)


async def test_an_override_goes_on_holding_when_the_bar_is_restated(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, lambda: NOW)
    await archive_all(ingest_pool, [about_bar(Verb.REJECT, "AAPL", SESSIONS[7])])
    await catch_up(project_pool, lambda: NOW)
    assert await _bar(project_pool, SESSIONS[7]) == (False, 1.0, 13.0)
    await archive_all(ingest_pool, [range_response("AAPL", [bar(SESSIONS[7], 13.1)])])
    await catch_up(project_pool, lambda: NOW)
    assert await _bar(project_pool, SESSIONS[7]) == (False, 1.0, 13.1)
    await _require_consistent(project_pool)


async def test_an_override_that_was_given_before_its_bar_came_holds_for_it(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [about_bar(Verb.REJECT, "AAPL", GAP_AT), range_response("BCPC", ROWS[:2])])
    await rebuild(project_pool, RULESET, lambda: NOW)
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await catch_up(project_pool, lambda: NOW)
    assert (await _bar(project_pool))[0] is False
    await _require_consistent(project_pool)


async def test_an_override_speaks_of_one_ticker_byte_for_byte(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    sent = [range_response(ticker, [bar(GAP_AT)]) for ticker in ("BCPC", "BCpC")]
    await archive_all(ingest_pool, [*sent, about_bar(Verb.REJECT, "BCpC", GAP_AT)])
    await rebuild(project_pool, RULESET, lambda: NOW)
    rows = await project_pool.fetch("SELECT ticker FROM projection.bar WHERE NOT validated")
    assert [row["ticker"] for row in rows] == ["BCpC"]


async def test_a_decision_that_nobody_can_read_stops_both_ways(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, RULESET, lambda: NOW)
    before = await all_tables(project_pool)
    foreign = msgspec.structs.replace(about_bar(Verb.ACCEPT, "AAPL", GAP_AT), body=b'{"decision":"bless"}')
    await archive_all(ingest_pool, [foreign])
    for attempt in (catch_up(project_pool, lambda: NOW), rebuild(project_pool, RULESET, lambda: NOW)):
        with pytest.raises(UndecodablePayload, match="payload 2"):
            await attempt
    assert await all_tables(project_pool) == before


# The commands.


@pytest.fixture
async def projected(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Project a symbol whose bar after the gap is not validated."""
    await archive_all(ingest_pool, [range_response("AAPL", ROWS)])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)


def _override_json(environ: dict[str, str], *words: str) -> dict[str, object]:
    done = run_command(environ, "project", "override", "AAPL", *words, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    found: dict[str, object] = msgspec.json.decode(done.stdout)
    return found


@pytest.mark.usefixtures("projected")
async def test_an_override_takes_effect_at_once_and_says_what_it_changed(
    command_environ: dict[str, str], project_pool: asyncpg.Pool
) -> None:
    why = ("--because", "the exchange confirms the price", "--by", "kim")
    decided = _override_json(command_environ, str(GAP_AT), "--accept", *why)
    before, after = decided["before"], decided["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (decided["archive_seq"], before["validated"], after["validated"]) == (2, False, True)
    assert (before["override"], after["override"], after["decided_by"]) == (None, "accept", "kim")
    assert before["failed_rules"] == after["failed_rules"] == ["large_gap"]
    assert (await _bar(project_pool))[0] is True
    again = run_command(command_environ, "project", "override", "AAPL", str(GAP_AT), "--accept", "--because", "again")
    said = f"nothing to do: AAPL {GAP_AT} is overridden so already, by kim: the exchange confirms the price\n"
    assert (again.returncode, again.stdout.decode(), again.stderr) == (0, said, b"")
    revoked = run_command(command_environ, "project", "override", "AAPL", str(GAP_AT), "--revoke", "--because", "no")
    assert revoked.returncode == 0, revoked.stderr
    assert revoked.stdout.startswith(f"AAPL {GAP_AT}: decision archived as payload 3".encode())
    assert (await _bar(project_pool))[0] is False


@pytest.mark.usefixtures("projected")
async def test_overrides_are_listed_with_who_and_why_and_the_ended_ones_on_demand(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(
        ingest_pool,
        [
            about_bar(Verb.ACCEPT, "AAPL", GAP_AT, "first word"),
            about_bar(Verb.REJECT, "AAPL", GAP_AT, "second word"),
            about_bar(Verb.REJECT, "AAPL", SESSIONS[8], "thin"),
            about_bar(Verb.REVOKE, "AAPL", SESSIONS[8]),
            range_response("AAPL", [bar(GAP_AT, 13.5)]),
        ],
    )
    await catch_up(project_pool, lambda: NOW)
    now = msgspec.json.decode(run_command(command_environ, "project", "overrides", "--json").stdout)
    assert [(row["verdict"], row["because"], row["restated_since"]) for row in now] == [("reject", "second word", True)]
    ever = msgspec.json.decode(run_command(command_environ, "project", "overrides", "AAPL", "--all", "--json").stdout)
    assert [(row["because"], row["ended_by"]) for row in ever] == [
        ("first word", 3),
        ("second word", None),
        ("thin", 5),
    ]
    table = run_command(command_environ, "project", "overrides", "--all").stdout.decode()
    assert all(word in table for word in ("first word", "kim", "2024-07-02 08:30:00", str(SESSIONS[8])))
    nobody = run_command(command_environ, "project", "overrides", "BCPC")
    assert nobody.stdout == b"no override of BCPC\n"


@pytest.mark.usefixtures("projected")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("AAPL", "2024-01-01", "--accept"), 1, "the exchange held no session"),
        (("AAPL", "2024-01-09", "--accept"), 1, "AAPL 2024-01-09 has no bar"),
        (("aapl", str(GAP_AT), "--accept"), 1, f"aapl {GAP_AT} has no bar"),
        (("AAPL", str(GAP_AT), "--revoke"), 1, f"AAPL {GAP_AT} is not overridden"),
        (("AAPL", str(GAP_AT)), 2, "--accept, --reject and --revoke"),
        (("AAPL", str(GAP_AT), "--accept", "--reject"), 2, "--accept, --reject and --revoke"),
        (("AAPL", "yesterday", "--accept"), 2, "yesterday"),
        (("AAPL", str(GAP_AT), "--accept", "--because", " "), 2, "because is ''"),
        (("AAPL", str(GAP_AT), "--accept", "--because", "x" * 501), 2, "501 characters; 500 are allowed"),
        (("A\nB", str(GAP_AT), "--accept"), 2, "ticker is 'A\\nB'"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_decided_is_refused_and_archives_nothing(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, words: tuple[str, ...], code: int, message: str
) -> None:
    because = () if "--because" in words else ("--because", "checked")
    done = run_command(command_environ, "project", "override", *words, *because)
    assert message in complaint(done)
    assert done.returncode == code
    assert await ingest_pool.fetchval("SELECT max(archive_seq) FROM archive.payload") == 1


@pytest.mark.usefixtures("projected")
async def test_a_reason_is_asked_for(command_environ: dict[str, str]) -> None:
    done = run_command(command_environ, "project", "override", "AAPL", str(GAP_AT), "--accept")
    assert done.returncode == 2
    assert "--because" in complaint(done)


async def test_before_the_first_projection_there_is_nothing_to_override(command_environ: dict[str, str]) -> None:
    for words in (("override", "AAPL", str(GAP_AT), "--accept", "--because", "x"), ("overrides",)):
        done = run_command(command_environ, "project", *words)
        assert complaint(done) == "error: nothing is projected yet; run `project`"


@pytest.mark.usefixtures("projected")
async def test_while_a_payload_cannot_be_decoded_nothing_is_decided(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", b'{"results":{"o":1}}')])
    done = run_command(command_environ, "project", "override", "AAPL", str(GAP_AT), "--accept", "--because", "x")
    assert "payload 2 cannot be decoded" in complaint(done)
    assert await ingest_pool.fetchval("SELECT max(archive_seq) FROM archive.payload") == 2
