"""What a person sees when the warehouse is up: what it holds, and how good it is. It reads and prints."""

import asyncpg
import click

from sql import load_queries
from sql.command import print_table

_QUERIES = load_queries("ops.sql")
_SYMBOLS = _QUERIES["symbol_summary"]
_WAREHOUSE = _QUERIES["warehouse_summary"]
_MOST_SYMBOLS = 50


async def print_summary(pool: asyncpg.Pool) -> str:
    """Print a line for each symbol, and what archive and projection hold in all; return a symbol worth a look."""
    symbols = await pool.fetch(_SYMBOLS, _MOST_SYMBOLS)
    total = await pool.fetchrow(_WAREHOUSE)
    columns = ("symbol", "from", "to", "bars", "valid", "gaps", "volume", "restated", "rejected", "close")
    print_table("the warehouse", columns, [_line(row) for row in symbols])
    more = total["symbols"] - sum(row["bars"] > 0 for row in symbols)
    if more > 0:
        click.echo(f"and {more:,} more symbols")
    click.echo(
        f"{total['bars']:,} bars of {total['symbols']:,} symbols, {_percent(total)} validated; "
        f"{total['gaps_flagged']:,} gaps and {total['volume_anomalies']:,} volume anomalies flagged, "
        f"{total['revisions']:,} restatements remembered, {total['rejections']:,} rows rejected; "
        f"{total['splits']:,} splits, {total['dividends']:,} dividends"
    )
    click.echo(
        f"archive: {total['payloads']:,} raw answers, {total['body_bytes']:,} bytes of them "
        f"kept in {total['stored_bytes']:,}"
    )
    return next((row["ticker"] for row in symbols if row["bars"]), "AAPL")


def _line(row: asyncpg.Record) -> tuple[object, ...]:
    return (
        row["ticker"],
        row["first_session"],
        row["last_session"],
        row["bars"],
        _percent(row),
        row["gaps_flagged"],
        row["volume_anomalies"],
        row["revisions"],
        row["rejections"],
        None if row["close"] is None else f"{row['close']:,.2f}",
    )


def _percent(row: asyncpg.Record) -> str | None:
    return f"{row['validated_bars'] / row['bars']:.2%}" if row["bars"] else None
