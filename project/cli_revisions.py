"""`project revisions`: what the vendor restated, for a person or as JSON."""

import datetime as dt

import asyncpg
import click

from project.options import instant, with_pool
from project.revisions import Revision, Revisions, read_revisions
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_SHOWN = 40


@click.command(cls=WarehouseCommand)
@click.argument("symbol", required=False)
@click.option("--since", type=instant, metavar="INSTANT", help="Only what was restated from this date or instant on.")
@click.option("--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="How many at most.")
@json_option
def revisions(symbol: str | None, since: dt.datetime | None, limit: int, as_json: bool) -> None:
    """Show what the vendor restated, of SYMBOL or of all: when, by which payload, old values and new, newest first."""

    async def read(pool: asyncpg.Pool) -> Revisions:
        async with pool.acquire() as connection:
            return await read_revisions(connection, symbol, since, limit)

    found = with_pool(Role.READ, read)
    if as_json:
        print_json(found)
    elif not found.revisions:
        click.echo("nothing was restated")
    else:
        print_table("restated by the vendor", _COLUMNS, [_row(row) for row in found.revisions])
        if found.more:
            click.echo(f"and {found.more:,} more (--limit)")


_COLUMNS = ("ticker", "session", "restated at", "by payload", "what changed", "believed since", "of payload")


def _row(row: Revision) -> tuple[object, ...]:
    changes = ", ".join(f"{name} {_shown(row.old[name])} → {_shown(row.new[name])}" for name in row.changed)
    return (
        row.ticker,
        str(row.session),
        row.restated_at,
        str(row.superseded_by),
        changes,
        row.known_from,
        str(row.archive_seq),
    )


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.10g}"
