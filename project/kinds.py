"""The kinds of records there are: for each its table, and how what is believed is read and ended.

A new kind is a record of its own file, a decoder in `batch.py`, a table in `sql/generation.sql`, three queries in
`sql/records.sql`, and one line here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from project.content import Fingerprint
from project.decide.override import Override
from project.dividend import Dividend
from project.names.listing import Listing
from project.names.ticker_change import TickerChange
from project.record import Record, Statement
from project.split import Split
from project.versions import FoldedRecords, fold_records
from sql import load_queries

_QUERIES = load_queries("records.sql")


class Kind(msgspec.Struct, frozen=True):
    """One kind of record: its table, the class of its rows, and three queries.

    `believed` reads what is believed of some tickers, or was answered to some questions; `every` reads all versions;
    `end` ends one: $1 known_to, $2 ended_by, $3 its archive_seq, then its key.
    """

    table: str
    record: type[Record]
    believed: str
    every: str
    end: str


KINDS = (
    Kind("split", Split, _QUERIES["believed_split"], _QUERIES["every_split"], _QUERIES["end_split"]),
    Kind("dividend", Dividend, _QUERIES["believed_dividend"], _QUERIES["every_dividend"], _QUERIES["end_dividend"]),
    Kind("override", Override, _QUERIES["believed_override"], _QUERIES["every_override"], _QUERIES["end_override"]),
    Kind("listing", Listing, _QUERIES["believed_listing"], _QUERIES["every_listing"], _QUERIES["end_listing"]),
    Kind(
        "ticker_change",
        TickerChange,
        _QUERIES["believed_ticker_change"],
        _QUERIES["every_ticker_change"],
        _QUERIES["end_ticker_change"],
    ),
)

Statements = Mapping[str, Sequence[Statement[Any]]]
Folded = Mapping[str, FoldedRecords[Any]]


def fold_kinds(believed: Mapping[str, Sequence[Any]], statements: Statements) -> Folded:
    """Return the records of every kind, by table, once the statements are taken in."""
    return {kind.table: fold_records(believed.get(kind.table, ()), statements.get(kind.table, ())) for kind in KINDS}


def print_of(folded: Folded) -> Fingerprint:
    """Return by how much the fingerprint of all records moves."""
    return sum((records.fingerprint for records in folded.values()), Fingerprint())


async def read_believed(connection: asyncpg.Connection, statements: Statements) -> dict[str, list[Any]]:
    """Return by table the believed records that the statements may restate or withdraw."""
    return {
        kind.table: await _read(connection, kind, *_about(statements[kind.table]))
        for kind in KINDS
        if kind.table in statements
    }


async def read_records(connection: asyncpg.Connection, table: str, tickers: Sequence[str]) -> list[Any]:
    """Return the records of one kind that are believed of some tickers."""
    [kind] = [kind for kind in KINDS if kind.table == table]
    return await _read(connection, kind, tickers, [])


async def write_records(connection: asyncpg.Connection, folded: Folded) -> None:
    """Write the versions that are new, and end those that are no longer believed."""
    for kind in KINDS:
        records = folded[kind.table]
        ended = [(one.known_to, one.ended_by, one.archive_seq, *one.key) for one in records.ended]
        await connection.executemany(kind.end, ended)
        if records.added:
            await connection.copy_records_to_table(
                kind.table,
                columns=kind.record.__struct_fields__,
                records=map(msgspec.structs.astuple, records.added),
            )


async def _read(
    connection: asyncpg.Connection, kind: Kind, tickers: Sequence[object], asked: Sequence[str]
) -> list[Any]:
    return [kind.record(**row) for row in await connection.fetch(kind.believed, tickers, asked)]


def _about(statements: Sequence[Statement[Any]]) -> tuple[list[object], list[str]]:
    keys = [key for one in statements for key in (*(record.key for record in one.records), *one.ended)]
    return list({key[0] for key in keys}), [one.asked for one in statements if one.whole]
