"""`ops cron` as a process: it says what it waits for, and SIGTERM ends it with 0."""

import os
import signal
from pathlib import Path

from tests.command import complaint, run_command
from tests.ops.commands import start_command


async def test_it_waits_for_the_jobs_of_the_shipped_crontab_until_sigterm(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TZ": "UTC"}
    process = await start_command(environ, "ops", "cron", str(tmp_path))
    assert process.stderr is not None
    said = [(await process.stderr.readline()).decode() for _ in range(4)]
    process.send_signal(signal.SIGTERM)
    out, rest = await process.communicate()
    assert (process.returncode, out, rest) == (0, b"", b"")
    assert sorted(line.split("job=")[1].split(" next=")[0] for line in said) == [
        "ops backup",
        "ops drill",
        "ops scrub",
        "ops watch",
    ]
    [backup] = [line for line in said if "job=ops backup" in line]
    assert "T03:00:00+00:00" in backup


def test_a_crontab_of_another_form_is_refused_with_its_line(tmp_path: Path) -> None:
    crontab = tmp_path / "crontab"
    crontab.write_text("# mine\n0 3 * * 0 backup-everything\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    said = complaint(run_command(environ, "ops", "cron", str(tmp_path), "--crontab", str(crontab)))
    assert said.startswith("error: crontab, line 2: weekdays are names")
