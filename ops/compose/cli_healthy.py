"""`ops healthy`: what the health checks of docker-compose.yml run."""

import asyncio
from pathlib import Path

import click

from api.settings import ApiSettings
from ops.compose.healthy import require_api, require_backup_role, require_folder, require_scheduler
from sql.command import WarehouseCommand, WarehouseGroup, run
from sql.connect import database_url
from sql.settings import DatabaseSettings


@click.group(cls=WarehouseGroup)
def healthy() -> None:
    """Tell by the exit code whether a service does its job now; asked by its container. `ops doctor` tells more."""


@healthy.command(cls=WarehouseCommand)
def ingest() -> None:
    """Whether `ingest serve` runs on this database."""
    run(_scheduler())


@healthy.command(cls=WarehouseCommand)
def api() -> None:
    """Whether the API at API_PORT of this machine is ready."""
    require_api(ApiSettings.from_environ())


@healthy.command(cls=WarehouseCommand)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Whether the database can be read for a backup and DIR written."""
    require_folder(folder)
    run(_backup_role())


async def _scheduler() -> None:
    await require_scheduler(await _url())


async def _backup_role() -> None:
    await require_backup_role(await _url())


async def _url() -> str:
    """Return the URL of the database as it is: nothing is migrated for a look."""
    return await asyncio.to_thread(database_url, DatabaseSettings.from_environ())
