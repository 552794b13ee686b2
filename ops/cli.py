"""The `ops` command: bring the whole warehouse up, or only its database."""

import os
from pathlib import Path

import click

from api.settings import ApiSettings
from ingest.errors import RunFailed
from ingest.settings import IngestSettings
from ops.backup.cli_backup import backup, backups, make_key_file
from ops.backup.cli_drill import drill_backup
from ops.backup.cli_restore import restore_backup
from ops.compose.cli_healthy import healthy
from ops.compose.cli_logins import logins
from ops.install.cli_cron import cron
from ops.install.cli_database import database
from ops.install.cli_install import install, uninstall
from ops.up import bring_up
from ops.watch.cli_doctor import doctor
from ops.watch.cli_scrub import scrub_archive
from ops.watch.cli_watch import watch
from project.ruleset import read_ruleset, rules_path
from sql.command import WarehouseGroup, ready_database, run
from sql.connect import address


@click.group(cls=WarehouseGroup)
def ops() -> None:
    """Run the warehouse."""


@ops.command()
@click.option(
    "--market",
    "folder",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Serve this folder of real bars through a local fake vendor instead of asking the real one.",
)
@click.option("--no-serve", is_flag=True, help="Do everything but serve the API.")
def up(folder: Path | None, no_serve: bool) -> None:
    """Migrate, fetch what is missing, project, show what came of it, and serve the API.

    Reads every setting of .env.example.
    """
    settings, api = IngestSettings.from_environ(), ApiSettings.from_environ()
    ruleset = read_ruleset(rules_path())
    wanted = settings.universe if os.environ.get("UNIVERSE", "").strip() else None
    report = run(bring_up(settings, wanted, api, ruleset, folder, serving=not no_serve))
    if report.failures():
        raise RunFailed(report.failures())


@ops.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL, or the embedded one, up to date; safe to run again."""
    click.echo(f"{address(run(ready_database()))} is up to date")


ops.add_command(healthy)
ops.add_command(logins)
ops.add_command(doctor)
ops.add_command(watch)
ops.add_command(scrub_archive)
ops.add_command(cron)
ops.add_command(database)
ops.add_command(install)
ops.add_command(uninstall)
ops.add_command(restore_backup)
ops.add_command(drill_backup)
ops.add_command(backup)
ops.add_command(backups)
ops.add_command(make_key_file)
