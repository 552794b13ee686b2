"""`project symbol`: what a symbol stands for and has stood for, for a person or as JSON."""

import asyncpg
import click

from project.names.identity import Security
from project.names.listing import Listing
from project.names.symbol import Symbol, read_symbol
from project.options import with_pool
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_CAUTION = (
    "The vendor's ticker changes miss most delisted names: a date outside these spans belongs to a security of which "
    "nothing is known."
)


@click.command(cls=WarehouseCommand)
@click.argument("symbol")
@json_option
def symbol(symbol: str, as_json: bool) -> None:
    """Show which securities have had SYMBOL and under which names each traded, the bars there are, what is listed, and
    since when that is believed."""

    async def read(pool: asyncpg.Pool) -> Symbol:
        async with pool.acquire() as connection:
            return await read_symbol(connection, symbol)

    found = with_pool(Role.READ, read)
    if as_json:
        print_json(found)
        return
    _print_securities(found)
    _print_bars(found)
    _print_believed(found)
    click.echo(_CAUTION)


def _print_securities(found: Symbol) -> None:
    rows = [row for security in found.securities for row in _spans(security)]
    print_table(f"{found.symbol}: who had it", ("security", "name", "ticker", "from", "to"), rows)
    read = ", then ".join(span.ticker for span in found.followed)
    click.echo(f"to follow {found.symbol} as it is now, read {read}\n")


def _spans(security: Security) -> list[tuple[object, ...]]:
    security_id, name = security.security_id or "unknown", security.name or ""
    return [
        (security_id, name, span.ticker, str(span.first or "unknown"), str(span.last or "on"))
        for span in security.spans
    ]


def _print_bars(found: Symbol) -> None:
    rows = [(one.ticker, one.bars, one.first_session, one.last_session) for one in found.bars]
    if rows:
        print_table("bars by ticker, whoever had it", ("ticker", "bars", "first", "last"), rows)


def _print_believed(found: Symbol) -> None:
    if found.changes:
        changes = [
            (change.ticker, str(change.changed_on), change.security_id, change.known_from, str(change.archive_seq))
            for change in found.changes
        ]
        print_table("changes as the vendor dates them", ("to", "on", "security", "believed since", "payload"), changes)
    if found.listings:
        listings = [
            (*_listed(one), one.active, one.delisted_on, one.known_from, str(one.archive_seq)) for one in found.listings
        ]
        columns = ("ticker", "security", "name", "type", "exchange", "active", "delisted", "believed since", "payload")
        print_table("as listed", columns, listings)


def _listed(one: Listing) -> tuple[object, ...]:
    return one.ticker, one.security_id, one.name, one.type, one.primary_exchange
