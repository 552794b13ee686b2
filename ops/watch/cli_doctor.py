"""`ops doctor`: everything the warehouse needs, each as ok, warn or FAILED, with what to do."""

import asyncio

import click

from ingest.errors import ProjectFailed
from ingest.night.project_command import project_command, run_project
from ingest.night.stop import NightStop
from ops.watch.doctor import examine
from ops.watch.errors import FailedChecks
from ops.watch.show import print_checks
from project.options import utc_now
from sql.command import WarehouseCommand, json_option, print_json


@click.command(cls=WarehouseCommand)
@click.option("--offline", is_flag=True, help="Ask the vendor nothing.")
@json_option
def doctor(offline: bool, as_json: bool) -> None:
    """Look at everything the warehouse needs, and say of each whether it is well and what to do.

    The vendor is asked for the coming holidays; its answer is archived like any other. Exit 1 where a check failed.
    """
    checks = asyncio.run(examine(utc_now, offline=offline, project=_project))
    failed = [check.name for check in checks if check.status == "failed"]
    if as_json:
        print_json(checks)
    else:
        print_checks(checks)
    if failed:
        raise FailedChecks(failed, len(checks))


async def _project() -> str | None:
    """Run the projector as a night does; return why it did not do its job."""
    try:
        await run_project([project_command(), "--json"], NightStop(), read_facts=True)
    except ProjectFailed as exc:
        return exc.why
    return None
