"""ops/crontab: what cron, `ops cron` and the timers make of it is the same, and each of its commands exists."""

import datetime as dt
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.install.crontab import parse_crontab, shipped_crontab
from ops.install.errors import InvalidCrontab
from tests.ops.install.known_commands import check_command
from tests.ops.install.schedules import cron_lines, cron_times, on_calendar, timer_times

_FIRST, _DAYS = dt.date(2026, 11, 20), 300
_TIMERS = {
    "ops backup": "warehouse-backup",
    "ops drill": "warehouse-drill",
    "ops watch": "warehouse-watch",
    "ops scrub": "warehouse-scrub",
}
_LINES = list(cron_lines(shipped_crontab()))
_ENTRIES = parse_crontab(shipped_crontab())
_JOBS = {entry.name: (entry, line) for entry, line in zip(_ENTRIES, _LINES, strict=True)}


def test_every_line_is_read() -> None:
    assert len(_ENTRIES) == len(_LINES)
    assert sorted(entry.name for entry in _ENTRIES) == sorted(_TIMERS)


@pytest.mark.parametrize("job", _TIMERS)
def test_cron_and_ops_cron_and_the_timer_are_due_at_the_same_times(job: str) -> None:
    entry, line = _JOBS[job]
    by_cron = cron_times(*line, _FIRST, _DAYS)
    trigger, last = entry.trigger(dt.UTC), dt.datetime.combine(_FIRST, dt.time(), dt.UTC) - dt.timedelta(seconds=1)
    by_us = set()
    while (last := trigger.get_next_fire_time(last, last)) < dt.datetime.combine(
        _FIRST + dt.timedelta(days=_DAYS), dt.time(), dt.UTC
    ):
        by_us.add(last)
    assert by_us == by_cron
    assert timer_times(_TIMERS[entry.name], _FIRST, _DAYS) == by_cron
    assert by_cron


def test_the_schedule_is_the_promised_one() -> None:
    times = {job: sorted(cron_times(*line, _FIRST, _DAYS)) for job, (_, line) in _JOBS.items()}
    assert {(when.strftime("%a %H:%M")) for when in times["ops backup"]} == {"Sun 03:00"}
    drills = [f"{when:%Y-%m-%d %a}" for when in times["ops drill"]]
    assert drills[:3] == ["2026-12-06 Sun", "2027-01-03 Sun", "2027-02-07 Sun"]
    assert len(drills) == 10
    assert all(drill.time() > dt.time(3) for drill in times["ops drill"])
    assert len(times["ops scrub"]) == _DAYS
    assert len(times["ops watch"]) == _DAYS * 24


@pytest.mark.parametrize("job", _TIMERS)
def test_systemd_reads_the_timer_as_we_do(job: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    since = dt.datetime.combine(_FIRST, dt.time(), dt.UTC)
    done = subprocess.run(
        [
            "systemd-analyze",
            "calendar",
            "--iterations=30",
            f"--base-time={since:%Y-%m-%d %H:%M:%S}",
            on_calendar(_TIMERS[job]),
        ],
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = re.findall(r"\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d):00 UTC", done.stdout)
    due = sorted(timer_times(_TIMERS[job], _FIRST, 1000 if job == "ops drill" else 250))
    assert said[:30] == [f"{when:%Y-%m-%d %H:%M}" for when in due[:30]]


@pytest.mark.parametrize("job", _TIMERS)
def test_its_commands_and_their_options_exist(job: str, tmp_path: Path) -> None:
    check_command(_JOBS[job][0].arguments(tmp_path))


def test_a_shell_runs_the_commands_where_the_two_variables_say(tmp_path: Path) -> None:
    """Each line as cron would hand it to a shell, with commands that say how they were called."""
    clone = tmp_path / "a clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    command = clone / ".venv" / "bin" / "ops"
    command.write_text(f'#!/bin/sh\necho "ops $@ in $PWD" >> "{tmp_path}/said"\necho noise\n')
    command.chmod(0o755)
    fake_date = tmp_path / "bin" / "date"
    fake_date.parent.mkdir()
    fake_date.write_text("#!/bin/sh\necho 7\n")
    fake_date.chmod(0o755)
    printed = {}
    for job, (_, (_, command_line)) in _JOBS.items():
        done = subprocess.run(
            ["/bin/sh", "-c", command_line],
            env={"PATH": f"{fake_date.parent}:/usr/bin:/bin", "WAREHOUSE": str(clone), "BACKUP_DIR": "/mnt/a b"},
            capture_output=True,
            text=True,
            check=True,
        )
        printed[job] = done.stdout
    expected = [f"{' '.join(entry.arguments(Path('/mnt/a b')))} in {clone}" for entry in _ENTRIES]
    assert (tmp_path / "said").read_text().splitlines() == expected
    # What cron would mail: a line of a backup and of a drill, and nothing where all is well.
    assert {name for name, text in printed.items() if text} == {"ops backup", "ops drill"}


def test_the_variables_come_before_the_jobs_and_mail_is_as_the_person_has_it() -> None:
    lines = [line for line in shipped_crontab().splitlines() if line and not line.startswith("#")]
    variables = [line.partition("=")[0] for line in lines if re.match(r"\w+=", line)]
    assert variables == ["WAREHOUSE", "BACKUP_DIR", "LOG_LEVEL", "SHELL"]
    assert lines[: len(variables)] == [line for line in lines if re.match(r"\w+=", line)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('0 3 * * 0 cd "$WAREHOUSE" && .venv/bin/ops backup "$BACKUP_DIR"', "weekdays are names"),
        ('0 3 1 * sun cd "$WAREHOUSE" && .venv/bin/ops backup "$BACKUP_DIR"', "alternatives"),
        ('0 3 * * * cd "$WAREHOUSE" && .venv/bin/archive verify --sample 5%', "ends a command at a %"),
        ("0 3 * * * rm -rf /", "a command begins with"),
        ('0 3 * * * cd "$WAREHOUSE" && .venv/bin/ops watch; .venv/bin/ops doctor', "shell's signs"),
        ('61 3 * * * cd "$WAREHOUSE" && .venv/bin/ops watch', "61"),
        ('0 3 30 feb * cd "$WAREHOUSE" && .venv/bin/ops watch', "no such day"),
        ("@daily ops watch", "five fields"),
        ("CRON_TZ=America/New_York", "the process's own clock"),
    ],
)
def test_a_line_that_cron_would_read_otherwise_is_refused_by_its_number(line: str, why: str) -> None:
    with pytest.raises(InvalidCrontab, match=re.escape(why)) as refused:
        parse_crontab(f"# a remark\nA=b\n{line}\n")
    assert refused.value.number == 3
