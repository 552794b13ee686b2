"""Bars of weeks and months that the database keeps, where it can: on TimescaleDB, as traded.

They are what `resample` makes of the daily bars, to the last bit, and are never relied on: they are brought up to date
after the bars are committed, and until then, or where there are none, the reader is told so and resamples. They are
current where the checkpoint they have come to is the generation's. A reader's snapshot that has both equal holds them
whole: they are brought on to no later checkpoint before the generation itself has come there.
"""

import datetime as dt
import logging

import asyncpg
import numpy as np

from project.columnar import dates_sent
from project.rows import Floats, Ints
from project.timeframe import Column, Timeframe, positive_zero, weighted_price
from sql import load_queries, timescale

_LOGGER = logging.getLogger("project")
_QUERIES = load_queries("aggregates.sql")
_CHECKPOINT = _QUERIES["aggregate_checkpoint"]
_SET_CHECKPOINT = _QUERIES["set_aggregate_checkpoint"]
_LIVE_CHECKPOINT = _QUERIES["live_aggregate_checkpoint"]
_BETWEEN: dict[str, str] = {"1w": _QUERIES["weeks_between"], "1mo": _QUERIES["months_between"]}


async def refresh_aggregates(connection: asyncpg.Connection, checkpoint: int) -> None:
    """Bring the aggregates, if there are any, of the bars that the connection means to their `checkpoint`.

    It cannot be part of a transaction. Killed halfway, it leaves them not current, and the next one completes it.
    """
    if await connection.fetchval(_CHECKPOINT) != checkpoint and await timescale.refresh_aggregates(connection):
        await connection.execute(_SET_CHECKPOINT, checkpoint)
        _LOGGER.info("project.aggregates_refreshed", extra={"checkpoint": checkpoint})


async def read_aggregate(
    connection: asyncpg.Connection, checkpoint: int, ticker: str, first: dt.date, last: dt.date, timeframe: Timeframe
) -> dict[str, Column] | None:
    """Return the bars of a ticker, as traded, that are labelled from `first` to `last`, as `resample` does of its days.

    `checkpoint` is the live generation's, read in the same snapshot. None where no such bars are kept, or they are not
    current.
    """
    query = _BETWEEN.get(timeframe)
    if query is None or await connection.fetchval(_LIVE_CHECKPOINT) != checkpoint:
        return None
    row = await connection.fetchrow(query, ticker, first, last)

    def floats(name: str) -> Floats:
        return positive_zero(np.frombuffer(row[name] or b"", ">f8").astype(np.float64))

    def ints(name: str) -> Ints:
        return np.frombuffer(row[name] or b"", ">i8").astype(np.int64)

    sessions = dates_sent(row["session"])
    none = np.full(len(sessions), np.nan)
    return {
        "sessions": sessions,
        **{name: floats(name) for name in ("open", "high", "low", "close", "volume")},
        "vwap": weighted_price(floats("priced_turnover"), floats("priced_volume")),
        "trades": floats("trades"),
        "gap": none,
        "volume_ratio": none,
        "failed_rules": ints("failed_rules"),
        "quality_score": floats("quality_score"),
        "validated": np.frombuffer(row["validated"] or b"", np.bool_),
        "session_count": ints("session_count"),
    }
