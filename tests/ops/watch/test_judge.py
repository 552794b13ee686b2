"""Backups and drills by the ledger: which is trouble, which only something to know of, and how long is grace."""

import datetime as dt

import pytest

from api.errors import NothingProjected
from api.watch.facts import ArchiveFacts, Facts
from api.watch.safeguards import Safeguard
from api.watch.settings import WatchSettings
from ops.watch.judge import Seen, judge_safeguard, judge_warehouse
from ops.watch.settings import SafeguardSettings
from sql.errors import InvalidSetting

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
WEEK = 8 * DAY
LONG_AGO = NOW - 400 * DAY


def seen(last: Safeguard | None = None, since: dt.datetime | None = LONG_AGO, *, alive: bool = False) -> Seen:
    """Return a warehouse with this last backup and nothing projected."""
    safeguards = {} if last is None else {"backup": last}
    archive = ArchiveFacts(
        head=1,
        body_bytes=1,
        stored_bytes=1,
        disk_bytes=1,
        oldest_waiting=None,
        runs={},
        safeguards=safeguards,
        is_scheduled=False,
        is_fetching=False,
    )
    return Seen(Facts(archive, NothingProjected()), since, frozenset({"backup"} if alive else ()))


def good(age: dt.timedelta) -> Safeguard:
    """Return a backup that ended well so long ago."""
    ended = NOW - age
    return Safeguard(ended - HOUR, ended, True, "2026-11-15T030000Z", None, ended)


def unfinished(passed_at: dt.datetime | None) -> Safeguard:
    """Return a backup that started an hour ago; one before it ended well."""
    return Safeguard(NOW - HOUR, None, None, None, None, passed_at)


FAILED = Safeguard(NOW - HOUR, NOW, False, None, "the disk is full", NOW - DAY)


@pytest.mark.parametrize(
    ("warehouse", "status", "said"),
    [
        (seen(good(WEEK)), "ok", "ended at 2026-11-14T03:00Z (2026-11-15T030000Z)"),
        (seen(good(WEEK + HOUR)), "failed", "8 days ago; 8 are allowed"),
        (seen(FAILED), "failed", "the backup of 2026-11-22T02:00Z failed: the disk is full"),
        (seen(unfinished(NOW - DAY)), "failed", "was killed"),
        (seen(unfinished(NOW - DAY), alive=True), "ok", "ended at 2026-11-21"),
        (seen(unfinished(NOW - 9 * DAY), alive=True), "failed", "9 days ago"),
        (seen(unfinished(None), alive=True), "failed", "the first backup is under way"),
        (seen(unfinished(None), NOW - DAY, alive=True), "warn", "the first backup is under way"),
        (seen(), "failed", "there never was a backup"),
        (seen(since=NOW - WEEK), "warn", "a new warehouse has 8 days for it"),
        (seen(since=NOW - WEEK - HOUR), "failed", "there never was a backup"),
        (seen(since=None), "warn", "there never was a backup"),
        # Grace is for what never was, not for what went wrong.
        (seen(FAILED, NOW - DAY), "failed", "the disk is full"),
        (seen(unfinished(None), NOW - DAY), "failed", "was killed"),
    ],
)
def test_a_backup_is_judged(warehouse: Seen, status: str, said: str) -> None:
    check = judge_safeguard("backup", warehouse, WEEK, NOW)
    assert check.status == status
    assert said in check.message
    assert check.bound == 8
    assert (check.todo is None) == (status == "ok")


def test_an_age_of_zero_days_watches_nothing() -> None:
    settings = SafeguardSettings.from_environ(
        {"BACKUP_MAX_AGE_DAYS": "0", "DRILL_MAX_AGE_DAYS": "40", "SCRUB_MAX_AGE_DAYS": "1"}
    )
    assert (settings.backup_max_age, settings.drill_max_age, settings.folder) == (None, 40 * DAY, None)
    assert settings.scrub_max_age == DAY
    assert judge_safeguard("backup", seen(FAILED), settings.backup_max_age, NOW).status == "ok"


@pytest.mark.parametrize("days", ["-1", "3651", "weekly"])
def test_an_age_out_of_bounds_is_refused(days: str) -> None:
    with pytest.raises(InvalidSetting, match="BACKUP_MAX_AGE_DAYS"):
        SafeguardSettings.from_environ({"BACKUP_MAX_AGE_DAYS": days})


def test_a_new_warehouse_has_a_day_for_its_first_projection_and_no_longer() -> None:
    for age, status in ((DAY, "warn"), (DAY + HOUR, "failed")):
        checks = judge_warehouse(seen(since=NOW - age), WatchSettings(), SafeguardSettings(), NOW)
        found = {check.name: check for check in checks}
        assert found["projection"].status == status
        assert ("a new warehouse has a day" in found["projection"].message) == (status == "warn")
