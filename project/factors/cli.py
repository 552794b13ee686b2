"""`project factors`: splits and dividends, what the prices say of them and what is applied; for a person or as JSON."""

import datetime as dt

import asyncpg
import click

from project.factors.factor import SPLIT, Factor
from project.factors.report import Factors, read_factors
from project.options import instant, with_pool
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_SHOWN = 40
_COLUMNS = ("ticker", "kind", "ex-date", "stated", "factor", "prices moved by", "vendor's", "applied from", "flags")


@click.command(cls=WarehouseCommand)
@click.argument("symbol", required=False)
@click.option("--flagged", is_flag=True, help="Only those that ask for a look: any flag but that prices cannot tell.")
@click.option("--known-at", type=instant, metavar="INSTANT", help="What was believed at this date or instant, not now.")
@click.option("--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="How many at most.")
@json_option
def factors(symbol: str | None, flagged: bool, known_at: dt.datetime | None, limit: int, as_json: bool) -> None:
    """Show splits and dividends, of SYMBOL or of all: as stated, as the prices have it, and as applied."""

    async def read(pool: asyncpg.Pool) -> Factors:
        async with pool.acquire() as connection:
            return await read_factors(connection, symbol, flagged, known_at, limit)

    found = with_pool(Role.READ, read)
    if as_json:
        print_json(found)
    elif not found.factors:
        click.echo("no such splits or dividends" if flagged or symbol else "no splits or dividends")
    else:
        print_table("splits and dividends", _COLUMNS, [_row(factor) for factor in found.factors])
        if found.flags:
            click.echo(", ".join(f"{count:,} {flag}" for flag, count in found.flags.items()))
        if found.more:
            click.echo(f"and {found.more:,} more (--limit)")


def _row(factor: Factor) -> tuple[object, ...]:
    return (
        factor.ticker,
        factor.kind,
        str(factor.ex_date),
        _stated(factor),
        _shown(factor.price_factor),
        _shown(factor.move),
        _shown(factor.vendor_factor),
        "not applied" if factor.applied_on is None else str(factor.applied_on),
        ", ".join(factor.flags),
    )


def _stated(factor: Factor) -> str:
    if factor.kind == SPLIT:
        return f"{factor.split_from:.10g} → {factor.split_to:.10g}"
    return f"{factor.cash:.10g} a share"


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
