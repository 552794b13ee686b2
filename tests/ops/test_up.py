"""`ops up`: one command from nothing to a served warehouse, safe to kill and to run again."""

import asyncio
import csv
import datetime as dt
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
import pytest

from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.ops.commands import get_json, run_command, serving, start_command
from tests.processes import children_running

Environ = dict[str, str]


@pytest.fixture
def small_market(tmp_path: Path) -> Path:
    """Return a market folder of one symbol with a 2:1 split and a 7 % gap, over four sessions."""
    bars = tmp_path / "market" / "bars"
    bars.mkdir(parents=True)
    rows = [
        ("2024-01-02", 100.0, 101.0, 99.0, 100.0, 1_000),
        ("2024-01-03", 107.0, 108.0, 106.0, 107.0, 1_100),
        ("2024-01-04", 53.6, 54.0, 53.0, 53.5, 2_300),
        ("2024-01-05", 53.5, 54.0, 53.0, 53.75, 2_200),
    ]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (bars / "ABCD.csv").write_text(f"date,open,high,low,close,volume\n{text}\n")
    (bars.parent / "splits.csv").write_text("symbol,execution_date,split_from,split_to\nABCD,2024-01-04,1,2\n")
    (bars.parent / "dividends.csv").write_text("symbol,ex_dividend_date,cash_amount\n")
    return bars.parent


async def _facts(environ: Mapping[str, str], *words: str) -> dict[str, Any]:
    ended = await run_command(environ, *words, "--json")
    assert ended.code == 0, ended.err
    facts: dict[str, Any] = msgspec.json.decode(ended.out)
    return facts


async def test_up_without_a_key_says_so_and_fetches_a_synthetic_market(command_environ: Environ) -> None:
    ended = await run_command(command_environ, "ops", "up", "--no-serve")
    assert ended.code == 0, ended.err
    assert "POLYGON_API_KEY is not set" in ended.out
    status = await _facts(command_environ, "project", "--status")
    assert status["symbols"] >= 15
    assert status["gaps_flagged"] > 0
    assert status["rejections"] > 0
    assert status["splits"] > 0


async def test_a_second_up_fetches_nothing(command_environ: Environ, small_market: Path) -> None:
    first = await run_command(command_environ, "ops", "up", "--no-serve", "--market", str(small_market))
    before = await _facts(command_environ, "archive", "stats")
    second = await run_command(command_environ, "ops", "up", "--no-serve", "--market", str(small_market))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "Nothing to fetch" in second.out
    assert await _facts(command_environ, "archive", "stats") == before


async def test_up_serves_what_it_fetched_with_the_split_undone(command_environ: Environ, small_market: Path) -> None:
    async with serving(command_environ, "ops", "up", "--market", str(small_market)) as base:
        traded = await get_json(f"{base}/api/v1/historical/ABCD?adjusted=none")
        adjusted = await get_json(f"{base}/api/v1/historical/ABCD")
    assert [bar["close"] for bar in _bars(traded)] == [100.0, 107.0, 53.5, 53.75]
    assert [bar["close"] for bar in _bars(adjusted)] == [50.0, 53.5, 53.5, 53.75]
    assert [bar["volume"] for bar in _bars(adjusted)] == [2_000, 2_200, 2_300, 2_200]
    assert not any(bar["gap_detected"] for bar in _bars(traded))


async def test_a_tighter_rule_changes_flags_after_a_rebuild_and_asks_the_vendor_nothing(
    command_environ: Environ, small_market: Path, tmp_path: Path
) -> None:
    await run_command(command_environ, "ops", "up", "--no-serve", "--market", str(small_market))
    before = await _facts(command_environ, "project", "--status")
    shipped = Path(__file__).parents[2] / "ops" / "rules.toml"
    edited = tmp_path / "rules.toml"
    edited.write_text(shipped.read_text().replace("limit = 0.10", "limit = 0.05"))
    after = await _facts({**command_environ, "RULES": str(edited)}, "project", "--rebuild", "--yes")
    assert (before["gaps_flagged"], after["gaps_flagged"]) == (0, 1)
    assert after["ruleset_hash"] != before["ruleset_hash"]
    assert after["archive_head"] == before["archive_head"]


async def test_up_refuses_to_mix_two_markets(command_environ: Environ, small_market: Path) -> None:
    await run_command(command_environ, "ops", "up", "--no-serve", "--market", str(small_market))
    before = await _facts(command_environ, "archive", "stats")
    ended = await run_command(command_environ, "ops", "up", "--no-serve")
    assert ended.code == 1
    assert "WAREHOUSE_DATA" in ended.err
    assert await _facts(command_environ, "archive", "stats") == before


