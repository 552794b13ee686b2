"""`ops cron`: what ops/crontab says, on time, where there is neither cron nor systemd, as in a container."""

import os
import sys
from pathlib import Path

import click

from ingest.night.stop import NightStop
from ingest.options import stoppable, utc_now
from ingest.stop import StopRequested
from ops.backup.options import folder_argument
from ops.install.crontab import parse_crontab, shipped_crontab
from ops.install.jobs import Job, run_jobs
from sql.command import WarehouseCommand, run

_WATCH = "ops watch"


@click.command(cls=WarehouseCommand)
@folder_argument
@click.option(
    "--crontab",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another crontab than the shipped one, in its form.",
)
def cron(folder: Path, file: Path | None) -> None:
    """Run the jobs of ops/crontab on time, with backups in DIR, until interrupted.

    Times are those of this process's time zone (TZ). When a job fails, `ops watch` runs at once and tells of it.
    """
    os.environ["BACKUP_DIR"] = str(folder)  # `ops watch` looks there too, and is a job like any other
    text = file.read_text() if file else shipped_crontab()
    commands = Path(sys.executable).parent
    jobs = [
        Job(entry.name, entry.trigger(), tuple(_beside(commands, entry.arguments(folder))))
        for entry in parse_crontab(text)
    ]
    run(_until_stopped(jobs))


async def _until_stopped(jobs: list[Job]) -> None:
    stop = NightStop()
    try:
        await stoppable(stop.unless_asked(run_jobs(jobs, utc_now, after_failure=_WATCH)), stop)
    except StopRequested:
        return


def _beside(commands: Path, words: list[str]) -> list[str]:
    return [str(commands / words[0]), *words[1:]]
