"""The shipped units, filled in for one machine: where the commands are, who runs them, what they may write."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

_SHIPPED = Path(__file__).parents[1]
_DATABASE = "warehouse-database.service"
_SERVICES = ("warehouse-ingest.service", "warehouse-api.service")
_JOBS = ("warehouse-watch", "warehouse-scrub")
_ON_FAILURE = "warehouse-watch@.service"
_BACKUP_JOBS = ("warehouse-backup", "warehouse-drill")
# What the systemd of a user may not do, or what means nothing there.
# Source: systemd.exec(5), systemd.resource-control(5).
_SYSTEM_ONLY = re.compile(
    r"(User|CapabilityBoundingSet|AmbientCapabilities|Protect\w+|Private\w+|ReadWritePaths|TemporaryFileSystem"
    r"|DevicePolicy|IPAddressDeny|OOMScoreAdjust)="
)


class Place(msgspec.Struct, frozen=True):
    """A machine as the units see it; every path is absolute.

    `user` is None for units of the systemd of the person who installs them. `embedded` tells whether the database is
    the embedded server of `data`. Without `backup_dir` nothing is backed up. `read` are other folders and files that a
    service must see: the interpreter's, and those that settings name.
    """

    commands: Path
    user: str | None
    data: Path
    settings: Path
    backup_dir: Path | None
    embedded: bool
    read: tuple[Path, ...] = ()


def unit_names(place: Place) -> tuple[str, ...]:
    """Return the names of the units that a machine gets, services before timers."""
    jobs = _JOBS + (_BACKUP_JOBS if place.backup_dir else ())
    services = ((_DATABASE,) if place.embedded else ()) + _SERVICES + tuple(f"{job}.service" for job in jobs)
    return (*services, _ON_FAILURE, *(f"{job}.timer" for job in jobs))


def enabled_units(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of some units that are enabled: services that a timer or a failure starts are not."""
    services = (name for name in names if name.endswith(".service"))
    started = {name for name in services if name.replace(".service", ".timer") in names or is_template(name)}
    return tuple(name for name in names if name not in started)


def is_template(name: str) -> bool:
    """Tell whether a unit is one of which others are made, so that itself it can be neither started nor stopped."""
    return "@." in name


def shipped_units() -> tuple[str, ...]:
    """Return the names of all units there are."""
    return tuple(sorted(path.name for kind in ("service", "timer") for path in _SHIPPED.glob(f"*.{kind}")))


def unit_text(name: str, place: Place) -> str:
    """Return the text of a shipped unit for a machine."""
    text = (_SHIPPED / name).read_text()
    for word, value in _values(place).items():
        text = text.replace(word, value)
    return text if place.user is not None else "".join(_fit_for_user(text))


def _values(place: Place) -> dict[str, str]:
    paths = (place.commands, place.data, place.backup_dir, *place.read)
    return {
        "@BIN@": str(place.commands),
        "@USER@": place.user or "",
        "@DATA@": str(place.data),
        "@SETTINGS@": str(place.settings),
        "@BACKUP_DIR@": str(place.backup_dir or ""),
        "@PROTECT_HOME@": "read-only" if any(path and _in_a_home(path) for path in paths) else "yes",
        "@TARGET@": "default.target" if place.user is None else "multi-user.target",
    }


def _in_a_home(path: Path) -> bool:
    """Tell whether ProtectHome=yes would hide a path."""
    return path.parts[:1] == ("~",) or path.parts[1:2] in (("home",), ("root",)) or path.parts[1:3] == ("run", "user")


def _fit_for_user(text: str) -> Iterator[str]:
    """Yield the lines that the systemd of a user can do, without the remarks on others."""
    remarks: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            remarks.append(line)
        elif _SYSTEM_ONLY.match(line):
            remarks.clear()
        else:
            yield from remarks
            remarks.clear()
            yield line
