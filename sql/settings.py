"""Where the database is: the settings of this room, and how any room reads one from the environment.

Each room that has settings keeps its own frozen struct beside its code; the variables and their reasons are listed
in `.env.example`.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import platformdirs

from sql.errors import InvalidSetting

T = TypeVar("T")


def read_setting(environ: Mapping[str, str], name: str, default: T, parse: Callable[[str], T], bound: str) -> T:
    """Return a variable of the environment as `parse` reads it; unset or empty gives the default.

    Raises: InvalidSetting naming the variable, its value and the bound, when `parse` raises ValueError.
    """
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        return parse(text)
    except (ValueError, RuntimeError) as exc:  # the latter of a ~ that stands for nobody
        raise InvalidSetting(name, text, bound) from exc


class DatabaseSettings(msgspec.Struct, frozen=True):
    """Where the warehouse lives: a server's URL, or else the data folder of the embedded server."""

    url: str | None
    folder: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "DatabaseSettings":
        """Read DATABASE_URL and WAREHOUSE_DATA.

        Raises: InvalidSetting when the URL is not a postgres one.
        """
        return cls(
            url=read_postgres_url(environ, "DATABASE_URL"),
            folder=read_setting(environ, "WAREHOUSE_DATA", _default_folder(), _absolute, "must be a folder"),
        )


def read_postgres_url(environ: Mapping[str, str], name: str) -> str | None:
    """Return a variable that is the URL of a postgres, None where it is unset or empty.

    Raises: InvalidSetting when it is none; its value is not shown, since it may hold a password.
    """
    text = environ.get(name, "").strip()
    if text and not text.startswith(("postgresql://", "postgres://")):
        raise InvalidSetting(name, "(hidden)", "must begin with postgresql://")
    return text or None


def _default_folder() -> Path:
    return platformdirs.user_data_path("market-data-warehouse")


def _absolute(text: str) -> Path:
    return Path(text).expanduser().resolve()
