"""`project factors`: what is stated, what the prices say and what is applied, of now and of an instant."""

import datetime as dt
from typing import Any

import asyncpg
import msgspec
import pytest

from archive.payload import Response
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.command import complaint, run_command
from tests.payloads import (
    FETCHED_AT,
    archive_all,
    bar,
    dividend,
    dividends_response,
    range_response,
    split,
    splits_response,
)
from tests.project.columns import SESSIONS

DAY = dt.timedelta(days=1)
LATE, RIGHT = SESSIONS[21], SESSIONS[20]
BARS = [bar(session, 100.0 if session < RIGHT else 50.0) for session in SESSIONS[:40]]


def _splits(*rows: dict[str, str], day: int) -> Response:
    return splits_response(rows, fetched_at=FETCHED_AT + day * DAY)


@pytest.fixture
async def projected(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Project a split whose date the vendor corrects, one that never was, and two dividends."""
    never = split("BCpC", RIGHT, 1, 3, "E2")
    dividends = [dividend("AAPL", SESSIONS[5], 0.5, "D1"), dividend("AAPL", SESSIONS[30], 0.5, "D2", "CAD")]
    responses = [
        range_response("AAPL", BARS),
        range_response("BCpC", [bar(session, 7.0) for session in SESSIONS[:40]]),
        dividends_response(dividends),
        _splits(split("AAPL", LATE, 1, 2, "E1"), never, day=1),
    ]
    for archived in (responses, [_splits(split("AAPL", RIGHT, 1, 2, "E1"), never, day=2)]):
        await archive_all(ingest_pool, archived)
        await catch_up_or_build(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT + 3 * DAY)


def _factors(environ: dict[str, str], *words: str) -> dict[str, Any]:
    done = run_command(environ, "project", "factors", *words, "--json")
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = msgspec.json.decode(done.stdout)
    return facts


def _said(facts: dict[str, Any]) -> list[tuple[str, str, str, str | None, list[str]]]:
    return [
        (one["ticker"], one["vendor_id"], one["ex_date"], one["applied_on"], one["flags"]) for one in facts["factors"]
    ]


async def test_factors_are_listed_with_what_the_prices_make_of_them(
    command_environ: dict[str, str], projected: None
) -> None:
    facts = _factors(command_environ)
    assert _said(facts) == [
        ("AAPL", "D2", str(SESSIONS[30]), None, ["foreign_currency"]),
        ("AAPL", "E1", str(RIGHT), str(RIGHT), []),
        ("BCpC", "E2", str(RIGHT), None, ["contradicted"]),
        ("AAPL", "D1", str(SESSIONS[5]), str(SESSIONS[5]), []),
    ]
    assert (facts["total"], facts["more"], facts["flags"]) == (4, 0, {"contradicted": 1, "foreign_currency": 1})
    [split_of_two] = [one for one in facts["factors"] if one["vendor_id"] == "E1"]
    assert (split_of_two["price_factor"], split_of_two["move"]) == (0.5, 0.5)


async def test_they_can_be_those_of_a_symbol_of_a_flag_of_an_instant_or_the_newest(
    command_environ: dict[str, str], projected: None
) -> None:
    assert {row[0] for row in _said(_factors(command_environ, "BCpC"))} == {"BCpC"}
    assert _said(_factors(command_environ, "bcpc")) == []
    assert [row[1] for row in _said(_factors(command_environ, "--flagged"))] == ["D2", "E2"]
    newest = _factors(command_environ, "AAPL", "--limit", "1")
    assert ([row[1] for row in _said(newest)], newest["total"], newest["more"]) == (["D2"], 3, 2)
    then = (FETCHED_AT + 1.5 * DAY).isoformat()
    assert ("AAPL", "E1", str(LATE), str(RIGHT), ["dated_off"]) in _said(_factors(command_environ, "--known-at", then))
    assert _said(_factors(command_environ, "--known-at", "2024-06-30")) == []


async def test_a_person_reads_a_table(command_environ: dict[str, str], projected: None) -> None:
    done = run_command(command_environ, "project", "factors", "--limit", "3")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "1 → 2" in text
    assert "0.5 a share" in text
    assert "not applied" in text
    assert "1 contradicted, 1 foreign_currency" in text
    assert "and 1 more (--limit)" in text
    nothing = run_command(command_environ, "project", "factors", "NONE")
    assert (nothing.returncode, nothing.stdout.decode()) == (0, "no such splits or dividends\n")


async def test_without_a_projection_it_says_so(command_environ: dict[str, str]) -> None:
    assert "nothing is projected yet" in complaint(run_command(command_environ, "project", "factors"))
