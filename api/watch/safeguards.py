"""Backups, drills and scrubs as the run ledger tells of them: the last of each kind, and when one last went well.

Each leaves {"passed": …} there: a backup and a drill with a name where they went well, all with an error where not.
It judges nothing: how old is too old is for who watches.
"""

import datetime as dt
from typing import Any

import asyncpg
import msgspec

from sql import load_queries

_LAST = load_queries("api_watch.sql")["last_safeguards"]
SAFEGUARDS = ("backup", "drill", "scrub")


class _Result(msgspec.Struct, frozen=True):
    passed: bool | None = None
    name: str | None = None
    backup: str | None = None
    error: str | None = None


class Safeguard(msgspec.Struct, frozen=True):
    """The backup, the drill or the scrub that started last. `passed` is None while it runs, and if it was killed.

    `backup` is the name of what was made or restored, `folder` where; `passed_at` is when one last ended well.
    """

    started_at: dt.datetime
    finished_at: dt.datetime | None
    passed: bool | None
    backup: str | None
    error: str | None
    passed_at: dt.datetime | None
    folder: str | None = None


async def read_safeguards(connection: asyncpg.Connection, now: dt.datetime) -> dict[str, Safeguard]:
    """Return the last of each kind up to `now`; a kind of which there was none is left out.

    What a clock that was wrong has dated in the future would else be the last for as long.
    """
    rows = await connection.fetch(_LAST, list(SAFEGUARDS), now)
    return {row["kind"]: _safeguard(row) for row in rows}


def _safeguard(row: asyncpg.Record) -> Safeguard:
    result = _known(None if row["result"] is None else msgspec.json.decode(row["result"]))
    finished_at = row["finished_at"]
    return Safeguard(
        started_at=row["started_at"],
        finished_at=finished_at,
        # What ended without saying so did not pass.
        passed=None if finished_at is None else result.passed is True,
        backup=result.name or result.backup,
        error=result.error,
        passed_at=row["passed_at"],
        folder=row["folder"],
    )


def _known(result: Any) -> _Result:
    """Return what is read here of a result, nothing of one that is of another form."""
    try:
        return msgspec.convert(result or {}, _Result)
    except msgspec.ValidationError:
        return _Result()
