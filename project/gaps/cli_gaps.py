"""`project gaps`: the sessions without a bar and why, for a person or as JSON."""

import asyncpg
import click

from project.gaps.gap_search import Counted, MarketGaps, SymbolGaps, count_gaps, find_gaps
from project.gaps.gaps import EPOCH, OUTSIDE, GapKind
from project.options import utc_now, with_pool
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_SHOWN = 40
_CLASSES = [kind.value for kind in GapKind]


@click.command(cls=WarehouseCommand)
@click.argument("symbol", required=False)
@click.option("--class", "classes", type=click.Choice(_CLASSES), multiple=True, help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="How many at most.")
@json_option
def gaps(symbol: str | None, classes: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show the sessions without a bar: of SYMBOL each span with its class and why, else how many of each class by
    symbol. A symbol that misses nothing but what was before its listing or after its delisting is left out, unless
    --class asks for it."""
    wanted = frozenset(map(GapKind, classes)) if classes else frozenset(GapKind)
    if symbol is not None:
        _show_symbol(with_pool(Role.READ, lambda pool: _find(pool, symbol)), wanted, limit, as_json)
    else:
        counted = wanted if classes else wanted - OUTSIDE
        _show_market(with_pool(Role.READ, _count), wanted, counted, limit, as_json)


async def _find(pool: asyncpg.Pool, symbol: str) -> SymbolGaps:
    async with pool.acquire() as connection:
        return await find_gaps(connection, symbol, utc_now())


async def _count(pool: asyncpg.Pool) -> MarketGaps:
    async with pool.acquire() as connection:
        return await count_gaps(connection, utc_now())


def _show_symbol(found: SymbolGaps, wanted: frozenset[GapKind], limit: int, as_json: bool) -> None:
    chosen = [gap for gap in found.gaps if gap.kind in wanted]
    more = max(len(chosen) - limit, 0)
    if as_json:
        facts = {"symbol": found.symbol, "bars": found.bars, "counts": _chosen(found.counts, wanted)}
        print_json(_by(found) | facts | {"gaps": chosen[:limit], "more": more})
        return
    if chosen:
        columns = ("class", "first", "last", "sessions", "why")
        rows = [(gap.kind.value, str(gap.first), str(gap.last), gap.sessions, gap.why) for gap in chosen[:limit]]
        print_table(f"{found.symbol}: sessions without a bar", columns, rows)
    else:
        click.echo(f"{found.symbol}: no such session without a bar")
    _print_foot(_chosen(found.counts, wanted), found, more)
    if any(gap.first < EPOCH for gap in chosen):
        click.echo("before 1970 that calendar knows only some of the holidays")


def _show_market(
    found: MarketGaps, wanted: frozenset[GapKind], counted: frozenset[GapKind], limit: int, as_json: bool
) -> None:
    chosen = [symbol for symbol in found.symbols if _missed(symbol, counted)]
    chosen.sort(key=lambda symbol: (-_missed(symbol, counted), symbol.symbol.encode()))
    totals = {kind.value: sum(symbol.counts[kind] for symbol in chosen) for kind in GapKind if kind in wanted}
    more = max(len(chosen) - limit, 0)
    if as_json:
        rows = [
            {"symbol": symbol.symbol, "bars": symbol.bars, "counts": _chosen(symbol.counts, wanted)}
            for symbol in chosen[:limit]
        ]
        print_json(_by(found) | {"counts": totals, "symbols": rows, "more": more})
        return
    if chosen:
        kinds = [kind for kind in GapKind if kind in wanted]
        columns = ("symbol", "bars", *(kind.value for kind in kinds))
        shown = [(one.symbol, one.bars, *(one.counts[kind] for kind in kinds)) for one in chosen[:limit]]
        print_table("sessions without a bar", columns, shown)
    else:
        click.echo("no symbol misses such a session")
    _print_foot(totals, found, more)


def _missed(symbol: Counted, kinds: frozenset[GapKind]) -> int:
    return sum(symbol.counts[kind] for kind in kinds)


def _chosen(counts: dict[GapKind, int], wanted: frozenset[GapKind]) -> dict[str, int]:
    return {kind.value: count for kind, count in counts.items() if kind in wanted}


def _by(found: SymbolGaps | MarketGaps) -> dict[str, object]:
    return {"calendar_version": found.calendar_version, "judged_up_to": found.judged_up_to}


def _print_foot(counts: dict[str, int], found: SymbolGaps | MarketGaps, more: int) -> None:
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    if told:
        click.echo(told)
    if more:
        click.echo(f"and {more:,} more (--limit)")
    click.echo(f"by {found.calendar_version}, up to {found.judged_up_to}")
