"""The `ingest` command: everything that talks to vendors, one module a subject."""

import click

from ingest.cli_backfill import backfill, plan
from ingest.cli_flat_files import flat_files
from ingest.cli_nightly import nightly, serve
from ingest.cli_runs import runs
from ingest.cli_spot_check import spot_check
from sql.command import WarehouseGroup


@click.group(cls=WarehouseGroup)
def ingest() -> None:
    """Fetch raw answers from the vendor into the archive.

    Reads POLYGON_API_KEY, POLYGON_BASE_URL, POLYGON_PLAN, UNIVERSE, RATE_LIMIT_PER_MINUTE and NIGHTLY_AT.
    """


ingest.add_command(backfill)
ingest.add_command(plan)
ingest.add_command(flat_files)
ingest.add_command(spot_check)
ingest.add_command(nightly)
ingest.add_command(serve)
ingest.add_command(runs)
