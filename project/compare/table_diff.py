"""Where a table first departs from what the archive says: the row and the column, with both values.

Both sides are columns of rows in the order of their keys. It is pure and knows no payload, no rule and no database.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from project.judged import JudgedBars
from project.rows import VALUES, BarRows, Ints, Tickers
from project.ruleset import Ruleset

Column = npt.NDArray[Any]
_EPOCH = dt.date(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_REMEDY = "; `project --rebuild` makes it anew"
_INSTANTS = ("known_from", "known_to")
VERDICTS = ("gap", "volume_ratio", "failed_rules", "quality_score", "validated")


class Rows(msgspec.Struct, frozen=True):
    """Rows in ascending order of their keys, which no two of them share; `columns` are what else they hold."""

    keys: Mapping[str, Column]
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.keys.values())))


class Departure(msgspec.Struct, frozen=True):
    """The first row that is not the same: on one side only, or with a column that differs.

    `key` has the row's keys, `row` its other columns; `column` is None where one side lacks the row, and `missing`
    names that side. Else `archive` and `table` are the two values.
    """

    key: dict[str, Any]
    row: dict[str, Any]
    column: str | None = None
    archive: Any = None
    table: Any = None
    missing: str | None = None


def first_departure(archive: Rows, table: Rows) -> Departure | None:
    """Return where the table first departs from the archive, None where both are the same."""
    common = min(len(archive), len(table))
    other_key = np.zeros(common, np.bool_)
    for name, column in archive.keys.items():
        other_key |= ~_same(column[:common], table.keys[name][:common])
    other = other_key.copy()
    for name, column in archive.columns.items():
        other |= ~_same(column[:common], table.columns[name][:common])
    place = int(np.argmax(other)) if other.any() else common
    if place == common:
        if len(archive) == len(table):
            return None
        return _lone(archive, table, place)
    if other_key[place]:
        return _lone(archive, table, place)
    key, row = _key(archive, place), _row(archive, place)
    name = next(each for each in archive.columns if not _same_at(archive.columns[each], table.columns[each], place))
    return Departure(key, row, name, row[name], table.columns[name][place])


def _lone(archive: Rows, table: Rows, place: int) -> Departure:
    """Return the row at a place where the keys part: the lower of the two is missing on the other side."""
    here = place < len(archive)
    if here and place < len(table):
        here = tuple(_key(archive, place).values()) < tuple(_key(table, place).values())
    side = archive if here else table
    return Departure(_key(side, place), _row(side, place), missing="table" if here else "archive")


def _key(rows: Rows, place: int) -> dict[str, Any]:
    return {name: column[place] for name, column in rows.keys.items()}


def _row(rows: Rows, place: int) -> dict[str, Any]:
    return {name: column[place] for name, column in rows.columns.items()}


def _same(one: Column, other: Column) -> npt.NDArray[np.bool_]:
    same = one == other
    if one.dtype.kind == "f":
        same |= np.isnan(one) & np.isnan(other)
    return np.asarray(same, np.bool_)


def _same_at(one: Column, other: Column, place: int) -> bool:
    return bool(_same(one[place : place + 1], other[place : place + 1])[0])


def rows_of_bars(bars: BarRows, ranks: Ints) -> Rows:
    """Return bars as rows by session, then ticker, without what the rules say of them."""
    keys, columns, _ = _of_bars(bars, ranks)
    return Rows(keys, columns)


def rows_of_judged(judged: JudgedBars, ranks: Ints) -> Rows:
    """Return bars with what the rules say of them, as rows by session, then ticker."""
    keys, columns, order = _of_bars(judged.bars, ranks)
    return Rows(keys, columns | {name: getattr(judged, name)[order] for name in VERDICTS})


def rows_of_revisions(old: BarRows, known_to: Ints, superseded_by: Ints, ranks: Ints) -> Rows:
    """Return revisions as rows by session, then ticker, then payload."""
    keys, columns, order = _of_bars(old, ranks)
    keys["archive_seq"] = columns.pop("archive_seq")
    return Rows(keys, columns | {"known_to": known_to[order], "superseded_by": superseded_by[order]})


def _of_bars(bars: BarRows, ranks: Ints) -> tuple[dict[str, Column], dict[str, Column], Ints]:
    order = np.lexsort((bars.archive_seq, ranks[bars.ticker], bars.day))
    columns = {name: column[order] for name, column in zip(VALUES, bars.values, strict=True)}
    columns |= {"archive_seq": bars.archive_seq[order], "known_from": bars.known_from[order]}
    return {"day": bars.day[order], "rank": ranks[bars.ticker[order]]}, columns, order


def session_of(departure: Departure) -> dt.date:
    """Return the session of a bar or revision."""
    return _EPOCH + dt.timedelta(days=int(departure.key["day"]))


def told(departure: Departure, table: str, tickers: Tickers, ranks: Ints, ruleset: Ruleset) -> str:
    """Return in words how a bar or revision of `table` departs from the archive, with both values."""
    subject = tickers.names[int(np.flatnonzero(ranks == departure.key["rank"])[0])]
    if "archive_seq" in departure.key:
        subject += f" of payload {departure.key['archive_seq']}"
    row = _row_told(departure.row, ruleset)
    if departure.missing == "table":
        return f"{subject}: nothing in {table}, by the archive there is {row}{_REMEDY}"
    if departure.missing == "archive":
        return f"{subject}: {row} in {table}, by the archive there is nothing{_REMEDY}"
    assert departure.column is not None
    ours, theirs = (shown(departure.column, value, ruleset) for value in (departure.archive, departure.table))
    return f"{subject}: {departure.column} is {theirs} in {table}, by {_authority(departure)} it is {ours}{_REMEDY}"


def _authority(departure: Departure) -> str:
    if departure.column in VERDICTS:
        return "the rules"
    if departure.column in VALUES and "archive_seq" in departure.row:
        return f"payload {departure.row['archive_seq']}"
    return "the archive"


def _row_told(row: Mapping[str, Any], ruleset: Ruleset) -> str:
    told_of = [name for name in (*VALUES[:5], "archive_seq") if name in row]
    return ", ".join(f"{name} {shown(name, row[name], ruleset)}" for name in told_of)


def shown(column: str, value: Any, ruleset: Ruleset) -> str:
    """Return a value of a column as a person reads it."""
    if column in _INSTANTS:
        return f"{_EPOCH_UTC + dt.timedelta(microseconds=int(value)):%Y-%m-%d %H:%M:%S.%f}"
    if column == "failed_rules":
        return " and ".join(use.name for bit, use in enumerate(ruleset.rules) if int(value) >> bit & 1) or "none"
    if isinstance(value, float | np.floating):
        return "nothing" if np.isnan(value) else repr(float(value)).removesuffix(".0")
    return str(value)
