"""Each bench runs, at toy size, and prints what it promises; what the figures are is for who runs it to judge."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.api.page.conftest import CHROMIUM
from tests.bench import api, rebuild
from tests.bench.archive_download import Measured
from tests.bench.served import ROOT


def bench(name: str, *arguments: str) -> str:
    """Return what a bench prints."""
    command = [sys.executable, "-m", f"tests.bench.{name}", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_archiving_is_set_against_a_bare_download_of_the_same_bodies() -> None:
    printed = bench("archive_download", "--symbols", "3", "--rounds", "1", "--since", "2025-06-02")
    assert re.search(r"^archived / bare: \d+\.\d\d × \(median of 1", printed, re.M)
    assert re.search(r"^stored / JSON: 0\.\d{3}", printed, re.M)
    assert "the archive verifies: yes" in printed
    assert "the vendor's answers are warm" in printed
    assert re.search(r"^of it, measured alone: gunzip \d", printed, re.M)


def test_archiving_can_be_timed_against_a_vendor_that_has_made_nothing_yet() -> None:
    printed = bench("archive_download", "--symbols", "3", "--rounds", "1", "--since", "2025-06-02", "--cold", "--json")
    measured = msgspec.json.decode(printed, type=Measured)
    assert measured.cold
    assert [each.archived.done.requests for each in measured.rounds] == [3]


def test_a_grouped_backfill_takes_one_request_a_session(market_data: Path) -> None:
    printed = bench("grouped_backfill", "--market", str(market_data), "--first", "2016-05-02", "--last", "2016-05-04")
    assert "requests / sessions: 3 / 3, and 2 lists" in printed
    assert float(re.findall(r"^stored / JSON: (0\.\d+)", printed, re.M)[0]) <= 0.30


def test_a_folder_without_grouped_days_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench.grouped_backfill", "--market", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.strip()) == (
        2,
        f"error: no grouped days in {tmp_path} (--market, MARKET_DATA_DIR)",
    )


def test_a_rebuild_is_set_against_a_bare_copy_of_the_same_rows() -> None:
    printed = bench("rebuild", "--scale", "0.002", "--rounds", "1")
    assert re.search(r"^ranges: rebuilt / bare copy: \d+\.\d\d × \(median of 1.*1,260 bars in", printed, re.M)
    assert re.search(r"^grouped: rebuilt / bare copy: \d+\.\d\d × .* 3,024 bars in", printed, re.M)
    assert re.search(r"^nightly: \d+\.\d\d s \(median of", printed, re.M)
    assert "onto 5,522 bars" in printed


def test_rebuilds_of_real_days_and_of_the_whole_market_can_be_asked_for(market_data: Path) -> None:
    arguments = ("--parts", "", "--whole", "--scale", "0.0002", "--market", str(market_data), "--days", "2")
    measured = msgspec.json.decode(bench("rebuild", *arguments, "--rounds", "1", "--json"), type=rebuild.Measured)
    [whole], [market] = measured.rebuilds["whole"], measured.rebuilds["market"]
    assert (whole.rebuilt.bars, whole.before.bars, whole.after.bars) == (2520, 2520, 2520)
    assert market.rebuilt.bars == market.before.bars > 10_000
    assert min(market.rebuilt.peak_bytes, market.rebuilt.peak_of_all_bytes) > 2**20
    assert measured.nights == []


def test_a_warehouse_is_backed_up_destroyed_and_restored_beside_a_dump_of_it() -> None:
    printed = bench("backup", "--scale", "0.002")
    assert re.search(r"^archive, second backup / first: 0\.0\d\d\d × the bytes", printed, re.M)
    assert re.search(r"^first backup / pg_dump: \d+\.\d\d × the time", printed, re.M)
    assert "content hash the same throughout: yes" in printed


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_api_is_set_against_memory_and_the_usual_handler() -> None:
    printed = bench("api", "--scale", "0.002", "--seconds", "1", "--parts", "series")
    assert re.search(
        r"^warm / the same bytes from our server's memory: \d+\.\d\d × .*; / from a bare uvicorn's", printed, re.M
    )
    assert re.search(r"^cold, 99 of 100 within: \d+\.\d ms", printed, re.M)
    assert "0 failed" in printed


def test_the_market_and_streams_of_the_api_can_be_measured() -> None:
    measured = msgspec.json.decode(
        bench("api", "--scale", "0.002", "--parts", "market,stream", "--json"), type=api.Measured
    )
    assert set(measured.market_ms) == {"arrow, cold", "json, cold", "arrow, warm", "json, warm"}
    assert measured.bars == 1260 + 22 * 3 - 3
    assert all(stream.body_bytes > 1000 for stream in measured.streams.values())


@pytest.mark.skipif(not any(map(shutil.which, CHROMIUM)), reason="Chromium is not installed")
def test_the_page_is_set_against_a_bare_one_of_the_same_server() -> None:
    printed = bench("page", "--tickers", "2", "--years", "1", "--rounds", "1")
    assert re.search(r"^symbol, 252 bars: first paint \d+ ms", printed, re.M)
    assert re.search(r"^symbol, 252 bars: chart drawn [1-9]\d* ms", printed, re.M)
    assert re.search(r"^home +\d+ ms \(\d+\.\d × bare\)", printed, re.M)
