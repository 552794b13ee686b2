"""The vendor's flat files in, rows and rejections out: a day's bars of the whole market as CSV under gzip.

Columns are found by the names in the header, wherever they stand; those nobody here needs are passed over. A body that
is no gzip of a CSV of days holds no rows, like any answer that is none; a CSV without a column that a bar needs stops
the replay, since the vendor changed its format. What makes a row a bar is as for the vendor's JSON (decode.py).

Source: the vendor's documentation of day_aggs_v1: `window_start` is nanoseconds at midnight New York, prices are
unadjusted, there is no vwap.
"""

import csv
import datetime as dt
import gzip
import io
import math
import re
import zlib
from collections.abc import Sequence

import msgspec
import numpy as np

from archive.payload import Payload, Transfer
from project.decode import BarContext, accept_rows
from project.errors import UndecodablePayload
from project.newyork import NO_DAY
from project.rejection import Reason, Rejection, printable
from project.rows import REQUIRED, VALUES, BarRows, Floats, Ints, Tickers, no_rows

_TICKER, _TIME, _TRADES = "ticker", "window_start", "transactions"
# In the order of VALUES; there is no vwap.
_VALUE_COLUMNS = ("open", "high", "low", "close", "volume", None, _TRADES)
_NEEDED = (_TICKER, _TIME, *VALUES[:REQUIRED])
_NS_PER_MS = 1e6
_MOST_BYTES = 1 << 28
# A file of minutes has the same columns, and hundreds of times.
_MOST_TIMES = 100
_EPOCH = dt.date(1970, 1, 1)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WORD = re.compile(r"[\w.-]+", re.ASCII)
# What float() takes beside these is no number of a vendor: nan, inf, 1_000, digits of other scripts.
_NUMERIC = re.compile(r"[0-9.eE+-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _Table(msgspec.Struct, frozen=True):
    """A CSV: in which field of a line each column stands, how many a line has, and what is below the header."""

    places: dict[str, int]
    width: int
    text: str

    def lines(self) -> list[str]:
        """Return the raw rows."""
        return [line for line in self.text.split("\n") if line]


def is_whole(payload: Payload) -> bool:
    """Tell whether a payload can hold rows: a 200 that came over whole."""
    return payload.response.http_status == 200 and payload.response.transfer is Transfer.COMPLETE


def decode_flat_bars(payload: Payload, tickers: Tickers, context: BarContext) -> tuple[BarRows, list[Rejection]]:
    """Return the bars of a flat file, and the rows that cannot be one.

    Raises: UndecodablePayload for a CSV that lacks a column which a bar needs.
    """
    table = _table(payload)
    if table is None:
        return no_rows(), []
    problems: dict[int, list[str]] = {}
    try:
        names, t_ms, values = _columns(table)
    except ValueError:
        names, t_ms, values = _columns_of_bad_rows(table, problems)
    if len(np.unique(t_ms)) > _MOST_TIMES:
        return no_rows(), []
    rows, days = accept_rows(payload, names, t_ms, values, problems, tickers, context)
    return rows, _rejections(payload, table, names, days, problems)


def flat_rows(payload: Payload) -> list[tuple[str, str, str]]:
    """Return of every row of a flat file the ticker, the nanoseconds and the whole row, as sent; none where it is no
    file of days.

    Raises: UndecodablePayload for a CSV that lacks a column which a bar needs.
    """
    table = _table(payload)
    if table is None:
        return []
    lines = table.lines()
    fields = [row if len(row) == table.width else [""] * table.width for row in map(_fields, lines)]
    times = [row[table.places[_TIME]] for row in fields]
    if len(set(times)) > _MOST_TIMES:
        return []
    names = [_as_sent(row[table.places[_TICKER]]) for row in fields]
    texts = [_CONTROL.sub(_escaped, _as_sent(line)) for line in lines]
    return list(zip(names, times, texts, strict=True))


def _table(payload: Payload) -> _Table | None:
    """Return the CSV in a body, None where there is none.

    A byte is a character here (Latin-1), so that no byte of a garbled ticker is lost or moves another.
    """
    data = _unzipped(payload.response.body)
    if data is None:
        return None
    header, _, text = data.removeprefix(_BYTE_ORDER_MARK).decode("latin-1").replace("\r\n", "\n").partition("\n")
    columns = [name.strip() for name in _fields(header)]
    if len(columns) < 2 or not all(map(_WORD.fullmatch, columns)):
        return None
    missing = [name for name in _NEEDED if columns.count(name) != 1]
    if missing or columns.count(_TRADES) > 1:
        raise UndecodablePayload(payload.archive_seq, f"its header has not one column {(missing or [_TRADES])[0]!r}")
    places = {name: place for place, name in enumerate(columns)}
    return _Table(places, len(columns), text)


def _unzipped(body: bytes) -> bytes | None:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return data if len(data) <= _MOST_BYTES else None


def _fields(line: str) -> list[str]:
    """Return the fields of one line. A quote that is never closed ends with its line and takes no other with it."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return [line]


def _columns(table: _Table) -> tuple[list[str], Floats, Floats]:
    """Read whole columns.

    Raises: ValueError when some line has more or fewer fields than the header, a quote, or no number where one is due.
    """
    text = table.text if table.text.endswith("\n") else table.text + "\n" * bool(table.text)
    _require_rectangle(text, table.width)
    cells = text.replace("\n", ",").split(",")[:-1]
    columns = {name: cells[place :: table.width] for name, place in table.places.items()}
    count = len(columns[_TICKER])
    values = np.full((len(VALUES), count), math.nan)
    for index, name in enumerate(_VALUE_COLUMNS):
        if name in columns:
            values[index] = _numbers(columns[name], may_be_left_out=index >= REQUIRED)
    return columns[_TICKER], _numbers(columns[_TIME]) / _NS_PER_MS, values


def _require_rectangle(text: str, width: int) -> None:
    marks = np.frombuffer(text.encode("latin-1"), np.uint8)
    marks = marks[(marks == ord(",")) | (marks == ord("\n"))]
    line = np.full(width, ord(","), np.uint8)
    line[-1] = ord("\n")
    if '"' in text or len(marks) % width or not np.all(marks.reshape(-1, width) == line):
        raise ValueError


def _numbers(texts: Sequence[str], *, may_be_left_out: bool = False) -> Floats:
    if not _NUMERIC.fullmatch("".join(texts)):
        raise ValueError
    if may_be_left_out:
        texts = [text or "nan" for text in texts]
    return np.fromiter(map(float, texts), np.float64, len(texts))


def _columns_of_bad_rows(table: _Table, problems: dict[int, list[str]]) -> tuple[list[str], Floats, Floats]:
    """Read row by row, because some row is not a bar; a field that is no number becomes NaN."""
    fields = [_fields(line) for line in table.lines()]
    names: list[str] = []
    t_ms = np.full(len(fields), math.nan)
    values = np.full((len(VALUES), len(fields)), math.nan)
    for index, row in enumerate(fields):
        reasons: list[str] = []
        if len(row) != table.width:
            # Which field belongs to which column nobody knows.
            reasons.append(Reason.NOT_AN_OBJECT)
            row = [""] * table.width
        names.append(row[table.places[_TICKER]])
        t_ms[index] = _number(row[table.places[_TIME]], "time", reasons) / _NS_PER_MS
        for place, column in enumerate(_VALUE_COLUMNS):
            text = row[table.places[column]] if column in table.places else ""
            if text or place < REQUIRED:
                values[place, index] = _number(text, VALUES[place], reasons)
        if reasons:
            problems[index] = reasons
    return names, t_ms, values


def _number(text: str, name: str, reasons: list[str]) -> float:
    if not text:
        reasons.append(Reason.MISSING + name)
        return math.nan
    try:
        return float(_numbers((text,))[0])
    except ValueError:
        reasons.append(Reason.NOT_A_NUMBER + name)
        return math.nan


def _rejections(
    payload: Payload, table: _Table, names: list[str], days: Ints, problems: dict[int, list[str]]
) -> list[Rejection]:
    lines = table.lines() if problems else []
    return [
        Rejection(
            payload.archive_seq,
            index,
            printable(_as_sent(names[index])) or None,
            None if days[index] == NO_DAY else _EPOCH + dt.timedelta(days=int(days[index])),
            tuple(dict.fromkeys(problems[index])),
            _CONTROL.sub(_escaped, _as_sent(lines[index])),
        )
        for index in sorted(problems)
    ]


def _as_sent(text: str) -> str:
    """Return a text as the vendor wrote it, in UTF-8, with bytes that are none of it escaped."""
    return text.encode("latin-1").decode("utf-8", "backslashreplace")


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
