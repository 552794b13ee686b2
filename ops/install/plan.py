"""What installing would do to a machine: folders, files, and the units to enable. It touches nothing."""

import pwd
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ops.install.crontab import shipped_crontab
from ops.install.errors import CannotInstall
from ops.install.machine import require_short_socket
from ops.install.settings_file import embedded_url, read_settings, settings_text
from ops.install.units import Place, enabled_units, unit_names, unit_text
from ops.install.written import marked

CRON_FILE = Path("/etc/cron.d/market-data-warehouse")
_HIDDEN = "(taken over, not shown)"


class Folder(msgspec.Struct, frozen=True):
    """A folder that must be there; `owner` is a user's name, None for whoever makes it."""

    path: Path
    mode: int
    owner: str | None = None


class File(msgspec.Struct, frozen=True):
    """A file to write; `shown` is its text as a person may see it. One that is `theirs` is never written again."""

    path: Path
    mode: int
    text: str
    shown: str
    owner: str | None = None
    theirs: bool = False


class Plan(msgspec.Struct, frozen=True):
    """All that is to be done, in order."""

    folders: tuple[Folder, ...]
    files: tuple[File, ...]
    enabled: tuple[str, ...]


class Wish(msgspec.Struct, frozen=True):
    """What a person asked for: the user's services (None: the person's own), and where things are or go."""

    user: pwd.struct_passwd | None
    commands: Path
    data: Path
    settings: Path
    units: Path
    backup_dir: Path | None


def plan_units(wish: Wish, present: Path, taken_over: Mapping[str, str], source: Path | None) -> Plan:
    """Return what it takes to install the units.

    `present` is where the settings file is looked for; one that is there stays as it is and decides. Else a first one
    is written, with what is `taken_over` from the file `source`.

    Raises: CannotInstall when the settings file that is there lacks what services need, or the data folder's name is
    too long.
    """
    settings = read_settings(present) if present.exists() else _first_settings(wish, taken_over)
    data, url = Path(settings.get("WAREHOUSE_DATA", "")), settings.get("DATABASE_URL")
    if not data.is_absolute() or url is None:
        raise CannotInstall(
            f"{wish.settings} must name WAREHOUSE_DATA and DATABASE_URL, for the embedded server "
            f"DATABASE_URL='{embedded_url(wish.data)}'"
        )
    name = wish.user.pw_name if wish.user else None
    place = Place(
        commands=wish.commands,
        user=name,
        data=data,
        settings=wish.settings,
        backup_dir=wish.backup_dir,
        embedded=url == embedded_url(data),
        read=(Path(sys.base_prefix), *(Path(value) for value in settings.values() if value.startswith(("/", "~")))),
    )
    if place.embedded:
        require_short_socket(data)
    names = unit_names(place)
    return Plan(
        folders=(Folder(data, 0o700, name), Folder(wish.settings.parent, 0o755), Folder(wish.units, 0o755)),
        files=(
            _settings_file(wish, settings, taken_over, source),
            *(_file(wish.units / unit, unit_text(unit, place)) for unit in names),
        ),
        enabled=enabled_units(names),
    )


def plan_cron(user: pwd.struct_passwd, clone: Path, backup_dir: Path) -> Plan:
    """Return what it takes to have cron run the jobs of the shipped crontab for a user."""
    lines = [_cron_line(line, user.pw_name, clone, backup_dir) for line in shipped_crontab().splitlines()]
    return Plan(
        folders=(Folder(CRON_FILE.parent, 0o755),), files=(_file(CRON_FILE, "\n".join(lines) + "\n"),), enabled=()
    )


def _cron_line(line: str, user: str, clone: Path, backup_dir: Path) -> str:
    """Return a line of the crontab as one of /etc/cron.d, where the user is a field of its own."""
    if line.startswith("WAREHOUSE="):
        return f"WAREHOUSE={clone}"
    if line.startswith("BACKUP_DIR="):
        return f"BACKUP_DIR={backup_dir}"
    if not line[:1].isdigit():
        return line
    *times, command = line.split(maxsplit=5)
    return f"{' '.join(times)} {user} {command}"


def _first_settings(wish: Wish, taken_over: Mapping[str, str]) -> dict[str, str]:
    url = taken_over.get("DATABASE_URL") or embedded_url(wish.data)
    return {**taken_over, "WAREHOUSE_DATA": str(wish.data), "DATABASE_URL": url}


def _settings_file(wish: Wish, settings: Mapping[str, str], taken_over: Mapping[str, str], source: Path | None) -> File:
    data, url = Path(settings["WAREHOUSE_DATA"]), settings["DATABASE_URL"]
    other = {name: value for name, value in taken_over.items() if name not in ("WAREHOUSE_DATA", "DATABASE_URL")}
    url_shown = url if url == embedded_url(data) else _HIDDEN
    return File(
        path=wish.settings,
        mode=0o600,
        text=marked(settings_text(data, url, other, source)),
        shown=settings_text(data, url_shown, dict.fromkeys(other, _HIDDEN), source),
        owner=wish.user.pw_name if wish.user else None,
        theirs=True,
    )


def _file(path: Path, text: str) -> File:
    return File(path=path, mode=0o644, text=marked(text), shown=marked(text))
