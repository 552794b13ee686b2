"""Units and jobs that fail without a word in the ledger: who starts the watch says it, and systemd what is since."""

import datetime as dt
from pathlib import Path

import pytest

from api.watch.check import Check
from ops.watch.check_units import Heard, check_units, heard_of, unit_states
from ops.watch.told import News, Trouble, find_news
from tests.ops.commands import run_command
from tests.ops.watch.receiver import Receiver

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
API, JOB = "warehouse-api.service", "ops backup"
BAD = "exit-code, systemd says activating (auto-restart)"
_SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$0.called"
cat <<END
Result=exit-code
Id=warehouse-api.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart

Result=success
Id=warehouse-ingest.service
LoadState=loaded
ActiveState=active
SubState=running

Result=exit-code
Id=warehouse-backup.service
LoadState=loaded
ActiveState=failed
SubState=failed

Result=success
Id=warehouse-drill.service
LoadState=loaded
ActiveState=inactive
SubState=dead
InactiveEnterTimestamp=Sun 2026-11-22 03:00:07 $TZ

Result=success
Id=warehouse-scrub.service
LoadState=loaded
ActiveState=inactive
SubState=dead
InactiveEnterTimestamp=

Result=success
Id=warehouse-database.service
LoadState=not-found
ActiveState=inactive
SubState=dead
END
"""


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a systemctl on the PATH that tells of an API which starts again and again, and of a backup that failed."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(_SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_who_starts_the_watch_says_what_failed_in_the_words_of_systemd() -> None:
    assert heard_of({}) is None
    environ = {"MONITOR_UNIT": API, "MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_STATUS": "3"}
    assert heard_of(environ) == Heard(API, "exit-code, exit status 3")
    assert heard_of({"MONITOR_UNIT": API}) == Heard(API, "it failed")  # before systemd 251
    assert heard_of({"MONITOR_UNIT": JOB, "MONITOR_SERVICE_RESULT": "success"}) == Heard(JOB, None)


def test_systemd_is_asked_for_the_services_and_for_what_failed_before(
    systemctl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill, scrub, backup = (f"warehouse-{job}.service" for job in ("drill", "scrub", "backup"))
    states = unit_states(dict.fromkeys((backup, drill, scrub, API, JOB), NOW), {})
    well = {"warehouse-ingest.service": None, drill: None}
    failed = "exit-code, systemd says failed (failed)"
    assert states == well | {API: BAD, backup: failed, scrub: "it has not ended well since"}
    # A disk that is not mounted: the job does not begin, and what systemd has of it is from the last time.
    assert unit_states({drill: NOW + HOUR}, {})[drill] == "it has not ended well since"
    unit_states({}, {"MANAGERPID": "7"})
    of_system, *_, of_user = Path(f"{systemctl}.called").read_text().splitlines()
    assert of_system.startswith("show --property=Id,")
    assert of_system.split().count(API) == 1
    assert JOB not in of_system
    assert of_user.startswith("--user show ")
    monkeypatch.setenv("PATH", str(systemctl.parent / "empty"))
    assert unit_states({API: NOW}, {}) == {}


@pytest.mark.parametrize(
    ("name", "heard", "hours_ago", "state", "status"),
    [
        (API, Heard(API, "exit-code"), None, {}, "failed"),
        (API, Heard(API, "exit-code"), 30, {API: None}, "failed"),
        (API, None, 1, {API: None}, "ok"),
        (API, None, 0.1, {API: None}, "failed"),  # it may only just have been started again
        (API, None, 1, {API: BAD}, "failed"),
        (API, None, 1, {}, "failed"),
        (API, None, 24, {}, "ok"),
        (API, None, 24, {API: BAD}, "failed"),
        (API, None, None, {API: BAD}, "failed"),
        (API, None, None, {API: None}, None),
        ("warehouse-backup.service", None, 1, {"warehouse-backup.service": "failed"}, "failed"),
        ("warehouse-backup.service", None, 24, {"warehouse-backup.service": "failed"}, "failed"),
        ("warehouse-backup.service", None, 1, {"warehouse-backup.service": None}, "ok"),
        (JOB, Heard(JOB, "exit-code"), None, {}, "failed"),
        (JOB, Heard(JOB, None), 1, {}, "ok"),
        (JOB, None, 1, {}, "failed"),
        (JOB, None, 24, {}, "ok"),
    ],
)
def test_a_unit_is_judged(
    name: str, heard: Heard | None, hours_ago: float | None, state: dict[str, str | None], status: str | None
) -> None:
    told = {} if hours_ago is None else {name: Trouble(NOW, NOW, NOW - hours_ago * HOUR)}
    checks = {check.name: check.status for check in check_units(heard, told, [], NOW, state)}
    assert checks.get(name) == status


def test_a_job_whose_end_is_in_the_ledger_is_told_by_that() -> None:
    failed = [Check("backup", "failed", None, None, "the disk is full", "do")]
    for name in (JOB, "warehouse-backup.service"):
        assert check_units(Heard(name, "exit-code"), {}, failed, NOW, {}) == []
        assert len(check_units(Heard(name, "exit-code"), {}, [], NOW, {})) == 1


def test_a_job_that_went_well_since_by_hand_is_well_though_its_unit_stays_failed() -> None:
    unit = "warehouse-backup.service"
    told = {unit: Trouble(NOW - 6 * HOUR, NOW - 6 * HOUR, NOW - 6 * HOUR)}
    for age_days, status in ((0.1, "ok"), (1.0, "failed"), (None, "failed")):
        good = Check("backup", "ok", age_days, 8.0, "the last good backup ended")
        [check] = check_units(None, told, [good], NOW, {unit: "failed"})
        assert check.status == status


def test_a_unit_is_remembered_until_it_is_well_and_a_service_that_only_systemd_told_of_too() -> None:
    def at(hours: float, before: dict[str, Trouble], heard: Heard | None, state: str | None) -> News:
        checks = check_units(heard, before, [], NOW + hours * HOUR, {API: state})
        return find_news(before, checks, NOW + hours * HOUR, heard.unit if heard else None)

    first = at(0, {}, Heard(API, "exit-code"), BAD)
    assert [check.name for check in first.to_tell] == [API]
    told = first.when_told(NOW)
    assert told[API] == Trouble(NOW, NOW, NOW)
    again = at(1, told, Heard(API, "exit-code"), None)
    assert (again.to_tell, again.going_on[API].failed_at) == ((), NOW + HOUR)
    assert at(1.1, again.going_on, None, None).over == ()
    assert at(2, again.going_on, None, None).over == (API,)
    found = at(0, {}, None, BAD)
    assert [check.name for check in found.to_tell] == [API]
    assert at(1, found.when_told(NOW), None, None).over == (API,)


async def test_the_watch_tells_of_the_unit_that_started_it_once_and_of_its_end(
    command_environ: dict[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    environ = {**command_environ, "PATH": str(tmp_path), "ALERT_URL": receiver.alert_url}
    failed = {"MONITOR_UNIT": JOB, "MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_STATUS": "2"}
    for said, code in ((failed, 1), ({}, 1), ({**failed, "MONITOR_SERVICE_RESULT": "success"}, 0), ({}, 0)):
        ended = await run_command({**environ, **said}, "ops", "watch")
        assert ended.code == code, ended.out + ended.err
    assert [[each["name"] for each in alert["troubles"]] for alert in receiver.alerts] == [[JOB], []]
    assert "ops backup: it failed: exit-code, exit status 2." in receiver.alerts[0]["text"]
    assert receiver.alerts[1]["over"] == [JOB]
