"""Whether the folder of backups has what the ledger says was made: its newest backup, how old it is, and that it reads.

It proves no file: `ops backups DIR --check` does.
"""

import datetime as dt
from pathlib import Path

from api.watch.check import Check, Level
from api.watch.safeguards import Safeguard
from ops.backup.folder import list_backups, read_backup
from sql.errors import WarehouseError

_NAME = "backup_folder"
_TODO = "run: ops backup DIR; ops backups DIR --check proves every file"


def check_backup_folder(
    folder: Path, last: Safeguard | None, max_age: dt.timedelta | None, now: dt.datetime, *, is_new: bool = False
) -> Check:
    """Judge the newest backup in a folder; `last` is what the ledger says of the last one, None for unknown.

    `is_new`: by the ledger there never was a good one.
    """
    bound = None if max_age is None else max_age / dt.timedelta(days=1)
    try:
        found = list_backups(folder)
        if not found:
            level: Level = "warn" if is_new else "failed"
            return Check(_NAME, level, None, bound, f"there is no backup in {folder}", _TODO)
        newest = read_backup(found[-1])
    except WarehouseError as exc:
        return Check(_NAME, "failed", None, bound, str(exc), _TODO)
    age = now - newest.finished_at
    days = round(age / dt.timedelta(days=1), 1)
    told = f"the newest backup in {folder} is {newest.name}, of {newest.archive.head:,} payloads"
    if max_age is not None and age > max_age:
        return Check(_NAME, "failed", days, bound, f"{told}, {days:g} days old", _TODO)
    if last is not None and last.passed and last.backup not in {None, *(path.name for path in found)}:
        missing = f"{told}; {last.backup}, which the ledger has, is not there"
        return Check(_NAME, "warn", days, bound, missing, "is it in another folder? BACKUP_DIR names the one looked at")
    return Check(_NAME, "ok", days, bound, told)
