"""The `ingest` command as a person and a script use it: what it prints where, and how it ends."""

import asyncio
import json
import os
import pty
import re
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.fake_polygon import FakePolygon
from tests.ingest.conftest import FIRST, KEY, LAST, SYMBOLS, RunCommand

DATES = ("--from", str(FIRST), "--to", str(LAST))


async def test_plan_shows_every_request_and_makes_none(ingest_command: RunCommand, vendor: FakePolygon) -> None:
    finished = await ingest_command("plan", *DATES, POLYGON_API_KEY="", RATE_LIMIT_PER_MINUTE="5")
    assert (finished.code, finished.stderr) == (0, "")
    for symbol in SYMBOLS:
        assert symbol in finished.stdout
    assert "7 requests" in finished.stdout
    assert "at least 0:01:00" in finished.stdout
    assert vendor.requests == []


async def test_the_plan_as_json_is_what_backfill_then_asks_for(ingest_command: RunCommand, vendor: FakePolygon) -> None:
    finished = await ingest_command("plan", *DATES, "--json", RATE_LIMIT_PER_MINUTE="5")
    plan = json.loads(finished.stdout)
    assert (plan["requests_total"], plan["estimated_s"]) == (7, 60.0)
    assert plan["already_have"] == dict.fromkeys(SYMBOLS, 0)
    assert all(request["reason"] for request in plan["requests"])

    finished = await ingest_command("backfill", *DATES, "--json")
    report = json.loads(finished.stdout)
    assert (finished.code, report["requests"], report["left_to_ask"]) == (0, 7, 0)
    assert sorted(request.path for request in vendor.requests) == sorted(
        request["target"].partition("?")[0] for request in plan["requests"]
    )
    assert json.loads((await ingest_command("plan", *DATES, "--json")).stdout)["requests"] == []


async def test_the_real_vendor_is_not_asked_for_a_made_up_market(
    ingest_command: RunCommand, vendor: FakePolygon
) -> None:
    assert (await ingest_command("backfill", *DATES)).code == 0
    before = (await ingest_command("runs", "--json")).stdout
    refused = await ingest_command("nightly", POLYGON_BASE_URL="https://vendor.invalid")
    assert (refused.code, refused.stdout) == (1, "")
    assert "holds the made-up market of fake-polygon" in refused.stderr
    assert "https://vendor.invalid would be mixed into it" in refused.stderr
    assert (await ingest_command("runs", "--json")).stdout == before


async def test_backfill_prints_what_came_and_a_second_one_that_there_is_nothing_to_do(
    ingest_command: RunCommand, vendor: FakePolygon
) -> None:
    first = await ingest_command("backfill", *DATES)
    assert (first.code, first.stderr) == (0, "")
    assert re.search(r"BCpC .* answered .* 2024-06-28", first.stdout)
    assert "7 requests, 0 of them asked again" in first.stdout
    second = await ingest_command("backfill", *DATES)
    assert (second.code, second.stderr) == (0, "")
    assert second.stdout.startswith("nothing to do: ")
    assert len(vendor.requests) == 7


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("backfill", "--from", "2024-02-30"), "2024-02-30"),
        (("plan", "--to", "yesterday"), "yesterday"),
        (("backfill", "--from", "2024-05-01", "--to", "2024-04-01"), "2024-05-01"),
        (("plan", "--from", "2999-01-01"), "2999-01-01"),
        (("backfill", "--symbols", "AAPL,A/B"), "'A/B'"),
    ],
)
async def test_a_misused_option_exits_2_and_names_the_value(
    ingest_command: RunCommand, vendor: FakePolygon, arguments: tuple[str, ...], named: str
) -> None:
    finished = await ingest_command(*arguments)
    assert finished.code == 2
    assert finished.stdout == ""
    assert named in finished.stderr.strip().splitlines()[-1]
    assert vendor.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("POLYGON_BASE_URL", "ftp://x"), ("POLYGON_API_KEY", "")],
)
async def test_a_setting_that_cannot_be_used_exits_2_in_one_line(
    ingest_command: RunCommand, name: str, value: str
) -> None:
    finished = await ingest_command("backfill", **{name: value})
    assert (finished.code, finished.stdout) == (2, "")
    assert finished.stderr.startswith(f"error: setting {name} is {value!r}")
    assert finished.stderr.count("\n") == 1


