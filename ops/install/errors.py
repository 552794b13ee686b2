"""What can go wrong when the warehouse is made to run by itself.

OpsError
├── InvalidCrontab    a line of a crontab that `ops cron` would run at another time than cron, or not at all
├── DatabaseStopped   the embedded server that `ops database` holds is gone
└── SystemdRefused    systemctl failed
Misuse
└── CannotInstall     nothing was written: what is asked for does not fit this machine
"""

from pathlib import Path

from ops.errors import OpsError
from sql.errors import Misuse


class InvalidCrontab(OpsError):
    """A line that cannot be run as cron would; nothing is."""

    def __init__(self, number: int, line: str, why: str) -> None:
        super().__init__(f"crontab, line {number}: {why}: {line}")
        self.number = number


class DatabaseStopped(OpsError):
    """The server in `folder` ended though nobody asked this process to stop it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the embedded server of {folder} has ended (log: {folder / 'postgres' / 'log'})")


class SystemdRefused(OpsError):
    """A command of systemctl failed; the message holds its own words."""

    def __init__(self, command: str, why: str) -> None:
        super().__init__(f"`{command}` failed: {why}")


class CannotInstall(Misuse):
    """Nothing was written, and why."""
