"""`ops restore`: what a person asks for, and what is said of it."""

from pathlib import Path

import click

from ops.backup.encryption import AgeKey
from ops.backup.options import folder_argument, key_option
from ops.backup.restore import Restored, Wanted, restore
from ops.backup.restore_errors import RestoreStopped
from ops.backup.surroundings import Surroundings
from ops.stop import stoppable
from project.options import utc_now
from project.progress import progress_bar
from sql.command import WarehouseCommand, json_option, print_json, run


@click.command("restore", cls=WarehouseCommand)
@folder_argument
@click.option("--backup", "name", metavar="NAME", help="Which one of DIR; `ops backups DIR` lists them. [the newest]")
@click.option(
    "--rebuild", "rebuilding", is_flag=True, help="Replay the archive instead of loading the projection's dump."
)
@click.option("--resume", "resuming", is_flag=True, help="Go on where a restore of this backup was killed.")
@key_option
@json_option
def restore_backup(
    folder: Path, name: str | None, rebuilding: bool, resuming: bool, key: AgeKey | None, as_json: bool
) -> None:
    """Restore a backup in DIR into the empty database of DATABASE_URL, or the embedded one.

    Every file of it is checked first. What is in the database is never written over.
    """
    around = Surroundings(utc_now, lambda line: click.echo(line, err=as_json), progress_bar)
    restored = run(stoppable(restore(Wanted(folder, name, key, rebuilding, resuming), around), RestoreStopped))
    if as_json:
        print_json(restored)
    else:
        click.echo(_in_a_line(restored))


def _in_a_line(restored: Restored) -> str:
    projection = {
        "none": f"no projection ({restored.why}); `project` makes one",
        "found": f"{restored.bars:,} bars, projected by the restore before",
        "loaded": f"{restored.bars:,} bars loaded",
        "rebuilt": f"{restored.bars:,} bars rebuilt ({restored.why})",
    }[restored.projection]
    verified = "" if restored.verified is None else f"; equals {restored.verified}"
    return (
        f"restored backup {restored.backup} into {restored.database} in {sum(restored.seconds.values()):.1f} s: "
        f"{restored.payloads:,} payloads ({restored.appended:,} appended), {restored.api_keys} API keys, {projection}; "
        f"chain {restored.chain_hash[:12]}{verified}"
    )
