"""`ops drill`: what a person or a timer asks for, and the one line that is said of it."""

from pathlib import Path

import click

from ops.backup.drill import Drill, Drilled, drill
from ops.backup.encryption import AgeKey
from ops.backup.options import folder_argument, key_option
from ops.backup.restore_errors import DrillStopped
from ops.backup.scratch import Place
from ops.backup.surroundings import Surroundings
from ops.stop import stoppable
from project.options import utc_now
from project.progress import progress_bar
from sql.command import WarehouseCommand, json_option, print_json, ready_database, run


@click.command("drill", cls=WarehouseCommand)
@folder_argument
@click.option(
    "--scratch",
    "place",
    type=click.Choice([place.value for place in Place]),
    help="Where the scratch database is made. [the server where the login may, else embedded in TMPDIR]",
)
@key_option
@json_option
def drill_backup(folder: Path, place: str | None, key: AgeKey | None, as_json: bool) -> None:
    """Restore the newest backup in DIR beside the warehouse, and prove that it is the same.

    Into a scratch database that is dropped again. How it ended is recorded in the run ledger.
    """
    around = Surroundings(utc_now, lambda line: click.echo(line, err=as_json), progress_bar)
    wanted = Drill(folder, key, None if place is None else Place(place))

    async def connected() -> Drilled:
        return await drill(await ready_database(), wanted, around)

    drilled = run(stoppable(connected(), DrillStopped))
    if as_json:
        print_json(drilled)
    else:
        click.echo(_in_a_line(drilled))


def _in_a_line(drilled: Drilled) -> str:
    compared = {
        "live": "equals the live projection",
        "backed up": "equals what the backup recorded",
        "nothing": "was not compared",
    }[drilled.compared_with]
    at = "" if drilled.checkpoint is None else f" at payload {drilled.checkpoint:,}"
    content = "" if drilled.content_hash is None else f" (content {drilled.content_hash[:12]})"
    why = "" if drilled.why is None else f", {drilled.why}"
    return (
        f"drill passed in {sum(drilled.seconds.values()):.1f} s: backup {drilled.backup}, all {drilled.payloads:,} "
        f"payloads whole (chain {drilled.chain_hash[:12]}), replay of {drilled.bars:,} bars {compared}{at}{content}"
        f"{why}; dump: {drilled.dump}; scratch: {drilled.scratch}"
    )
