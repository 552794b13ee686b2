"""Whether every setting can be read, and whether the file that holds them is shown to nobody else."""

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from dotenv import find_dotenv

from api.settings import ApiSettings
from api.watch.check import Check
from api.watch.settings import WatchSettings
from ingest.flat.settings import FlatFilesSettings
from ingest.settings import IngestSettings
from ops.watch.settings import AlertSettings, SafeguardSettings
from project.ruleset import read_ruleset, rules_path
from sql.errors import WarehouseError
from sql.settings import DatabaseSettings

T = TypeVar("T")
_NAME = "settings"


class Settings(msgspec.Struct, frozen=True):
    """What could be read; None where a setting in it cannot be used."""

    database: DatabaseSettings | None
    ingest: IngestSettings | None
    api: ApiSettings | None
    fresh: WatchSettings | None
    safeguards: SafeguardSettings | None
    alert: AlertSettings | None


def read_settings(environ: Mapping[str, str]) -> tuple[Settings, list[Check]]:
    """Return the settings, and a check for each that cannot be used, or one for all of them."""
    checks: list[Check] = []

    def read(from_environ: Callable[[Mapping[str, str]], T]) -> T | None:
        try:
            return from_environ(environ)
        except WarehouseError as exc:
            checks.append(Check(_NAME, "failed", None, None, str(exc), "mend it in the environment or in .env"))
            return None

    settings = Settings(
        database=read(DatabaseSettings.from_environ),
        ingest=read(IngestSettings.from_environ),
        api=read(ApiSettings.from_environ),
        fresh=read(WatchSettings.from_environ),
        safeguards=read(SafeguardSettings.from_environ),
        alert=read(AlertSettings.from_environ),
    )
    read(lambda environ: FlatFilesSettings.from_environ(environ=environ))
    read(lambda environ: read_ruleset(rules_path(environ)))
    if not checks:
        checks.append(_check_file(find_dotenv(usecwd=True)))
    return settings, checks


def _check_file(name: str) -> Check:
    """Judge who may read the file of settings, "" for none."""
    mode = stat.S_IMODE(Path(name).stat().st_mode) if name else 0
    if not mode & stat.S_IROTH:
        return Check(_NAME, "ok", None, None, "every setting, and the rules, can be read")
    found = f"{name} holds secrets, and every user of this machine may read it"
    return Check(_NAME, "warn", f"{mode:o}", "600", found, f"run: chmod 600 {name}")


def check_alerts(settings: AlertSettings) -> Check:
    """Judge whether anybody hears of trouble."""
    if settings.tells and settings.heartbeat is not None:
        found = "somebody is told of trouble, and a heartbeat is called while all is well"
        return Check("alerts", "ok", None, None, found)
    if settings.tells:
        found = "a box that is dead tells nobody"
        todo = "set HEARTBEAT_URL to a service that notices when it stays away"
    else:
        found, todo = "nobody is told of trouble", "set ALERT_URL or ALERT_COMMAND and have cron run: ops watch"
    return Check("alerts", "warn", None, None, found, todo)
