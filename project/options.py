"""What the commands of this room share: arguments that name instants and sessions, and a pool to work with."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import click

from sql.command import ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")


class _SessionDate(click.ParamType[dt.date]):
    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date; it must be YYYY-MM-DD", param, ctx)


class _Instant(click.ParamType[dt.datetime]):
    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        if isinstance(value, dt.datetime):
            return value
        try:
            found = dt.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no instant; it must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, in UTC", param, ctx)
        return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


session_date = _SessionDate()
"""A date as YYYY-MM-DD."""
instant = _Instant()
"""An instant as ISO 8601; UTC where it names no offset."""


def utc_now() -> dt.datetime:
    """Return the clock's instant."""
    return dt.datetime.now(dt.UTC)


def with_pool(role: Role, job: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """Return what a job makes of a pool in a role, on a database that is up and migrated."""

    async def connected() -> T:
        async with open_pool(await ready_database(), role) as pool:
            return await job(pool)

    return run(connected())
