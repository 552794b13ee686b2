"""`ingest flat-files` in a process of its own: what it prints where, how it ends, and what nobody ever sees."""

import asyncio
import datetime as dt
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from tests.command import run_command
from tests.fake_s3 import FakeS3
from tests.flat_payloads import flat_bar, flat_file
from tests.ingest.conftest import RunCommand, StartCommand

KEY_ID, SECRET = "flat-key-id-012345", "flat-secret-543210"
KEYS = {"FLAT_FILES_KEY_ID": KEY_ID, "FLAT_FILES_SECRET": SECRET}
SESSIONS = [dt.date(2024, 6, day) for day in (24, 25, 26, 27, 28)]
DATES = ("--from", str(SESSIONS[0]), "--to", str(SESSIONS[-1]))


def _file(session: dt.date) -> bytes:
    rows = [flat_bar(name, session, 10.0 + session.day) for name in ("AAPL", "NA", "BCpC")]
    return flat_file([*rows, flat_bar("ZVZZT", session)])


@pytest.fixture
async def bucket() -> AsyncIterator[FakeS3]:
    """Yield a bucket with the files of a week."""
    objects = {f"us_stocks_sip/day_aggs_v1/{day:%Y/%m}/{day}.csv.gz": _file(day) for day in SESSIONS}
    async with FakeS3(objects, {KEY_ID: SECRET}) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of a week."""
    path = tmp_path / "files"
    path.mkdir()
    for day in SESSIONS:
        (path / f"{day}.csv.gz").write_bytes(_file(day))
    return path


def test_a_folder_becomes_bars_that_add_up(command_environ: dict[str, str], folder: Path) -> None:
    """The dates of a folder are its own: nothing is said of sessions before its first file and after its last."""
    fetched = run_command(command_environ, "ingest", "flat-files", str(folder))
    assert (fetched.returncode, fetched.stderr) == (0, b"")
    assert b"fetched for 2024-06-24 to 2024-06-28" in fetched.stdout
    assert fetched.stdout.count(b"answered") == 5
    again = run_command(command_environ, "ingest", "flat-files", FLAT_FILES=str(folder))
    assert again.stdout.startswith(b"nothing to do: the archive has every answer for the whole market, 5 sessions")
    assert run_command(command_environ, "project").returncode == 0
    audited = run_command(command_environ, "audit", "2024-06-26", "--json")
    audit = json.loads(audited.stdout)
    assert [audit[name] for name in ("payloads", "raw_rows", "current", "superseded", "rejected")] == [1, 4, 3, 0, 1]
    assert run_command(command_environ, "archive", "verify").returncode == 0


async def test_a_bucket_as_json_with_keys_that_show_up_nowhere(
    ingest_command: RunCommand, bucket: FakeS3, owner: asyncpg.Connection
) -> None:
    bucket.fail_next(503, "SlowDown")
    done = await ingest_command("flat-files", bucket.url, *DATES, "--json", LOG_LEVEL="DEBUG", **KEYS)
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["planned"], report["requests"], report["retries"], report["left_to_ask"]) == (5, 6, 1, 0)
    assert "ingest.retry_scheduled" in done.stderr
    rows = await owner.fetch("SELECT row_to_json(run)::text FROM archive.run")
    rows += await owner.fetch("SELECT row_to_json(payload)::text FROM archive.payload")
    seen = done.stdout + done.stderr + "".join(row[0] for row in rows)
    assert bucket.asked[0].headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
    for secret in (KEY_ID, SECRET, "AWS4", "Signature"):
        assert secret not in seen


async def test_a_refused_key_is_one_line_and_exit_1(ingest_command: RunCommand, bucket: FakeS3) -> None:
    done = await ingest_command("flat-files", *DATES, FLAT_FILES=bucket.url, **KEYS | {"FLAT_FILES_SECRET": "wrong-99"})
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {bucket.url}/us_stocks_sip/day_aggs_v1 refuses the file of 2024-06-28 (")
    assert "FLAT_FILES_KEY_ID, FLAT_FILES_SECRET" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "wrong-99" not in done.stderr


async def test_a_file_that_is_missing_is_named_and_exit_1(ingest_command: RunCommand, bucket: FakeS3) -> None:
    bucket.objects.pop(next(key for key in bucket.objects if "06-26" in key))
    done = await ingest_command("flat-files", bucket.url, *DATES, **KEYS)
    assert done.code == 1
    complaint = (
        "error: not everything could be fetched: market 2024-06-26: the vendor says no such file: 404: NoSuchKey"
    )
    assert done.stderr.splitlines()[-1] == complaint
    assert done.stdout.count("answered") == 4


async def test_sigterm_lets_what_is_under_way_be_archived(
    start_ingest: StartCommand, bucket: FakeS3, owner: asyncpg.Connection
) -> None:
    bucket.hang_next()
    process = await start_ingest("flat-files", bucket.url, *DATES, **KEYS)
    await _until(lambda: bool(bucket.asked))
    process.send_signal(signal.SIGTERM)
    await _until(lambda: not _catches(process.pid, signal.SIGTERM))
    bucket.go_on.set()
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.decode().splitlines()[-1].startswith("error: stopped by SIGTERM")
    assert await owner.fetchval("SELECT count(*) FROM archive.payload") == 1


async def test_what_a_kill_left_is_all_that_the_next_run_fetches(
    start_ingest: StartCommand, ingest_command: RunCommand, bucket: FakeS3, owner: asyncpg.Connection
) -> None:
    for day in SESSIONS[:2]:
        bucket.hang_next(path=str(day))
    process = await start_ingest("flat-files", bucket.url, *DATES, **KEYS)
    async with asyncio.timeout(30):
        while await owner.fetchval("SELECT count(*) FROM archive.payload") < 3 or len(bucket.asked) < 5:
            await asyncio.sleep(0.05)
    process.kill()
    await process.communicate()
    bucket.go_on.set()
    done = await ingest_command("flat-files", bucket.url, *DATES, "--json", **KEYS)
    assert (done.code, json.loads(done.stdout)["already_have"]) == (0, {"market": 3})
    assert sorted(bucket.counts.values()) == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "settings", "named"),
    [
        (("/no/such/folder",), {}, "'[SOURCE]': '/no/such/folder' must be a folder with YYYY-MM-DD.csv.gz in it"),
        (("https://me:hush@host.test/b",), {}, "'(hidden)' must be"),
        ((), {"FLAT_FILES": "/no/such/folder"}, "setting FLAT_FILES is '/no/such/folder': must be"),
        ((), {}, "setting FLAT_FILES_KEY_ID is '': must hold the key of https://files.massive.com/flatfiles/"),
        ((), {"FLAT_FILES_KEY_ID": KEY_ID}, "setting FLAT_FILES_SECRET is '': must be set"),
        ((), {"FLAT_FILES_KEY_ID": "hu sh", "FLAT_FILES_SECRET": SECRET}, "setting FLAT_FILES_KEY_ID is '(hidden)'"),
    ],
)
async def test_misuse_exits_2_and_names_what_was_misused(
    ingest_command: RunCommand, arguments: tuple[str, ...], settings: dict[str, str], named: str
) -> None:
    done = await ingest_command("flat-files", *arguments, **settings)
    assert (done.code, done.stdout) == (2, "")
    assert named in done.stderr
    assert "hush" not in done.stderr


async def test_without_botocore_the_extra_is_named_and_a_folder_works(
    ingest_command: RunCommand, bucket: FakeS3, folder: Path, tmp_path: Path
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "botocore.py").write_text("raise ImportError('not here')\n")
    done = await ingest_command("flat-files", bucket.url, *DATES, **KEYS, PYTHONPATH=str(without))
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == "error: botocore is not installed: pip install 'market-data-warehouse[flatfiles]'\n"
    assert bucket.asked == []
    assert (await ingest_command("flat-files", str(folder), PYTHONPATH=str(without))).code == 0


def _catches(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process has a handler of its own for a signal; ours is taken away once it was heard."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (number - 1) & 1)


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not met():
            await asyncio.sleep(0.01)
