"""Rows of a generation in and out of its tables. It decides nothing: what to write comes from the fold."""

import datetime as dt
from collections.abc import Mapping, Sequence

import asyncpg
import msgspec
import numpy as np

from project.columnar import Columnar
from project.fold import FoldedBars
from project.judged import JudgedBars
from project.load import copy_bars, copy_revisions
from project.rejection import Rejection
from project.rows import VALUES, BarRows, Ints, Tickers
from sql import load_queries

_QUERIES = load_queries("project.sql")
_BARS_SINCE = _QUERIES["bars_since"]
_CREATE_INCOMING = _QUERIES["create_incoming"]
_UPSERT_INCOMING = _QUERIES["upsert_incoming"]
_INSERT_REJECTION = _QUERIES["insert_rejection"]
_ADD_TO_STATUS = _QUERIES["add_to_symbol_status"]

_EPOCH = dt.date(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


async def read_bars(
    connection: asyncpg.Connection, tickers: Tickers, codes: Ints, since: Ints, look_back: int
) -> JudgedBars:
    """Return the bars of some tickers from a day each on, and `look_back` bars before it; in no particular order."""
    rows = await connection.fetch(
        _BARS_SINCE,
        [tickers.names[code] for code in codes.tolist()],
        [_EPOCH + dt.timedelta(days=day) for day in since.tolist()],
        look_back,
    )
    return Columnar(rows, tickers).judged()


def bars_of_records(records: Sequence[asyncpg.Record], tickers: Tickers) -> JudgedBars:
    """Return rows of the bar table as columns."""
    count = len(records)

    def column(name: str) -> list[object]:
        return [record[name] for record in records]

    bars = BarRows(
        tickers.codes([record["ticker"] for record in records]),
        np.array(column("session"), "datetime64[D]").astype(np.int64),
        np.array([column(name) for name in VALUES], np.float64).reshape(len(VALUES), count),
        np.array(column("archive_seq"), np.int64),
        np.array([(record["known_from"] - _EPOCH_UTC) // dt.timedelta(microseconds=1) for record in records], np.int64),
    )
    return JudgedBars(
        bars,
        np.array(column("gap"), np.float64),
        np.array(column("volume_ratio"), np.float64),
        np.array(column("failed_rules"), np.int64),
        np.array(column("quality_score"), np.float64),
        np.array(column("validated"), np.bool_),
    )


async def write_bars(connection: asyncpg.Connection, folded: FoldedBars, tickers: Tickers, *, empty: bool) -> None:
    """Write folded bars and revisions; into an `empty` table they are copied straight, else over what is there."""
    if empty:
        await copy_bars(connection, "bar", folded.bars, tickers)
    elif len(folded.bars):
        await connection.execute(_CREATE_INCOMING)
        await copy_bars(connection, "incoming", folded.bars, tickers)
        await connection.execute(_UPSERT_INCOMING)
        await connection.execute("DROP TABLE incoming")
    await copy_revisions(connection, folded.revised, folded.known_to, folded.superseded_by, tickers)


async def write_rejections(connection: asyncpg.Connection, rejections: Sequence[Rejection]) -> None:
    """Write rejected rows."""
    await connection.executemany(_INSERT_REJECTION, [msgspec.structs.astuple(row) for row in rejections])


async def write_status(
    connection: asyncpg.Connection,
    folded: FoldedBars,
    codes: Ints,
    tickers: Tickers,
) -> None:
    """Add what the fold changed of some tickers to their counts."""
    rows = []
    for code in codes[np.any(folded.counts[codes] != 0, axis=1)].tolist():
        bars, validated, gaps, anomalies, revisions = folded.counts[code].tolist()
        first, last = int(folded.first_day[code]), int(folded.last_day[code])
        spanned = first <= last
        rows.append(
            (
                tickers.names[code],
                _EPOCH + dt.timedelta(days=first) if spanned else None,
                _EPOCH + dt.timedelta(days=last) if spanned else None,
                bars,
                validated,
                gaps,
                anomalies,
                revisions,
                0,
                0,
            )
        )
    await connection.executemany(_ADD_TO_STATUS, rows)


async def write_spoken(
    connection: asyncpg.Connection, spoken: Mapping[str, int], rejections: Sequence[Rejection]
) -> None:
    """Record of every ticker that payloads named or were asked for which was the last, and how many rows failed."""
    counts: dict[str, int] = {}
    for row in rejections:
        if row.ticker is not None:
            counts[row.ticker] = counts.get(row.ticker, 0) + 1
    await connection.executemany(
        _ADD_TO_STATUS,
        [(ticker, None, None, 0, 0, 0, 0, 0, counts.get(ticker, 0), seq) for ticker, seq in spoken.items()],
    )
