"""Columns into tables by binary COPY, encoded a column at a time instead of a row at a time.

Rows of equally long tickers with the same NULLs are equally long, so a run of them is one numpy record array. Rows keep
their order, so a ticker's bars lie together on disk.
"""

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Any

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

from project.judged import JudgedBars
from project.rows import VALUES, BarRows, Bools, Ints, Tickers, starts_of_runs

# Source: PostgreSQL manual, COPY, "Binary Format".
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_CHUNK_BYTES = 2**18
_MOST_ROWS = 2048  # of a run at once: what is written and copied stays in the processor's cache
_DAY_OF_2000 = 10_957
_US_OF_2000 = _DAY_OF_2000 * 86_400_000_000

_Array = npt.NDArray[Any]


class Column(msgspec.Struct, frozen=True):
    """One fixed-length column: its name, its big-endian values, and whether NaN means NULL."""

    name: str
    values: _Array
    nan_is_null: bool = False


async def copy_bars(connection: asyncpg.Connection, table: str, judged: JudgedBars, tickers: Tickers) -> None:
    """Append judged bars to a table of the shape of `bar`."""
    columns = [
        *_bar_columns(judged.bars),
        Column("gap", judged.gap.astype(">f8"), nan_is_null=True),
        Column("volume_ratio", judged.volume_ratio.astype(">f8"), nan_is_null=True),
        Column("failed_rules", judged.failed_rules.astype(">i8")),
        Column("quality_score", judged.quality_score.astype(">f8")),
        Column("validated", judged.validated.astype("u1")),
    ]
    await _copy(connection, table, judged.bars, columns, tickers)


async def copy_revisions(
    connection: asyncpg.Connection, old: BarRows, known_to: Ints, superseded_by: Ints, tickers: Tickers
) -> None:
    """Append revisions: the old values, until when they were believed, and the payload that restated them."""
    columns = [
        *_bar_columns(old),
        Column("known_to", _timestamps(known_to)),
        Column("superseded_by", superseded_by.astype(">i8")),
    ]
    await _copy(connection, "bar_revision", old, columns, tickers)


def _bar_columns(bars: BarRows) -> list[Column]:
    return [
        Column("session", (bars.day - _DAY_OF_2000).astype(">i4")),
        *(
            Column(name, column.astype(">f8"), nan_is_null=name in ("vwap", "trades"))
            for name, column in zip(VALUES, bars.values, strict=True)
        ),
        Column("archive_seq", bars.archive_seq.astype(">i8")),
        Column("known_from", _timestamps(bars.known_from)),
    ]


def _timestamps(us_since_1970: Ints) -> _Array:
    return (us_since_1970 - _US_OF_2000).astype(">i8")


async def _copy(
    connection: asyncpg.Connection, table: str, bars: BarRows, columns: Sequence[Column], tickers: Tickers
) -> None:
    if len(bars) == 0:
        return
    status = await connection.copy_to_table(
        table,
        columns=["ticker", *(column.name for column in columns)],
        source=_encode(bars.ticker, columns, tickers),
        format="binary",
    )
    assert status == f"COPY {len(bars)}", (status, len(bars))


async def _encode(ticker: Ints, columns: Sequence[Column], tickers: Tickers) -> AsyncIterator[bytearray]:
    encoded = [name.encode() for name in tickers.names]
    names = np.array(encoded, np.bytes_)
    name_bytes = np.fromiter(map(len, encoded), np.int64, len(encoded))[ticker]
    nulls = _null_patterns(columns, len(ticker))
    is_start = starts_of_runs(nulls) | starts_of_runs(name_bytes)
    is_start[::_MOST_ROWS] = True
    starts = np.flatnonzero(is_start).tolist()
    shape = tuple((column.name, column.values.dtype.str) for column in columns)
    buffer = bytearray(_HEADER)
    for start, stop in zip(starts, [*starts[1:], len(ticker)], strict=True):
        record = _record(int(name_bytes[start]), shape, int(nulls[start]))
        data = bytearray(record.tobytes() * (stop - start))
        block = np.frombuffer(data, record.dtype)
        block["ticker"] = names[ticker[start:stop]]
        for place, column in enumerate(columns):
            if not int(nulls[start]) >> place & 1:
                block[column.name] = column.values[start:stop]
        buffer += data
        if len(buffer) >= _CHUNK_BYTES:
            yield buffer
            buffer = bytearray()
    yield buffer + _TRAILER


def _null_patterns(columns: Sequence[Column], count: int) -> Ints:
    """Return for each row which columns are NULL, one bit a column."""
    patterns = np.zeros(count, np.int64)
    for place, column in enumerate(columns):
        if column.nan_is_null:
            nulls: Bools = np.isnan(column.values)
            patterns |= nulls.astype(np.int64) << place
    return patterns


@lru_cache
def _record(name_bytes: int, columns: tuple[tuple[str, str], ...], nulls: int) -> _Array:
    """Return an encoded row whose ticker and values are still empty: field count and lengths."""
    fields: list[tuple[str, str]] = [("count", ">i2"), ("ticker_bytes", ">i4"), ("ticker", f"S{name_bytes}")]
    lengths: dict[str, int] = {}
    for place, (name, dtype) in enumerate(columns):
        is_null = nulls >> place & 1
        lengths[f"{name}_bytes"] = -1 if is_null else np.dtype(dtype).itemsize
        fields.append((f"{name}_bytes", ">i4"))
        if not is_null:
            fields.append((name, dtype))
    record = np.zeros((), np.dtype(fields))
    record["count"], record["ticker_bytes"] = len(columns) + 1, name_bytes
    for name, length in lengths.items():
        record[name] = length
    return record
