"""`ops backup`, `ops backups` and `ops key`: make a backup, list and check those of a folder, make a key for them."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ops.backup.encryption import AgeKey, make_key
from ops.backup.errors import BackupsDamaged, BackupStopped, DamagedBackup
from ops.backup.folder import Checker, find_damage, hold_folder, list_backups, read_backup
from ops.backup.make import Made, Wanted, make_backup
from ops.backup.manifest import Backup
from ops.backup.options import folder_argument, key_option
from ops.stop import stoppable
from project.options import utc_now
from project.progress import progress_bar
from sql.command import WarehouseCommand, json_option, print_json, print_table, ready_database, run
from sql.connect import Role, address, open_pool
from sql.errors import DatabaseAway


@click.command(cls=WarehouseCommand)
@folder_argument
@click.option("--no-projection", is_flag=True, help="Leave the projection out; it can be rebuilt from the archive.")
@click.option(
    "--keep",
    envvar="BACKUP_KEEP",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Keep so many good backups; the archive they share is kept whole.",
)
@click.option(
    "--keep-projections",
    envvar="BACKUP_KEEP_PROJECTIONS",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Keep the dump of the projection in so many of them.",
)
@key_option
@json_option
def backup(
    folder: Path, no_projection: bool, keep: int, keep_projections: int, key: AgeKey | None, as_json: bool
) -> None:
    """Back archive and projection up into DIR: what is new of the archive, a dump of the projection; all proved.

    Safe to kill and to run again. The last line says what was made.
    """
    wanted = Wanted(key, not no_projection, keep, keep_projections)
    made = run(stoppable(_back_up(folder, wanted), BackupStopped))
    if as_json:
        print_json(made)
        return
    for line in _remarks(made):
        click.echo(line)
    click.echo(_summary(made))


@click.command(cls=WarehouseCommand)
@folder_argument
@click.option("--check", is_flag=True, help="Read every file of every backup; exit 1 and name each that is damaged.")
@json_option
def backups(folder: Path, check: bool, as_json: bool) -> None:
    """List the backups in DIR, the newest last."""
    found, damages = _look(folder, check)
    if as_json:
        print_json({"backups": [_facts(each) for each in found], "damaged": [_damage(each) for each in damages]})
    elif found or not damages:
        _print_backups(folder, found, damages, check)
    if damages:
        raise BackupsDamaged(folder, damages)


@click.command("key", cls=WarehouseCommand)
@click.argument("file", type=click.Path(path_type=Path))
def make_key_file(file: Path) -> None:
    """Make an age key for backups in FILE and print its recipient; what is there already is never written over.

    Keep a copy away from this box: without it no backup encrypted to it can be restored.
    """
    made = make_key(file, utc_now())
    click.echo(f"{file} holds a new key; keep a copy elsewhere, what is encrypted to it opens with nothing else")
    click.echo(made.recipient)


async def _back_up(folder: Path, wanted: Wanted) -> Made:
    url = await ready_database()
    try:
        async with open_pool(url, Role.BACKUP) as pool:
            return await make_backup(pool, folder, wanted, utc_now, show=progress_bar)
    except OSError as exc:  # one of a file has a name of ours by now
        raise DatabaseAway(address(url)) from exc


def _look(folder: Path, check: bool) -> tuple[list[Backup], list[DamagedBackup]]:
    found: list[Backup] = []
    damages: list[DamagedBackup] = []
    checker = Checker()
    with hold_folder(folder, "ops backups", utc_now(), alone=False) if check else nullcontext():
        for home in list_backups(folder):
            try:
                found.append(read_backup(home))
            except DamagedBackup as damage:
                damages.append(damage)
        for each in found if check else ():
            damages += find_damage(folder, each, checker)
    return found, damages


def _facts(backup: Backup) -> dict[str, Any]:
    part = backup.projection
    return {
        "name": backup.name,
        "started_at": backup.started_at,
        "finished_at": backup.finished_at,
        "payloads": backup.head,
        "archive_bytes": _archive_bytes(backup),
        "bars": part.bars if part else None,
        "content_hash": part.generation.content_hash if part else None,
        "projection_bytes": part.file_bytes if part and part.files is not None else None,
        "encrypted_to": backup.encrypted_to,
        "engine": backup.engine,
        "software": backup.software,
    }


def _damage(damage: DamagedBackup) -> dict[str, str]:
    return {"name": damage.name, "file": damage.file, "problem": damage.why}


def _print_backups(folder: Path, found: list[Backup], damages: list[DamagedBackup], check: bool) -> None:
    if not found:
        click.echo(f"backup folder {folder} holds no backup")
        return
    bad = {damage.name for damage in damages}
    columns = ("backup", "payloads", "archive bytes", "bars", "projection bytes", "encrypted", "files")
    rows = [
        (
            facts["name"],
            facts["payloads"],
            facts["archive_bytes"],
            facts["bars"],
            facts["projection_bytes"],
            facts["encrypted_to"] is not None,
            "damaged" if facts["name"] in bad else "all proved" if check else "not read",
        )
        for facts in map(_facts, found)
    ]
    print_table(f"backups in {folder}", columns, rows)


def _remarks(made: Made) -> list[str]:
    remarks = [f"{file} was damaged and is written anew from the archive" for file in made.healed]
    remarks += [f"warning: {damage}" for damage in made.damaged]
    if made.folder_was_emptied is not None:
        remarks.append(
            f"warning: {made.folder} held no backup, and one was made there at "
            f"{made.folder_was_emptied:%Y-%m-%d %H:%M} UTC: is the right disk mounted?"
        )
    return remarks


def _summary(made: Made) -> str:
    """Return the one line that a mail of cron is to end with."""
    dumped = f"{made.bars:,} bars" if made.bars is not None and made.projection_bytes else "no projection"
    parts = [
        f"backup {made.name}: {made.payloads:,} payloads, {made.new_payloads:,} of them new; {dumped}; "
        f"{made.new_bytes:,} bytes new, in {made.elapsed_s:.1f} s",
        f"{made.kept:,} good kept, {len(made.removed):,} removed",
    ]
    if made.healed:
        parts.append(f"{len(made.healed):,} damaged segment{'s' * (len(made.healed) > 1)} written anew")
    if made.damaged:
        parts.append(f"{len(made.damaged):,} older DAMAGED")
    parts.append(f"{made.free_bytes // 10**6:,} MB free in {made.folder}")
    return "; ".join(parts)


def _archive_bytes(backup: Backup) -> int:
    return sum(segment.file_bytes for segment in backup.archive.segments)
