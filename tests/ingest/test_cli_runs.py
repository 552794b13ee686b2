"""`ingest runs` and `ingest runs show` as a person and a script use them, after runs of every sort."""

import asyncio
import datetime as dt
import json
import re
import signal
from collections.abc import Awaitable, Callable

from tests.fake_polygon import FakePolygon
from tests.ingest.conftest import FIRST, LAST, RunCommand, StartCommand

DATES = ("--from", str(FIRST), "--to", str(LAST))


async def test_runs_lists_what_ran_newest_first_and_show_tells_why_it_failed(ingest_command: RunCommand) -> None:
    await ingest_command("backfill", *DATES, "--symbols", "AAPL")
    await ingest_command("backfill", *DATES, "--symbols", "AAPL")
    failed = await ingest_command("backfill", *DATES, "--symbols", "AAPL,NOPE")
    assert failed.code == 1

    listed = await ingest_command("runs", "--json")
    assert (listed.code, listed.stderr) == (0, "")
    runs = json.loads(listed.stdout)
    assert [run["state"] for run in runs] == ["failed", "nothing to do", "done"]
    assert [run["kind"] for run in runs] == ["backfill"] * 3
    assert [run["failed"] for run in runs] == [1, 0, 0]
    assert runs[1]["planned"] == runs[1]["requests"] == 0
    assert runs[2]["requests"] >= runs[2]["planned"] > 0
    assert runs[2]["body_bytes"] > 0
    assert runs[2]["took_s"] >= 0
    for run in runs:
        assert (run["retries"], run["waited_s"] >= 0) == (0, True)
    assert [run["run_id"] for run in json.loads((await ingest_command("runs", "--limit", "1", "--json")).stdout)] == [
        runs[0]["run_id"]
    ]

    table = (await ingest_command("runs")).stdout
    ids = [run["run_id"][:8] for run in runs]
    assert re.findall(r"^ ([0-9a-f]{8}) ", table, re.MULTILINE) == ids
    assert [words for words in ("1 failed", "nothing to do", "done") if words in table] == [
        "1 failed",
        "nothing to do",
        "done",
    ]

    shown = await ingest_command("runs", "show", ids[0])
    assert (shown.code, shown.stderr) == (0, "")
    assert runs[0]["run_id"] in shown.stdout
    assert re.search(r"no bar anywhere of +NOPE", shown.stdout)
    assert re.search(r"NOPE +range +empty", shown.stdout)
    whole = json.loads((await ingest_command("runs", "show", ids[0].upper(), "--json")).stdout)
    assert whole["run_id"] == runs[0]["run_id"]
    assert whole["result"]["unknown"] == ["NOPE"]
    assert any("NOPE" in target for target in whole["plan"]["requests"])


async def test_where_nothing_ran_runs_says_so(ingest_command: RunCommand) -> None:
    assert (await ingest_command("runs")).stdout == "no run yet\n"
    assert (await ingest_command("runs", "--kind", "nightly")).stdout == "no run of kind 'nightly' yet\n"
    assert json.loads((await ingest_command("runs", "--json")).stdout) == []


async def test_an_id_that_names_no_run_or_several_is_one_clear_line(
    ingest_command: RunCommand, tamper: Callable[[str], Awaitable[None]]
) -> None:
    ids = [f"abcd{n}000-0000-4000-8000-000000000000" for n in (1, 2)]
    for run_id in ids:
        await tamper(f"INSERT INTO archive.run VALUES ('{run_id}', 'started', '2024-07-01 09:00Z', 'backfill', '{{}}')")
    for text, code, said in (
        ("beef", 1, "run 'beef' is not in the ledger"),
        ("abcd", 1, ids[1]),
        ("abc", 2, "4 or more hex digits"),
    ):
        finished = await ingest_command("runs", "show", text)
        assert (finished.code, finished.stdout) == (code, "")
        assert finished.stderr.startswith("error: run ")
        assert finished.stderr.count("\n") == 1
        assert said in finished.stderr


async def test_a_run_is_under_way_while_it_lives_and_killed_once_it_was_killed(
    vendor: FakePolygon, start_ingest: StartCommand, ingest_command: RunCommand
) -> None:
    vendor.hang_next(times=10)
    process = await start_ingest("backfill", *DATES, "--symbols", "AAPL")
    while not vendor.requests and process.returncode is None:
        await asyncio.sleep(0.01)
    [alive] = json.loads((await ingest_command("runs", "--json")).stdout)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    # The server notices that the session is gone a moment after the process is.
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    state = alive["state"]
    while state == "under way" and dt.datetime.now(dt.UTC) < deadline:
        [killed] = json.loads((await ingest_command("runs", "--json")).stdout)
        state = killed["state"]
    assert (alive["state"], state) == ("under way", "killed")
    assert alive["took_s"] is None
    assert (await ingest_command("runs", "show", alive["run_id"])).code == 0
