"""The `project symbol`, `gaps` and `moves` commands as a person runs them."""

import datetime as dt
from typing import Any

import asyncpg
import msgspec
import pytest

from archive.calendar import exchange_calendar
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.command import complaint, run_command
from tests.payloads import archive_all, bar, range_response
from tests.project.tickers_payloads import events_response, listed, tickers_response

NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
FIGI = "BBG000MM2P62"
RENAMED, DATED = dt.date(2022, 6, 9), "2022-06-11"
SESSIONS = exchange_calendar().between(dt.date(2022, 3, 1), dt.date(2022, 9, 30))
HOLE = dt.date(2022, 5, 4)
FELL = dt.date(2022, 7, 28)


@pytest.fixture
async def projected(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Have FB and META projected, with a hole, a fall and a change that is dated two days late."""
    facebook = [bar(day, 190.0, 1e7) for day in SESSIONS if day < RENAMED and day != HOLE]
    meta = [bar(day, 190.0 if day < FELL else 160.0, 1e7) for day in SESSIONS if day >= RENAMED]
    await archive_all(
        ingest_pool,
        [
            range_response("FB", facebook, SESSIONS[0], SESSIONS[-1]),
            range_response("META", meta, SESSIONS[0], SESSIONS[-1]),
            events_response("META", [("META", DATED), ("FB", "2012-05-18")], composite_figi=FIGI, name="Meta [A]"),
            tickers_response([listed("META", composite_figi=FIGI, name="Meta [A]")]),
            tickers_response([listed("TWTR", composite_figi="BBG2", delisted_utc="2022-10-28T04:00:00Z")]),
        ],
    )
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)


def _facts(environ: dict[str, str], *words: str) -> dict[str, Any]:
    done = run_command(environ, "project", *words, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    facts: dict[str, Any] = msgspec.json.decode(done.stdout)
    return facts


def _text(environ: dict[str, str], *words: str) -> str:
    done = run_command(environ, "project", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


async def test_a_symbol_is_shown_with_all_that_is_known_of_it(command_environ: dict[str, str], projected: None) -> None:
    facts = _facts(command_environ, "symbol", "META")
    spans = [
        {"ticker": "FB", "first": "2012-05-18", "last": "2022-06-08"},
        {"ticker": "META", "first": "2022-06-09", "last": None},
    ]
    assert facts["followed"] == spans
    assert facts["securities"] == [{"security_id": FIGI, "name": "Meta [A]", "spans": spans}]
    bars = {"ticker": "META", "first_session": str(RENAMED), "last_session": "2022-09-30", "bars": 79}
    assert bars in facts["bars"]
    [change, *_] = facts["changes"]
    assert {"FB", "META"} == {one["ticker"] for one in facts["changes"]}
    assert (change["archive_seq"], change["known_to"]) == (3, None)
    text = _text(command_environ, "symbol", "META")
    assert "to follow META as it is now, read FB, then META" in text
    assert "Meta [A]" in text
    assert "miss most delisted names" in text


async def test_a_delisted_symbol_is_still_known(command_environ: dict[str, str], projected: None) -> None:
    facts = _facts(command_environ, "symbol", "TWTR")
    [listing] = facts["listings"]
    assert (listing["active"], listing["delisted_on"], listing["known_from"]) == (
        False,
        "2022-10-28",
        "2024-07-01T12:00:00Z",
    )


async def test_gaps_of_a_symbol_and_of_all(command_environ: dict[str, str], projected: None) -> None:
    facts = _facts(command_environ, "gaps", "FB")
    [hole, ended] = facts["gaps"]
    assert (hole["kind"], hole["first"], hole["sessions"]) == ("vendor_hole", str(HOLE), 1)
    assert (ended["kind"], ended["first"]) == ("after_delisting", str(RENAMED))
    assert facts["calendar_version"] == exchange_calendar().version
    only = _facts(command_environ, "gaps", "FB", "--class", "vendor_hole")
    assert (only["gaps"], only["counts"], only["more"]) == ([hole], {"vendor_hole": 1}, 0)
    every = _facts(command_environ, "gaps", "--class", "vendor_hole")
    assert every["symbols"] == [{"symbol": "FB", "bars": 69, "counts": {"vendor_hole": 1}}]
    text = _text(command_environ, "gaps")
    assert text.startswith("sessions without a bar")
    assert f"by {exchange_calendar().version}, up to " in text
    assert "1 vendor_hole" in _text(command_environ, "gaps", "FB")
    assert "no such session without a bar" in _text(command_environ, "gaps", "FB", "--class", "rejected")


async def test_moves_of_a_symbol_and_of_all(command_environ: dict[str, str], projected: None) -> None:
    facts = _facts(command_environ, "moves", "META")
    [move] = facts["moves"]
    assert (move["session"], move["kind"], move["previous_close"]) == (str(FELL), "spin_off_suspected", 190.0)
    assert facts["counts"] == {"spin_off_suspected": 1}
    assert _facts(command_environ, "moves", "--over", "20")["moves"] == []
    text = _text(command_environ, "moves", "--class", "spin_off_suspected")
    assert "-15.8%" in text
    assert text.endswith("1 spin_off_suspected\n")


@pytest.mark.parametrize("command", ["symbol", "gaps"])
async def test_a_symbol_that_nobody_knows_is_one_line(
    command_environ: dict[str, str], projected: None, command: str
) -> None:
    done = run_command(command_environ, "project", command, "Meta")
    assert done.returncode == 1
    assert complaint(done) == "error: symbol 'Meta': nothing is known of it, and nobody asked for it; its case matters"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gaps", "--class", "holiday"), "error: Invalid value for '--class': 'holiday' is not one of"),
        (("moves", "--over", "0"), "error: Invalid value for '--over': 0"),
        (("moves", "--limit", "0"), "error: Invalid value for '--limit': 0"),
        (("symbol",), "error: Missing argument 'SYMBOL'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_asked_is_misuse(command_environ: dict[str, str], words: tuple[str, ...], said: str) -> None:
    done = run_command(command_environ, "project", *words)
    assert done.returncode == 2
    assert complaint(done).startswith(said)
