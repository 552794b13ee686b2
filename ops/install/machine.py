"""What `ops install` has to find out about a machine first: the user, the folders, what the user may do in them.

It looks, and changes nothing.
"""

import os
import pwd
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from ops.install.errors import CannotInstall

_BOOTED = Path("/run/systemd/system")  # source: sd_booted(3)
_DATA = Path("/var/lib/market-data-warehouse")
_FOLDER = "market-data-warehouse"
_UNIT_PATH = re.compile(r"/[\w./@:=+~-]*")
_SOCKET = "postgres/.s.PGSQL.5432"
_LONGEST_SOCKET = 107  # bytes; source: unix(7)


def service_user(name: str | None, environ: Mapping[str, str] = os.environ) -> pwd.struct_passwd:
    """Return the user that services run as: the one of `name`, else the one who called sudo.

    Raises: CannotInstall for nobody, an unknown one, and root.
    """
    wanted = name or environ.get("SUDO_USER")
    try:
        user = pwd.getpwnam(wanted) if wanted else pwd.getpwuid(os.getuid())
    except KeyError as exc:
        if not wanted:
            raise CannotInstall(f"user {os.getuid()} has no name here: name one with --user NAME") from exc
        raise CannotInstall(
            f"there is no user {wanted}; `useradd --system --shell /usr/sbin/nologin {wanted}` makes one"
        ) from exc
    if user.pw_uid == 0:
        raise CannotInstall("services do not run as root: name a user of the machine with --user NAME")
    return user


def default_data(user: pwd.struct_passwd) -> Path:
    """Return the data folder of a user's services: where the user's own warehouse is, else one of the machine's."""
    own = Path(user.pw_dir, ".local", "share", _FOLDER)
    return own if (own / "postgres" / "PG_VERSION").exists() else _DATA


def config_folder(*, as_user: bool) -> Path:
    """Return the folder that the settings file is in."""
    return platformdirs.user_config_path(_FOLDER) if as_user else Path("/etc", _FOLDER)


def units_folder(*, as_user: bool) -> Path:
    """Return the folder that an administrator's or a person's own units are in.

    Source: systemd.unit(5).
    """
    return platformdirs.user_config_path("systemd") / "user" if as_user else Path("/etc/systemd/system")


def require_systemd(*, as_user: bool) -> None:
    """Raise where there is no systemd that this process may tell what to do.

    Raises: CannotInstall.
    """
    if not as_user:
        require_root("installing services")
        if not _BOOTED.is_dir():
            raise CannotInstall(
                "this machine does not run systemd: --cron installs for cron, `ops cron DIR` runs the jobs in a "
                "container, --root DIR writes the files only"
            )
    elif not can(None, "systemctl", "--user", "show-environment"):
        raise CannotInstall("your user has no systemd running here (`systemctl --user` does not answer)")


def require_root(what: str) -> None:
    """Raise unless this process is root's.

    Raises: CannotInstall.
    """
    if os.geteuid() != 0:
        raise CannotInstall(
            f"{what} for the whole machine takes root: run it with sudo; --as-user installs for yourself, --dry-run "
            "shows what would be done"
        )


def require_nameable(*paths: Path) -> None:
    """Raise for a path that a unit or a crontab would misread.

    Raises: CannotInstall.
    """
    for path in paths:
        if not _UNIT_PATH.fullmatch(str(path)):
            raise CannotInstall(
                f"{path}: a path in a unit may hold letters, digits and . _ - + ~ @ : = / only, no space"
            )


def require_short_socket(data: Path) -> None:
    """Raise for a data folder whose embedded server could not have its socket in it, but in a folder of its own.

    Raises: CannotInstall.
    """
    length, most = len(os.fsencode(data)), _LONGEST_SOCKET - len(_SOCKET) - 1
    if length > most:
        raise CannotInstall(f"WAREHOUSE_DATA {data} is {length} bytes long; for a socket in it at most {most} will do")


def require_usable(user: pwd.struct_passwd | None, commands: Path, written: Sequence[Path]) -> None:
    """Raise unless a user (None is this one) may run the commands and write to those folders that exist.

    Raises: CannotInstall.
    """
    name = user.pw_name if user else "you"
    if not can(user, str(commands / "ops"), "--help"):
        raise CannotInstall(
            f"{name} cannot run {commands / 'ops'}: put the code where {name} may read it, such as /opt"
        )
    for folder in written:
        if not all(can(user, "test", right, str(folder)) for right in ("-d", "-w", "-x")):
            raise CannotInstall(f"{folder} is no folder that {name} may write to")


def can(user: pwd.struct_passwd | None, *command: str) -> bool:
    """Tell whether a command succeeds, run by a user if this process is root's, else by this process's own."""
    become: dict[str, Any] = {}
    if user is not None and os.geteuid() == 0:
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        become = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False, **become
        )
    except OSError:
        return False
    return bool(done.returncode == 0)
