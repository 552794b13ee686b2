"""The file of settings that the services read: written once, then the person's.

It holds the secrets, so that no unit and no command line does. systemd, a shell and python-dotenv read its form alike.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from ops.install.errors import CannotInstall

_PLAIN = re.compile(r"[\w@%+=:,./-]*")
_TAKEN_OVER = "# Taken over from {source}:"


def embedded_url(data: Path) -> str:
    """Return the URL of the embedded server of a data folder: that of its socket, which is in its cluster."""
    return f"postgresql://postgres@/postgres?host={data / 'postgres'}"


def settings_text(data: Path, url: str, taken_over: Mapping[str, str], source: Path | None) -> str:
    """Return the text of a first settings file; what is `taken_over` comes from the file `source`.

    Raises: CannotInstall for a value that no such file can hold.
    """
    lines = [
        "# Settings of the warehouse's services; .env.example beside the code lists them all. Keep it at mode 0600:",
        "# keys and passwords are here and nowhere else. After an edit: systemctl try-restart 'warehouse-*.service'",
        f"WAREHOUSE_DATA={_quoted('WAREHOUSE_DATA', str(data))}",
    ]
    if url == embedded_url(data):
        lines.append("# The socket of the embedded server that warehouse-database.service holds.")
    lines.append(f"DATABASE_URL={_quoted('DATABASE_URL', url)}")
    if taken_over:
        lines.append(_TAKEN_OVER.format(source=source))
    lines += [f"{name}={_quoted(name, value)}" for name, value in taken_over.items()]
    return "\n".join(lines) + "\n"


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings of a file that have a value; none where there is no file."""
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}


def _quoted(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "\n" in value or ("'" in value and re.search(r'["$`\\]', value)):
        raise CannotInstall(
            f"setting {name} has a line end, or a ' beside one of \" $ ` \\: no settings file can hold that"
        )
    return f'"{value}"' if "'" in value else f"'{value}'"
