"""What was told already: each trouble with when it began and when it was last told, in a file of its own.

So the same trouble is told once a day and its end once. A file that cannot be read counts as empty: to tell something
twice is better than not to tell it.
"""

import contextlib
import datetime as dt
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import platformdirs

from api.watch.check import Check
from ops.watch.errors import StateNotKept
from sql.connect import address
from sql.settings import DatabaseSettings

TOLD_AGAIN_AFTER = dt.timedelta(hours=24)
# Watches come by the hour, each a little earlier or later than the last.
_SLACK = dt.timedelta(minutes=10)


class Trouble(msgspec.Struct, frozen=True):
    """Since when a check fails, and when somebody was last told, None where nobody was.

    `failed_at` is of a unit, and when it was last heard that it had just failed.
    """

    since: dt.datetime
    told_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None


Troubles = Mapping[str, Trouble]
_TROUBLES = msgspec.json.Decoder(dict[str, Trouble])


class News(msgspec.Struct, frozen=True):
    """What there is to tell: troubles that are new or old again, and those that are over; and all that go on."""

    to_tell: tuple[Check, ...]
    over: tuple[str, ...]
    going_on: dict[str, Trouble]

    def when_told(self, now: dt.datetime) -> dict[str, Trouble]:
        """Return the troubles that go on once somebody was told."""
        told = {check.name for check in self.to_tell}
        return {
            name: msgspec.structs.replace(trouble, told_at=now) if name in told else trouble
            for name, trouble in self.going_on.items()
            if name not in self.over
        }


def find_news(before: Troubles, checks: Sequence[Check], now: dt.datetime, heard: str | None = None) -> News:
    """Return what is to be told of checks, after what was told before; `heard` is the unit that has just ended.

    A trouble whose check could not be made this time goes on, and is not told of: nothing is known.
    """
    failed = {check.name: check for check in checks if check.status == "failed"}
    well = {check.name for check in checks} - failed.keys()
    over = tuple(name for name, trouble in before.items() if name in well and trouble.told_at is not None)
    going_on = {name: trouble for name, trouble in before.items() if name not in well or name in over}
    going_on |= {name: Trouble(now) for name in failed if name not in before}
    if heard in failed:
        going_on[heard] = msgspec.structs.replace(going_on[heard], failed_at=now)
    to_tell = tuple(check for name, check in failed.items() if _is_due(going_on[name], now))
    return News(to_tell, over, going_on)


def _is_due(trouble: Trouble, now: dt.datetime) -> bool:
    return trouble.told_at is None or not now - (TOLD_AGAIN_AFTER - _SLACK) < trouble.told_at <= now


def told_file(settings: DatabaseSettings, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file of a warehouse: in its data folder or, where that is not set, in the user's folder of states."""
    if settings.url is None or environ.get("WAREHOUSE_DATA", "").strip():
        folder = settings.folder
    else:
        folder = platformdirs.user_state_path("market-data-warehouse")
    place = "embedded" if settings.url is None else address(settings.url)
    return folder / f"watch-{hashlib.sha256(place.encode()).hexdigest()[:12]}.json"


@contextmanager
def one_watch_at_a_time(path: Path) -> Iterator[None]:
    """Wait for other watches of the same warehouse to end, where a file can be kept at all."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.with_suffix(".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_told(path: Path) -> dict[str, Trouble]:
    """Return what was told, nothing where nothing is known."""
    try:
        return _TROUBLES.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}


def write_told(path: Path, troubles: Troubles) -> None:
    """Keep what was told; a kill leaves the file as it was or as it is to be.

    Raises: StateNotKept.
    """
    draft = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(troubles), indent=2))
        draft.replace(path)
    except OSError as exc:
        raise StateNotKept(path, exc.strerror or type(exc).__name__) from exc
