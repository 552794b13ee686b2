"""A rebuild of some bars only: the next generation takes everything over from the live one but the bars that were
chosen, and those are folded from their payloads afresh.

It is for repairing what is known to be wrong, by the rules that are live: a generation has one ruleset. Records
(splits, dividends and the like) are taken over as they are. Whoever doubts more than some bars rebuilds everything.
"""

import datetime as dt
import uuid
from collections.abc import Sequence

import asyncpg
import msgspec
import numpy as np

from archive.calendar import exchange_calendar
from archive.read import read_payload
from project.batch import Batch
from project.bulk.replay import Progress, no_progress
from project.content import Fingerprint
from project.decide.skip import read_skips
from project.errors import UnknownSymbols
from project.generation import NEXT, advance, complete_next, create_next, live_generation
from project.rebuild import go_live
from project.replay import BATCH_PAYLOADS, Now, Replayed, fold_onto, projector
from project.rows import BarRows
from project.ruleset import Ruleset
from project.unload import fingerprint_of
from sql import load_queries

_QUERIES = load_queries("partial.sql")
_TAKE_OVER_BUT_CHOSEN = (
    _QUERIES["take_over_bars"],
    _QUERIES["take_over_revisions"],
    _QUERIES["take_over_rejections"],
)
_TAKE_OVER = (
    _QUERIES["take_over_symbol_status"],
    _QUERIES["take_over_factor"],
    _QUERIES["take_over_split"],
    _QUERIES["take_over_dividend"],
    _QUERIES["take_over_override"],
    _QUERIES["take_over_listing"],
    _QUERIES["take_over_ticker_change"],
)
_KNOWN = _QUERIES["known_symbols"]
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


async def rebuild_part(
    pool: asyncpg.Pool,
    choice: Choice,
    now: Now,
    *,
    progress: Progress = no_progress,
    max_change: float | None = None,
) -> Replayed:
    """Fold the chosen bars afresh, by the rules that are live, and swap the generation that has them in.

    Raises: UnknownSymbols, and as `rebuild` and `catch_up`; the live projection is untouched then.
    """
    async with projector(pool) as connection:
        live, ruleset = await live_generation(connection)
        await _require_known(connection, choice)
        await create_next(connection, ruleset, exchange_calendar())
        await _take_over(connection, choice)
        nothing = Fingerprint()
        built = msgspec.structs.replace(
            live,
            generation_id=uuid.uuid4(),
            content_hash=nothing.content_hash,
            provenance_hash=nothing.provenance_hash,
            built_at=now(),
            caught_up_at=now(),
        )
        await complete_next(connection, built)
        await _fold_chosen(connection, choice, ruleset, live.checkpoint, progress)
        await connection.execute(_COUNT_AGAIN, choice.symbols)
        # Of what the tables hold, whatever was wrong with those that were taken over from.
        fingerprint = await fingerprint_of(connection, NEXT)
        await advance(connection, live.checkpoint, fingerprint, now())
        built = msgspec.structs.replace(
            built, content_hash=fingerprint.content_hash, provenance_hash=fingerprint.provenance_hash
        )
        return await go_live(connection, built, ruleset, now, progress=progress, max_change=max_change)


async def _require_known(connection: asyncpg.Connection, choice: Choice) -> None:
    known = {row["ticker"] for row in await connection.fetch(_KNOWN, choice.symbols)}
    unknown = [symbol for symbol in choice.symbols or () if symbol not in known]
    if unknown:
        raise UnknownSymbols(unknown)


async def _fold_chosen(
    connection: asyncpg.Connection, choice: Choice, ruleset: Ruleset, checkpoint: int, progress: Progress
) -> None:
    """Fold what the payloads up to a checkpoint say of the chosen bars into the next generation."""
    numbers = [
        row["archive_seq"] for row in await connection.fetch(_PAYLOADS, choice.symbols, choice.first, checkpoint)
    ]
    skips = await read_skips(connection)
    for start in range(0, len(numbers), BATCH_PAYLOADS):
        batch = Batch(exchange_calendar(), ruleset, skips)
        for number in numbers[start : start + BATCH_PAYLOADS]:
            batch.add(await read_payload(connection, number))
        _narrow(batch, choice)
        async with connection.transaction():
            await fold_onto(connection, batch, ruleset)
        progress(min(start + BATCH_PAYLOADS, len(numbers)), len(numbers))


async def _take_over(connection: asyncpg.Connection, choice: Choice) -> None:
    """Copy the live generation into the next one's empty tables, but for the chosen bars."""
    for query in _TAKE_OVER_BUT_CHOSEN:
        await connection.execute(query, choice.symbols, choice.first)
    for query in _TAKE_OVER:
        await connection.execute(query)


def _narrow(batch: Batch, choice: Choice) -> None:
    """Leave in a batch nothing but rows and rejections of the chosen bars."""
    batch.statements.clear()
    batch.spoken.clear()
    batch.bars = [_chosen(rows, batch.tickers.names, choice) for rows in batch.bars]
    batch.rejections = [row for row in batch.rejections if choice.holds(row.ticker, row.session)]


def _chosen(rows: BarRows, names: Sequence[str], choice: Choice) -> BarRows:
    chosen = rows.day >= (choice.first - _EPOCH).days
    if choice.symbols is not None:
        wanted = np.array([name in choice.symbols for name in names], np.bool_)
        chosen &= wanted[rows.ticker]
    return rows.take(chosen)
