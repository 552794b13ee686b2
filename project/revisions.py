"""What the vendor restated: the old values, the new ones, when, and by which payload. It reads and decides nothing."""

import datetime as dt

import asyncpg
import msgspec

from project.generation import live_generation
from project.rows import VALUES
from project.steady import read_steadily
from sql import load_queries

_QUERIES = load_queries("revisions.sql")
_NEWEST = _QUERIES["newest_revisions"]
_COUNT = _QUERIES["count_revisions"]

Values = dict[str, float | None]


class Revision(msgspec.Struct, frozen=True):
    """One restatement: the values of `archive_seq`, believed from `known_from`, became those of `superseded_by`.

    `changed` names the values that differ.
    """

    ticker: str
    session: dt.date
    restated_at: dt.datetime
    superseded_by: int
    known_from: dt.datetime
    archive_seq: int
    old: Values
    new: Values
    changed: tuple[str, ...]


class Revisions(msgspec.Struct, frozen=True):
    """The newest restatements, and how many more there are."""

    revisions: list[Revision]
    total: int
    more: int


async def read_revisions(
    connection: asyncpg.Connection, ticker: str | None, since: dt.datetime | None, limit: int
) -> Revisions:
    """Return what was restated, newest first, of one ticker or of all, at or after an instant.

    Raises: NothingProjected, OutdatedProjection.
    """

    async def read() -> Revisions:
        await live_generation(connection)
        total = await connection.fetchval(_COUNT, ticker, since)
        found = [_revision(row) for row in await connection.fetch(_NEWEST, ticker, since, limit)]
        return Revisions(found, total, total - len(found))

    return await read_steadily(connection, read)


def _revision(row: asyncpg.Record) -> Revision:
    old, new = ({name: row[f"{side}_{name}"] for name in VALUES} for side in ("old", "new"))
    return Revision(
        ticker=row["ticker"],
        session=row["session"],
        restated_at=row["restated_at"],
        superseded_by=row["superseded_by"],
        known_from=row["known_from"],
        archive_seq=row["archive_seq"],
        old=old,
        new=new,
        changed=tuple(name for name in VALUES if old[name] != new[name]),
    )
