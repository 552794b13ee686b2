"""`ops scrub`: what `archive verify` does, noted in the run ledger; every night, from cron."""

import click

from archive.cli_verify import sample_of, sample_options, tell_verified
from archive.sample import Sample
from archive.verify import Verification
from ops.stop import stoppable
from ops.watch.errors import ScrubStopped
from ops.watch.scrub import scrub
from project.options import utc_now
from sql.command import WarehouseCommand, json_option, ready_database, run


@click.command("scrub", cls=WarehouseCommand)
@sample_options
@json_option
def scrub_archive(percent: float | None, seed: int | None, as_json: bool) -> None:
    """Prove the archive whole as `archive verify` does, and record it, so that `ops watch` tells of it if not.

    Exit 1 where it is not whole, and the first bad payload is named.
    """
    sample = sample_of(percent, seed)
    tell_verified(run(stoppable(_scrub(sample), ScrubStopped)), sample, as_json=as_json)


async def _scrub(sample: Sample | None) -> Verification:
    return await scrub(await ready_database(), sample, utc_now)
