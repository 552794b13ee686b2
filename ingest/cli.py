"""The `ingest` command: everything that talks to vendors, one module a subject."""

import click

from ingest.cli_backfill import backfill, plan
from sql.command import WarehouseGroup


@click.group(cls=WarehouseGroup)
def ingest() -> None:
    """Fetch raw answers from the vendor into the archive.

    Reads POLYGON_API_KEY, POLYGON_BASE_URL, UNIVERSE and RATE_LIMIT_PER_MINUTE.
    """


ingest.add_command(backfill)
ingest.add_command(plan)
