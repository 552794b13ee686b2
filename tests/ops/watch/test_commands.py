"""`ops watch` and `ops doctor` as they are called: exit codes, what is printed, and that no secret is."""

import datetime as dt
from pathlib import Path

import asyncpg
import msgspec

from api.watch.check import Check
from api.watch.safeguards import Safeguard
from archive.runs import finish_run, start_run
from ops.backup.folder import read_backup
from ops.watch.check_backups import check_backup_folder
from tests.fake_polygon import FakePolygon, SyntheticMarket
from tests.key_search import holds, in_files, in_tables
from tests.ops.commands import Ended, run_command
from tests.ops.watch.receiver import SECRET, Receiver

KEY = "sk-vendor-0123456789"
Environ = dict[str, str]


def checks_of(ended: Ended) -> dict[str, Check]:
    """Return the checks that a command printed as JSON, by name."""
    return {check.name: check for check in msgspec.json.decode(ended.out, type=list[Check])}


async def test_a_backup_that_failed_is_told_by_the_watch_once_and_its_end_once(
    command_environ: Environ, ingest_pool: asyncpg.Pool, receiver: Receiver, tmp_path: Path
) -> None:
    environ = {**command_environ, "LOG_LEVEL": "DEBUG"}
    environ |= {"ALERT_URL": receiver.alert_url, "HEARTBEAT_URL": receiver.heartbeat_url}
    sent = await run_command(environ, "ops", "watch", "--test")
    assert (sent.code, sent.out) == (0, "the test message was delivered (1 of 1)\n")
    assert receiver.alerts.pop()["test"] is True

    async def backup(passed: bool) -> None:
        now = dt.datetime.now(dt.UTC)
        run_id = await start_run(ingest_pool, "backup", {}, now)
        await finish_run(ingest_pool, run_id, "backup", {"passed": passed, "error": "the disk is full"}, now)

    await backup(passed=False)
    first = await run_command(environ, "ops", "watch", "--json")
    second = await run_command(environ, "ops", "watch")
    assert (first.code, second.code) == (1, 1)
    assert first.err.splitlines()[-1] == "error: the warehouse is in trouble: backup"
    assert checks_of(first)["backup"].status == "failed"
    assert "FAILED  backup      the backup of " in second.out
    assert [alert["troubles"][0]["name"] for alert in receiver.alerts] == ["backup"]
    assert receiver.beats == 0
    await backup(passed=True)
    well = await run_command(environ, "ops", "watch")
    assert well.code == 0, well.out + well.err
    assert [alert["over"] for alert in receiver.alerts] == [[], ["backup"]]
    assert receiver.beats == 1
    for ended in (sent, first, second, well):
        assert SECRET not in ended.out + ended.err
    assert not any(holds(place, SECRET) for place in in_files(tmp_path).values())


async def test_the_doctor_fails_where_a_check_does_and_shows_the_key_nowhere(
    command_environ: Environ, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    market = SyntheticMarket(7, ("AAPL",), dt.date(2026, 11, 2), last=dt.date(2026, 11, 20))
    async with FakePolygon(market, key="sk-another-9876543210") as vendor:
        environ = {**command_environ, "LOG_LEVEL": "DEBUG"}
        environ |= {"POLYGON_API_KEY": KEY, "POLYGON_BASE_URL": vendor.url}
        offline = await run_command(environ, "ops", "doctor", "--offline")
        assert offline.code == 0, offline.out + offline.err
        assert offline.out.splitlines()[0].startswith("ok      settings")
        assert not vendor.requests
        refused = await run_command(environ, "ops", "doctor", "--json")
    assert refused.code == 1
    assert refused.err.splitlines()[-1].endswith(" checks failed: vendor_key")
    checks = checks_of(refused)
    assert checks["vendor_key"].message.startswith("the vendor refuses the key")
    assert checks["clock"].status == "ok"
    assert [request.status for request in vendor.requests] == [401]
    tables = await in_tables(owner)
    assert holds(tables["table archive.payload"], "Unknown API Key")
    places = {**tables, **in_files(tmp_path), "out": refused.out.encode(), "err": refused.err.encode()}
    assert not [name for name, place in places.items() if holds(place, KEY)]


async def test_the_folder_of_backups_is_held_against_the_ledger(command_environ: Environ, tmp_path: Path) -> None:
    folder, week = tmp_path / "backups", dt.timedelta(days=8)
    folder.mkdir()
    now = dt.datetime.now(dt.UTC)
    assert check_backup_folder(folder, None, week, now).status == "failed"
    assert check_backup_folder(folder, None, week, now, is_new=True).status == "warn"
    made = await run_command(command_environ, "ops", "backup", str(folder), "--no-projection")
    assert made.code == 0, made.err
    [home] = (folder / "backups").iterdir()
    ended = read_backup(home).finished_at
    last = Safeguard(ended, ended, True, home.name, None, ended)
    check = check_backup_folder(folder, last, week, ended + week)
    assert (check.status, check.value, home.name in check.message) == ("ok", 8.0, True)
    assert check_backup_folder(folder, last, week, ended + week * 1.01).status == "failed"
    assert check_backup_folder(folder, last, None, ended + week * 9).status == "ok"
    elsewhere = msgspec.structs.replace(last, backup="2026-11-29T030000Z")
    check = check_backup_folder(folder, elsewhere, week, ended)
    assert (check.status, "2026-11-29T030000Z, which the ledger has, is not there" in check.message) == ("warn", True)
    (home / "backup.json").write_text("{}")
    check = check_backup_folder(folder, last, week, ended)
    assert (check.status, home.name in check.message) == ("failed", True)
