"""What the commands of backups share on their command lines."""

from pathlib import Path
from typing import Any

import click

from ops.backup.encryption import AgeKey, read_key


class _Folder(click.Path):
    """A folder that is named: a variable that is not set must not become the folder that one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("it is empty; a folder is needed", param, ctx)
        return super().convert(value, param, ctx)


folder_argument = click.argument(
    "folder",
    metavar="DIR",
    envvar="BACKUP_DIR",
    type=_Folder(file_okay=False, resolve_path=True, path_type=Path),
)
"""A folder of backups, BACKUP_DIR where none is named; whether it is there is said by who works in it."""


def _read(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> AgeKey | None:
    return None if path is None else read_key(path)


key_option = click.option(
    "--key",
    metavar="FILE",
    envvar="BACKUP_KEY_FILE",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_read,
    help="The age key file that backups are encrypted to; a recipient suffices to make one, not to read it.",
)
"""The key itself, read; None where no file is named."""
