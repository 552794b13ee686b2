"""`ingest spot-check` as a person and cron use it: what it prints where, and how it ends."""

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import asyncpg
import pytest

from archive.calendar import NEW_YORK
from tests.command import complaint, run_command
from tests.ingest import stand_in_yfinance
from tests.ingest.spot_market import (
    RECENT,
    SESSIONS,
    SYMBOLS,
    Closes,
    in_shares_of_today,
    project_market,
    traded,
    write_folder,
)

Environ = dict[str, str]


@pytest.fixture
async def environ(command_environ: Environ, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> Environ:
    """Return the environment of a command on the projected market."""
    await project_market(ingest_pool, project_pool)
    return command_environ


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two closes of 150 that are more than 1 % off."""
    closes = traded()
    closes["ACME"][SESSIONS[12]] *= 1.001
    closes["BCPC"][SESSIONS[15]] *= 0.995
    closes["BCpC"][SESSIONS[18]] *= 1.03
    closes["SPLT"][SESSIONS[30]] *= 0.8
    return write_folder(tmp_path / "bars", closes)


async def test_too_many_differences_exit_1_with_the_share_the_bound_and_the_worst_of_them(
    environ: Environ, folder: Path
) -> None:
    done = run_command(environ, "ingest", "spot-check", "--against", str(folder), "--seed", "11")
    shown = done.stdout.decode()
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "error: 1.34 % of 149 closes differ by more than 1 % from the second source's; at most 1 % may (--worst)\n"
    )
    assert f"5 symbols against csv, {RECENT[0]} to {RECENT[-1]}, as traded (--seed 11)" in shown
    for name, count, share in (
        ("within 0.2 %", "146", "97.99"),
        ("0.2 to 1 %", "1", "0.67"),
        ("1 to 5 %", "1", "0.67"),
        ("above 5 %", "1", "0.67"),
    ):
        assert re.search(rf"^ *{re.escape(name)} +{count} +{re.escape(share)}", shown, re.MULTILINE), name
    assert "149 closes compared; 0 sessions only we have, 1 only csv has; 0 where it has no positive close" in shown
    worst = [line.split() for line in shown.splitlines() if line.split()[:1] in ([symbol] for symbol in SYMBOLS)]
    assert [line[0] for line in worst] == ["SPLT", "BCpC", "BCPC", "ACME"]
    assert worst[0] == ["SPLT", str(SESSIONS[30]), "76.875", "61.5", "25.00", "yes"]


async def test_a_share_that_is_allowed_exits_0(environ: Environ, folder: Path) -> None:
    done = run_command(environ, "ingest", "spot-check", "--against", str(folder), "--worst", "1.5")
    assert (done.returncode, done.stderr) == (0, b"")


async def test_as_json_every_fact_is_there_and_the_same_seed_repeats_them(environ: Environ, folder: Path) -> None:
    words = ("spot-check", "--against", str(folder), "--sample", "2", "--worst", "100", "--json")
    dates = {dt.datetime.now(NEW_YORK).date()}
    first = json.loads(run_command(environ, "ingest", *words).stdout)
    dates.add(dt.datetime.now(NEW_YORK).date())
    assert first["asked"]["seed"] in {int(f"{date:%Y%m%d}") for date in dates}
    assert len(first["asked"]["symbols"]) == 2
    assert sum(first["bands"].values()) == first["compared"] == sum(each["compared"] for each in first["symbols"])
    again = json.loads(run_command(environ, "ingest", *words, "--seed", str(first["asked"]["seed"])).stdout)
    assert again.pop("run_id") != first.pop("run_id")
    assert again == first


async def test_a_folder_in_shares_of_today_is_compared_as_such(environ: Environ, tmp_path: Path) -> None:
    adjusted = write_folder(tmp_path / "adjusted", in_shares_of_today())
    words = ("spot-check", "--against", str(adjusted), "--from", str(SESSIONS[0]), "--to", str(SESSIONS[-1]))
    done = run_command(environ, "ingest", *words, "--adjusted", "splits", "--json", "--worst", "0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["compared"] == 5 * 40 - 1
    assert run_command(environ, "ingest", *words).returncode == 1


async def test_a_plan_of_ingest_is_what_it_was(environ: Environ, tmp_path: Path) -> None:
    """What a second source said of a session is no reason not to ask the vendor for it, nor to ask again."""
    words = ("plan", "--symbols", ",".join(SYMBOLS), "--from", str(SESSIONS[0]), "--to", "2024-08-30", "--json")
    before = run_command(environ, "ingest", *words)
    assert before.returncode == 0, before.stderr.decode()
    planned = json.loads(before.stdout)
    assert planned["requests"]
    assert any(planned["already_have"].values())
    halves = write_folder(tmp_path / "halves", {symbol: {dt.date(2024, 6, 3): 1.0} for symbol in SYMBOLS})
    assert run_command(environ, "ingest", "spot-check", "--against", str(halves)).returncode == 1
    assert run_command(environ, "ingest", *words).stdout == before.stdout


def _with_yahoo(environ: Environ, tmp_path: Path, closes: Closes) -> Environ:
    library = tmp_path / "library"
    library.mkdir()
    shutil.copy(stand_in_yfinance.__file__, library / "yfinance.py")
    dated = {symbol: {str(day): close for day, close in by_day.items()} for symbol, by_day in closes.items()}
    (tmp_path / "closes.json").write_text(json.dumps(dated))
    (tmp_path / "calls").touch()
    return environ | {
        "PYTHONPATH": str(library),
        "CLOSES": str(tmp_path / "closes.json"),
        "CALLS": str(tmp_path / "calls"),
    }


def _calls(tmp_path: Path) -> list[str]:
    return [json.loads(line)["name"] for line in (tmp_path / "calls").read_text().splitlines()]


async def test_yahoo_is_asked_by_its_names_and_compared_in_shares_of_today(
    environ: Environ, tmp_path: Path, read_pool: asyncpg.Pool
) -> None:
    """BCpC has no name there: asked for in capitals, it would be answered with another security's closes."""
    closes = in_shares_of_today()
    closes["BRK-B"] = closes.pop("BRK.B")
    done = run_command(_with_yahoo(environ, tmp_path, closes), "ingest", "spot-check", "--worst", "0")
    shown = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"4 symbols against yahoo, {RECENT[0]} to {RECENT[-1]}, in shares of " in shown
    assert "119 closes compared; 0 sessions only we have, 1 only yahoo has" in shown
    assert "not comparable, yahoo has no name for them that we know: 1 of 5 symbols (BCpC)" in shown
    assert _calls(tmp_path) == ["ACME", "BCPC", "BRK-B", "SPLT"]
    rows = await read_pool.fetch("SELECT ticker, request, headers FROM archive.payload WHERE source = 'yahoo'")
    assert [row["ticker"] for row in rows] == ["ACME", "BCPC", "BRK.B", "SPLT"]
    assert json.loads(rows[0]["headers"]) == [["Content-Type", "text/csv"], ["X-Library", "yfinance 0.2.60"]]
    assert rows[2]["request"].startswith("/yfinance/history/BRK-B?auto_adjust=false&end=2024-06-29&start=")


async def test_symbols_that_yahoo_fails_are_named_and_the_others_decide(environ: Environ, tmp_path: Path) -> None:
    closes = in_shares_of_today()
    with_yahoo = _with_yahoo(environ, tmp_path, {"ACME": closes["ACME"], "SPLT": closes["SPLT"]})
    done = run_command(with_yahoo, "ingest", "spot-check")
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode().splitlines()
    assert "BCPC: nothing from yahoo: OSError: $BCPC: possibly delisted; no timezone found" in shown
    assert "BRK.B: nothing from yahoo: OSError: $BRK-B: possibly delisted; no timezone found" in shown


async def test_where_yahoo_refuses_everything_one_line_says_so_after_one_request(
    environ: Environ, tmp_path: Path
) -> None:
    done = run_command(_with_yahoo(environ, tmp_path, {}), "ingest", "spot-check", LIMITED="ACME")
    assert done.returncode == 1
    assert complaint(done) == (
        "error: nothing could be compared: ACME, BCPC, BRK.B, SPLT: "
        "YFRateLimitError: Too Many Requests. Rate limited. Try after a while."
    )
    assert _calls(tmp_path) == ["ACME"]


async def test_without_the_library_it_is_named_and_nothing_is_tried(command_environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "yfinance.py").write_text("raise ModuleNotFoundError('curl_cffi')")
    settings = {"PYTHONPATH": str(tmp_path), "DATABASE_URL": "postgresql://me@127.0.0.1:1/x"}
    done = run_command(command_environ | settings, "ingest", "spot-check")
    assert done.returncode == 2
    assert complaint(done) == "error: yfinance is not installed: pip install 'market-data-warehouse[spotcheck]'"


async def test_where_nothing_is_projected_one_line_says_what_to_run(command_environ: Environ, folder: Path) -> None:
    done = run_command(command_environ, "ingest", "spot-check", "--against", str(folder))
    assert done.returncode == 1
    assert complaint(done) == "error: nothing is projected yet; run `project`"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--against", "nowhere"), "'nowhere'"),
        (("--adjusted", "splits"), "--adjusted"),
        (("--against", ".", "--adjusted", "dividends"), "'dividends'"),
        (("--from", "2024-02-30"), "'2024-02-30'"),
        (("--from", "2024-05-01", "--to", "2024-04-01"), "2024-05-01"),
        (("--sample", "0"), "0"),
        (("--worst", "101"), "101"),
        (("--worst", "nan"), "nan"),
    ],
)
async def test_a_misused_option_exits_2_and_names_the_value(
    command_environ: Environ, words: tuple[str, ...], named: str
) -> None:
    done = run_command(command_environ, "ingest", "spot-check", *words, DATABASE_URL="postgresql://me@127.0.0.1:1/x")
    assert done.returncode == 2
    assert named in complaint(done)
