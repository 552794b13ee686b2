"""A whole generation out of its tables again, a part at a time: as columns, and as its fingerprint.

What is read is what the tables really hold, whatever the generation says of itself. A part is all rows of some
tickers, so memory is bounded by the size of a part. Whoever reads several parts sees to it that nothing changes in
between: the projector's lock, or a transaction with one snapshot. It decides nothing and writes nothing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import msgspec

from project import content
from project.columnar import Columnar
from project.content import Fingerprint
from project.factors.factor import Factor, factor_of
from project.generation import use_schema
from project.judged import JudgedBars
from project.kinds import KINDS
from project.record import Record
from project.rejection import Rejection, rejection_from
from project.rows import BarRows, Ints, Tickers
from sql import load_queries

PART_ROWS = 200_000

_QUERIES = load_queries("unload.sql")
_ROWS_BY_TICKER = _QUERIES["rows_by_ticker"]
_BAR_COLUMNS = _QUERIES["bar_columns_of"]
_REVISION_COLUMNS = _QUERIES["revision_columns_of"]
_EVERY_FACTOR = _QUERIES["every_factor"]
_EVERY_REJECTION = _QUERIES["every_rejection"]

_FETCHED = 5_000


class Revisions(msgspec.Struct, frozen=True):
    """Rows of the bar_revision table as columns."""

    old: BarRows
    known_to: Ints
    superseded_by: Ints


async def read_part(connection: asyncpg.Connection, schema: str, tickers: Sequence[str]) -> JudgedBars:
    """Return the bars of some tickers in order of (ticker, session); ticker k of the bars is `tickers[k]`."""
    await use_schema(connection, schema)
    return Columnar(await connection.fetch(_BAR_COLUMNS, tickers), Tickers(tickers)).judged()


async def read_revisions(connection: asyncpg.Connection, schema: str, tickers: Sequence[str]) -> Revisions:
    """Return the revisions of some tickers in order of (ticker, session, archive_seq), numbered as in `read_part`."""
    await use_schema(connection, schema)
    part = Columnar(await connection.fetch(_REVISION_COLUMNS, tickers), Tickers(tickers))
    return Revisions(part.bars(), part.instants("known_to"), part.ints("superseded_by"))


async def read_rejections(connection: asyncpg.Connection, schema: str) -> AsyncIterator[list[Rejection]]:
    """Yield all rejections, some at a time."""
    async for rows in _read_all(connection, schema, _EVERY_REJECTION):
        yield [rejection_from(row) for row in rows]


async def read_versions(connection: asyncpg.Connection, schema: str) -> AsyncIterator[tuple[str, list[Record]]]:
    """Yield all versions of all records, some of one table at a time, each time with the name of the table."""
    for kind in KINDS:
        async for rows in _read_all(connection, schema, kind.every):
            yield kind.table, [kind.record(**row) for row in rows]


async def read_factors(connection: asyncpg.Connection, schema: str) -> AsyncIterator[list[Factor]]:
    """Yield all factors, some at a time."""
    async for rows in _read_all(connection, schema, _EVERY_FACTOR):
        yield [factor_of(row) for row in rows]


async def read_tickers(connection: asyncpg.Connection, schema: str) -> dict[str, int]:
    """Return the tickers that have bars or revisions, in byte order, and how many rows they have."""
    await use_schema(connection, schema)
    return {row["ticker"]: row["rows"] for row in await connection.fetch(_ROWS_BY_TICKER)}


def parts_of(rows_of: Mapping[str, int]) -> list[list[str]]:
    """Return tickers, in their order, in lists of few enough rows to be read at once."""
    parts: list[list[str]] = []
    room = 0
    for ticker, rows in rows_of.items():
        if rows > room or not parts:
            parts.append([])
            room = PART_ROWS
        parts[-1].append(ticker)
        room -= rows
    return parts


async def fingerprint_of(connection: asyncpg.Connection, schema: str) -> Fingerprint:
    """Return the fingerprint of what the tables of a generation hold."""
    total = Fingerprint()
    for tickers in parts_of(await read_tickers(connection, schema)):
        total += content.of_bars(await read_part(connection, schema, tickers), Tickers(tickers))
        total += of_revisions(await read_revisions(connection, schema, tickers), Tickers(tickers))
    async for rejections in read_rejections(connection, schema):
        total += content.of_rejections(rejections)
    async for _, records in read_versions(connection, schema):
        total += content.of_records(records)
    async for factors in read_factors(connection, schema):
        total += content.of_factors(factors)
    return total


def of_revisions(revisions: Revisions, tickers: Tickers) -> Fingerprint:
    """Return the fingerprint of revisions."""
    return content.of_revisions(revisions.old, revisions.known_to, revisions.superseded_by, tickers)


async def _read_all(connection: asyncpg.Connection, schema: str, query: str) -> AsyncIterator[Sequence[asyncpg.Record]]:
    await use_schema(connection, schema)
    async with connection.transaction():
        cursor = await connection.cursor(query)
        while rows := await cursor.fetch(_FETCHED):
            yield rows