async def test_up_with_a_key_the_vendor_refuses_fails_in_one_line_without_the_key(command_environ: Environ) -> None:
    async with FakePolygon(SyntheticMarket(1, ["AAPL"], last=dt.date(2021, 6, 30)), key="the-right-key") as vendor:
        environ = {
            **command_environ,
            "POLYGON_API_KEY": "a-wrong-key-of-mine",
            "POLYGON_BASE_URL": vendor.url,
            "RATE_LIMIT_PER_MINUTE": "0",
        }
        ended = await run_command(environ, "ops", "up", "--no-serve")
    assert ended.code == 1
    errors = [line for line in ended.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "refuses POLYGON_API_KEY" in errors[0]
    assert "a-wrong-key-of-mine" not in ended.err + ended.out


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
async def test_up_names_a_folder_that_is_no_market(command_environ: Environ, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    ended = await run_command(command_environ, "ops", "up", "--no-serve", "--market", str(tmp_path / folder))
    assert ended.code in (1, 2)
    assert folder in ended.err.splitlines()[-1]


async def test_up_killed_in_the_middle_completes_when_run_again(command_environ: Environ) -> None:
    process = await start_command(command_environ, "ops", "up", "--no-serve")
    vendor = await _child(process.pid)
    await _archived_at_least(command_environ, 3)
    os.kill(process.pid, signal.SIGKILL)
    await process.communicate()
    await asyncio.to_thread(psutil.wait_procs, [vendor], 10)
    assert not vendor.is_running(), "the local vendor outlived its killed parent"
    left = await _facts(command_environ, "archive", "stats")
    ended = await run_command(command_environ, "ops", "up", "--no-serve")
    assert ended.code == 0, ended.err
    verified = await _facts(command_environ, "archive", "verify")
    assert verified["first_bad"] is None
    assert verified["payloads"] > left["payloads"] >= 3
    again = await run_command(command_environ, "ops", "up", "--no-serve")
    assert "Nothing to fetch" in again.out


async def test_up_works_with_no_database_set_up(tmp_path: Path, small_market: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WAREHOUSE_DATA": str(tmp_path / "data")}
    ended = await run_command(environ, "ops", "up", "--no-serve", "--market", str(small_market))
    assert ended.code == 0, ended.err
    assert "4 bars of 1 symbols" in ended.out


async def test_the_embedded_server_stops_with_the_api(tmp_path: Path, small_market: Path) -> None:
    data = tmp_path / "data"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WAREHOUSE_DATA": str(data)}
    async with serving(environ, "ops", "up", "--market", str(small_market)):
        assert (data / "postgres" / "postmaster.pid").exists()
    assert not (data / "postgres" / "postmaster.pid").exists()


async def test_real_bars_come_out_as_they_are_in_the_folder(command_environ: Environ, market_data: Path) -> None:
    async with serving(command_environ, "ops", "up", "--market", str(market_data)) as base:
        route = f"{base}/api/v1/historical/AAPL?start=2014-06-01&end=2014-06-30"
        traded, adjusted = _bars(await get_json(f"{route}&adjusted=none")), _bars(await get_json(route))
    with (market_data / "bars" / "AAPL.csv").open() as file:
        source = [row for row in csv.DictReader(file) if row["date"].startswith("2014-06")]
    assert [bar["session"] for bar in traded] == [row["date"] for row in source]
    for field in ("open", "high", "low", "close", "volume"):
        assert [bar[field] for bar in traded] == [float(row[field]) for row in source], field
    split = next(bar for bar in traded if bar["session"] == "2014-06-09")
    assert not split["gap_detected"]
    for bar, row in zip(adjusted, source, strict=True):
        ratio = 7 if row["date"] < "2014-06-09" else 1
        assert bar["close"] == float(row["close"]) / ratio
        assert bar["volume"] == float(row["volume"]) * ratio


def _bars(answer: dict[str, object]) -> list[dict[str, Any]]:
    bars = answer["bars"]
    assert isinstance(bars, list)
    return bars


async def _child(pid: int) -> psutil.Process:
    """Return the vendor that a command has started."""
    while not (found := children_running("tests.fake_polygon", psutil.Process(pid))):
        await asyncio.sleep(0.02)
    return found[0]


async def _archived_at_least(environ: Mapping[str, str], count: int) -> None:
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        while True:
            try:
                if await connection.fetchval("SELECT count(*) FROM archive.payload") >= count:
                    return
            except asyncpg.UndefinedTableError:
                pass
    finally:
        await connection.close()
