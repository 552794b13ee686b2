"""What the one who watches reads from the environment: whom to tell, and how old a backup, a drill and a scrub may be.

The addresses are secrets: who has one can write to the people it reaches. They are kept where no repr, log line or
error can show them.
"""

import datetime as dt
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from sql.errors import InvalidSetting
from sql.settings import read_setting

_MOST_DAYS = 3_650


class SecretUrl:
    """An address that is a secret. Only `reveal` gives it out, to be called; `setting` is the variable it came from."""

    __slots__ = ("_text", "setting")

    def __init__(self, setting: str, text: str) -> None:
        self.setting, self._text = setting, text

    def __repr__(self) -> str:
        return f"SecretUrl({self.setting}, hidden)"

    def reveal(self) -> str:
        """Return the address itself."""
        return self._text


class AlertSettings(msgspec.Struct, frozen=True):
    """Whom to tell of trouble, and whom to call while there is none; None and empty where nobody is to be."""

    url: SecretUrl | None = None
    command: tuple[str, ...] = ()
    heartbeat: SecretUrl | None = None

    @property
    def tells(self) -> bool:
        """Whether there is anybody to tell."""
        return self.url is not None or bool(self.command)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "AlertSettings":
        """Read ALERT_URL, ALERT_COMMAND and HEARTBEAT_URL.

        Raises: InvalidSetting, which shows none of them.
        """
        return cls(
            url=_secret_url("ALERT_URL", environ.get("ALERT_URL", "")),
            command=_command(environ.get("ALERT_COMMAND", "")),
            heartbeat=_secret_url("HEARTBEAT_URL", environ.get("HEARTBEAT_URL", "")),
        )


class SafeguardSettings(msgspec.Struct, frozen=True):
    """How old the last good of each may be, None for any age, and where backups are, None for unknown."""

    backup_max_age: dt.timedelta | None = dt.timedelta(days=8)
    drill_max_age: dt.timedelta | None = dt.timedelta(days=35)
    scrub_max_age: dt.timedelta | None = dt.timedelta(days=3)
    folder: Path | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "SafeguardSettings":
        """Read BACKUP_MAX_AGE_DAYS, DRILL_MAX_AGE_DAYS, SCRUB_MAX_AGE_DAYS and BACKUP_DIR.

        Raises: InvalidSetting for an age that is out of its bound.
        """
        default, bound = cls(), f"must be days from 1 to {_MOST_DAYS}, or 0 for any age"
        return cls(
            read_setting(environ, "BACKUP_MAX_AGE_DAYS", default.backup_max_age, _days, bound),
            read_setting(environ, "DRILL_MAX_AGE_DAYS", default.drill_max_age, _days, bound),
            read_setting(environ, "SCRUB_MAX_AGE_DAYS", default.scrub_max_age, _days, bound),
            read_setting(environ, "BACKUP_DIR", None, _folder, "must be a folder"),
        )


def _secret_url(setting: str, text: str) -> SecretUrl | None:
    text = text.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidSetting(setting, "(hidden)", "must be http(s)://host[:port]/… without spaces")
    return SecretUrl(setting, text)


def _command(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as exc:
        raise InvalidSetting("ALERT_COMMAND", "(hidden)", f"must be a command and its words: {exc}") from exc


def _days(text: str) -> dt.timedelta | None:
    days = int(text)
    if not 0 <= days <= _MOST_DAYS:
        raise ValueError(text)
    return dt.timedelta(days=days) if days else None


def _folder(text: str) -> Path:
    return Path(text).expanduser().resolve()
