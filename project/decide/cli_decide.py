"""What commands that decide have in common: why and by whom, and the two roles that deciding takes."""

import getpass
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import click

from sql.command import ready_database, run
from sql.connect import Role, open_pool

T = TypeVar("T")
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def because_option(*, required: bool, help_text: str = "Why; archived with the decision, one line.") -> Decorator:
    """Return the option that asks for a reason."""
    return click.option("--because", required=required, metavar="REASON", help=help_text)


by_option = click.option("--by", metavar="NAME", help="Who decides. Default: the name of the user that runs this.")
"""The option that says who decides; `who` gives its default."""


def who(by: str | None) -> str:
    """Return who decides: the name given, or that of the user."""
    try:
        return getpass.getuser() if by is None else by.strip()
    except (KeyError, OSError) as exc:
        raise click.UsageError("this user has no name here: say with --by who decides") from exc


def with_both_pools(job: Callable[[asyncpg.Pool, asyncpg.Pool], Awaitable[T]]) -> T:
    """Return what a job makes of a pool in the role of ingest, which may append, and one of the projector."""

    async def connected() -> T:
        url = await ready_database()
        async with (
            open_pool(url, Role.INGEST, size=1) as ingest_pool,
            open_pool(url, Role.PROJECT, size=2) as project_pool,
        ):
            return await job(ingest_pool, project_pool)

    return run(connected())
