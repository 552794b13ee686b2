"""`project moves`: large moves and what they come from, for a person or as JSON."""

from collections import Counter

import asyncpg
import click

from project.gaps.move_search import find_moves
from project.gaps.moves import LIMIT, Move, MoveKind
from project.options import with_pool
from sql.command import WarehouseCommand, json_option, print_json, print_table
from sql.connect import Role

_SHOWN = 40
_PERCENT = click.FloatRange(min=0, min_open=True)
_CLASSES = [kind.value for kind in MoveKind]
_COLUMNS = ("symbol", "session", "class", "close before", "open", "close", "open moved", "close moved", "left", "why")


@click.command(cls=WarehouseCommand)
@click.argument("symbol", required=False)
@click.option("--over", type=_PERCENT, default=LIMIT * 100, show_default=True, help="How large a move is, in percent.")
@click.option("--class", "classes", type=click.Choice(_CLASSES), multiple=True, help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="How many at most.")
@json_option
def moves(symbol: str | None, over: float, classes: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show the bars, of SYMBOL or of all, that open or close more than --over % from the close before, as traded: the
    newest first, each with what it comes from. What is only suspected is for you to look at."""

    async def read(pool: asyncpg.Pool) -> list[Move]:
        async with pool.acquire() as connection:
            return await find_moves(connection, symbol, over / 100)

    wanted = frozenset(map(MoveKind, classes or _CLASSES))
    found = [move for move in with_pool(Role.READ, read) if move.kind in wanted]
    found.sort(key=lambda move: (-move.session.toordinal(), move.ticker.encode()))
    counts = Counter(move.kind.value for move in found)
    told = {kind: counts[kind] for kind in _CLASSES if counts[kind]}
    more = max(len(found) - limit, 0)
    if as_json:
        print_json({"over_percent": over, "counts": told, "moves": found[:limit], "more": more})
    elif not found:
        click.echo(f"no such move over {over:g} %")
    else:
        print_table(f"moves over {over:g} %", _COLUMNS, [_row(move) for move in found[:limit]])
        click.echo(", ".join(f"{count:,} {kind}" for kind, count in told.items()))
        if more:
            click.echo(f"and {more:,} more (--limit)")


def _row(move: Move) -> tuple[object, ...]:
    return (
        move.ticker,
        str(move.session),
        move.kind.value,
        f"{move.previous_close:.10g}",
        f"{move.open:.10g}",
        f"{move.close:.10g}",
        f"{move.open_move:+.1%}",
        f"{move.close_move:+.1%}",
        f"{move.left:+.1%}",
        move.why,
    )
