"""A rebuild of some bars only: the next generation takes everything over from the live one but the bars that were
chosen, and those are folded from their payloads afresh.

It is for repairing what is known to be wrong, by the rules that are live: a generation has one ruleset. Records
(splits, dividends and the like) are taken over as they are. Whoever doubts more than some bars rebuilds everything.
"""

import datetime as dt
from collections.abc import Sequence

import asyncpg
import msgspec
import numpy as np

from project.batch import Batch
from project.kinds import KINDS
from project.rows import BarRows
from sql import load_queries

_QUERIES = load_queries("partial.sql")
_TAKE_OVER_BUT = [_QUERIES[name] for name in ("take_over_bars", "take_over_revisions", "take_over_rejections")]
_TAKE_OVER = [_QUERIES[f"take_over_{table}"] for table in ("symbol_status", "factor", *(kind.table for kind in KINDS))]
_PAYLOADS = _QUERIES["payloads_of_choice"]
_COUNT_AGAIN = _QUERIES["count_again"]
_EPOCH = dt.date(1970, 1, 1)


class Choice(msgspec.Struct, frozen=True):
    """Which bars: of these symbols (None: of all), from this session on."""

    symbols: tuple[str, ...] | None
    first: dt.date

    def holds(self, ticker: str | None, session: dt.date | None) -> bool:
        """Tell whether a row of a ticker and session is among the chosen."""
        if ticker is None or session is None or session < self.first:
            return False
        return self.symbols is None or ticker in self.symbols


async def take_over(connection: asyncpg.Connection, choice: Choice) -> None:
    """Copy the live generation into the next one's empty tables, but for the chosen bars."""
    for query in _TAKE_OVER_BUT:
        await connection.execute(query, choice.symbols, choice.first)
    for query in _TAKE_OVER:
        await connection.execute(query)


async def payloads_of(connection: asyncpg.Connection, choice: Choice, upto: int) -> list[int]:
    """Return the archive_seqs of the payloads that may speak of the chosen bars, in order."""
    return [row["archive_seq"] for row in await connection.fetch(_PAYLOADS, choice.symbols, choice.first, upto)]


def narrow(batch: Batch, choice: Choice) -> None:
    """Leave in a batch nothing but rows and rejections of the chosen bars."""
    batch.statements.clear()
    batch.spoken.clear()
    batch.bars = [_chosen(rows, batch.tickers.names, choice) for rows in batch.bars]
    batch.rejections = [row for row in batch.rejections if choice.holds(row.ticker, row.session)]


async def count_again(connection: asyncpg.Connection, choice: Choice) -> None:
    """Count anew what symbol_status says of the chosen symbols."""
    await connection.execute(_COUNT_AGAIN, choice.symbols)


def _chosen(rows: BarRows, names: Sequence[str], choice: Choice) -> BarRows:
    chosen = rows.day >= (choice.first - _EPOCH).days
    if choice.symbols is not None:
        wanted = np.array([name in choice.symbols for name in names], np.bool_)
        chosen &= wanted[rows.ticker]
    return rows.take(chosen)