async def test_a_refused_key_exits_1_in_one_line_after_one_request(
    ingest_command: RunCommand, vendor: FakePolygon
) -> None:
    finished = await ingest_command("backfill", *DATES, POLYGON_API_KEY="wrong-key-123456")
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: the vendor refuses POLYGON_API_KEY")
    assert finished.stderr.count("\n") == 1
    assert "wrong-key" not in finished.stderr
    assert len(vendor.requests) == 1


async def test_an_unknown_symbol_exits_1_and_names_it_and_the_others_are_fetched(
    ingest_command: RunCommand,
) -> None:
    finished = await ingest_command("backfill", *DATES, "--symbols", "AAPL,NOPE", "--json")
    assert finished.code == 1
    assert finished.stderr.startswith("error: not everything could be fetched: NOPE: the vendor has no bar of it")
    assert [each["row_count"] > 0 for each in json.loads(finished.stdout)["outcomes"]][-2:] == [True, False]


async def test_a_database_that_is_away_exits_1_in_one_line(ingest_command: RunCommand, vendor: FakePolygon) -> None:
    finished = await ingest_command("backfill", *DATES, DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x")
    assert finished.code == 1
    assert finished.stderr.startswith("error: database 127.0.0.1:1/x cannot be reached")
    assert "secret" not in finished.stderr
    assert vendor.requests == []


async def test_the_key_is_in_nothing_that_is_printed_or_logged(
    ingest_command: RunCommand, vendor: FakePolygon, owner: asyncpg.Connection
) -> None:
    vendor.fail_next(500, body=f"a page with {KEY} in it", path="/ticker/AAPL/")
    vendor.fail_next(400, body=f'{{"error":"{KEY}"}}', path="/ticker/MSFT/")
    vendor.truncate_next(path="/ticker/SPY/")
    finished = await ingest_command("backfill", *DATES, LOG_LEVEL="DEBUG")
    assert finished.code == 1
    assert "ingest.payload_archived" in finished.stderr
    assert "ingest.retry_scheduled" in finished.stderr
    assert "ingest.progress" in finished.stderr
    assert KEY not in finished.stdout + finished.stderr
    rows = await owner.fetch("SELECT r::text AS line FROM archive.run AS r")
    assert rows
    assert not [row for row in rows if KEY in row["line"]]


async def test_elsewhere_than_on_a_terminal_about_ten_lines_say_how_far_it_is(ingest_command: RunCommand) -> None:
    finished = await ingest_command("backfill", *DATES, "--symbols", "all", LOG_LEVEL="INFO")
    lines = [line for line in finished.stderr.splitlines() if "ingest.progress" in line]
    assert 8 <= len(lines) <= 11
    assert "done=126 total=126" in lines[-1]
    assert "eta_s=0" in lines[-1]


async def test_on_a_terminal_a_bar_shows_the_rate_and_warnings_stand_above_it(
    vendor: FakePolygon, command_environ: dict[str, str], tmp_path: Path
) -> None:
    vendor.fail_next(500, path="/ticker/MSFT/")
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("ingest")),
        *("backfill", *DATES, "--symbols", "AAPL,MSFT,SPY"),
        env=command_environ
        | {"POLYGON_API_KEY": KEY, "POLYGON_BASE_URL": vendor.url, "RATE_LIMIT_PER_MINUTE": "0"}
        | {"TERM": "xterm-256color", "COLUMNS": "160"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    stdout, _ = await process.communicate()
    shown = _read_all(controller)
    assert process.returncode == 0
    assert b"answered" in stdout
    assert "5/5" in shown
    assert re.search(r"\d+\.\d/(s|min)", shown)
    assert "ETA" in shown
    # The bar's line was wiped for the warning, and the bar drawn again below it.
    assert re.search(r"\x1b\[2K\d{4}-\d\d-\d\d [\d:,]+ WARNING ingest\.retry_scheduled subject=MSFT", shown)


def _read_all(controller: int) -> str:
    shown = b""
    try:
        while chunk := os.read(controller, 65_536):
            shown += chunk
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    os.close(controller)
    return shown.decode()


async def test_help_names_the_settings_and_the_commands(ingest_command: RunCommand) -> None:
    finished = await ingest_command("--help")
    assert finished.code == 0
    for word in ("backfill", "plan", "POLYGON_API_KEY", "POLYGON_BASE_URL", "UNIVERSE", "RATE_LIMIT_PER_MINUTE"):
        assert word in finished.stdout
