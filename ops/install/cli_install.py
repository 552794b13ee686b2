"""`ops install` and `ops uninstall`: the warehouse as services and timers of systemd, or as jobs of cron."""

import os
import pwd
import sys
from pathlib import Path

import click
from dotenv import dotenv_values, find_dotenv

from ops.install.apply import Applied, Systemd, carry_out, describe, take_back
from ops.install.errors import CannotInstall
from ops.install.machine import (
    config_folder,
    default_data,
    require_nameable,
    require_root,
    require_systemd,
    require_usable,
    service_user,
    units_folder,
)
from ops.install.plan import CRON_FILE, Plan, Wish, plan_cron, plan_units
from ops.install.units import shipped_units
from sql.command import WarehouseCommand
from sql.settings import DatabaseSettings

_SETTINGS = "settings"
_FOLDER = click.Path(file_okay=False, resolve_path=True, path_type=Path)
_COMMANDS = Path(sys.executable).absolute().parent

_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done, with the text of every file.")
_as_user = click.option(
    "--as-user", is_flag=True, help="For the systemd of your own user, without root; it runs while you are logged in."
)
_root = click.option("--root", type=_FOLDER, help="Write into this folder as if it were /, and tell systemd nothing.")
_cron = click.option("--cron", is_flag=True, help="Not systemd: the jobs of ops/crontab, in /etc/cron.d.")


@click.command(cls=WarehouseCommand)
@_dry_run
@click.option("--user", "name", help="The user that services run as. Default: the one who called sudo.")
@_as_user
@click.option(
    "--backup-dir",
    type=_FOLDER,
    envvar="BACKUP_DIR",
    show_envvar=True,
    help="Where backups go; without it nothing is backed up.",
)
@_cron
@_root
@click.option("--overwrite", is_flag=True, help="Replace units that were edited, too.")
def install(
    dry_run: bool,
    name: str | None,
    as_user: bool,
    backup_dir: Path | None,
    cron: bool,
    root: Path | None,
    overwrite: bool,
) -> None:
    """Have systemd run the warehouse: the nights, the API, backups, drills and alerts; safe to run again."""
    if as_user and (name or cron):
        raise click.UsageError("--as-user goes neither with --user nor with --cron")
    user = None if as_user else service_user(name)
    plan = _cron_plan(user, backup_dir) if cron else _units_plan(user, backup_dir, root)
    on = Applied(root, None if cron or root else Systemd(as_user))
    if dry_run:
        describe(plan, on, click.echo)
        return
    if root is None:
        require_root("--cron") if cron else require_systemd(as_user=as_user)
        written = [folder.path for folder in plan.folders if folder.owner and folder.path.is_dir()]
        require_usable(user, _COMMANDS, [*written, *([backup_dir] if backup_dir else [])])
    carry_out(plan, on, click.echo, overwrite=overwrite)
    click.echo(f"undo all of it: ops uninstall{' --as-user' if as_user else ''}{f' --root {root}' if root else ''}")
    if backup_dir is None:
        click.echo("Nothing is backed up: run this again with --backup-dir DIR.")
    if as_user:
        click.echo("Your services run while you are logged in; `loginctl enable-linger` keeps them running.")


@click.command(cls=WarehouseCommand)
@_dry_run
@_as_user
@_root
def uninstall(dry_run: bool, as_user: bool, root: Path | None) -> None:
    """Stop and remove what `ops install` wrote; data, backups and what was edited stay."""
    if root is None and not dry_run and not as_user:
        require_root("uninstalling")
    units = units_folder(as_user=as_user)
    config = config_folder(as_user=as_user)
    paths = [*(units / unit for unit in shipped_units()), config / _SETTINGS]
    on = Applied(root, Systemd(as_user) if root is None else None)
    take_back([*paths, *([] if as_user else [CRON_FILE])], config, on, click.echo, dry_run=dry_run)


def _units_plan(user: pwd.struct_passwd | None, backup_dir: Path | None, root: Path | None) -> Plan:
    source = find_dotenv(usecwd=True)
    taken_over = {name: value for name, value in dotenv_values(source or None).items() if value}
    database = DatabaseSettings.from_environ()
    if database.url is not None:
        taken_over["DATABASE_URL"] = database.url
    named = bool(os.environ.get("WAREHOUSE_DATA", "").strip())
    settings = config_folder(as_user=user is None) / _SETTINGS
    wish = Wish(
        user=user,
        commands=_COMMANDS,
        data=database.folder if named or user is None else default_data(user),
        settings=settings,
        units=units_folder(as_user=user is None),
        backup_dir=backup_dir,
    )
    present = settings if root is None else root / settings.relative_to("/")
    plan = plan_units(wish, present, taken_over, Path(source) if source else None)
    require_nameable(_COMMANDS, settings, *([backup_dir] if backup_dir else []), *(each.path for each in plan.folders))
    return plan


def _cron_plan(user: pwd.struct_passwd | None, backup_dir: Path | None) -> Plan:
    clone = _COMMANDS.parents[1]
    if user is None or backup_dir is None:
        raise click.UsageError("--cron wants --backup-dir DIR")
    if _COMMANDS.parts[-2:] != (".venv", "bin"):
        raise CannotInstall(f"ops/crontab runs what is in .venv/bin of the clone, and this command is in {_COMMANDS}")
    require_nameable(clone, backup_dir)
    return plan_cron(user, clone, backup_dir)
