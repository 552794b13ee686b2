"""Reading the files of a market folder into columns and records. It must not know what is asked of a market."""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from tests.fake_polygon.errors import BadMarketFile
from tests.fake_polygon.market import ABSENT, BarColumns, MarketDividend, MarketSplit, days

T = TypeVar("T")

_OHLCV = ("open", "high", "low", "close", "volume")


def read_columns(file: Path, names: Sequence[str]) -> list[list[str]]:
    """Return the named columns of a CSV file, plain or gzipped.

    Raises: BadMarketFile where a column or a field is missing, or the file cannot be unpacked.
    """
    with gzip.open(file, "rt", newline="") if file.suffix == ".gz" else file.open(newline="") as lines:
        reader = csv.reader(lines)
        try:
            header, *rows = list(reader) or [[]]
        except (EOFError, zlib.error, gzip.BadGzipFile, csv.Error, UnicodeDecodeError) as exc:
            raise BadMarketFile(file, reader.line_num, "is not a readable CSV file") from exc
    missing = [name for name in names if name not in header]
    if missing:
        raise BadMarketFile(file, 1, f"there is no column {missing[0]}")
    for number, row in enumerate(rows, start=2):
        if row and len(row) != len(header):
            raise BadMarketFile(file, number, f"{len(row)} fields instead of {len(header)}")
    where = [header.index(name) for name in names]
    return [[row[at] for row in rows if row] for at in where]


def find_row(file: Path, first_field: str) -> dict[str, str] | None:
    """Return the row of a gzipped CSV file that begins with a field, without parsing the others."""
    try:
        text = gzip.decompress(file.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise BadMarketFile(file, 1, "is not a readable gzip file") from exc
    at = text.find(f"\n{first_field},".encode()) + 1
    if not at:
        return None
    found = (text.partition(b"\n")[0], text[at:].partition(b"\n")[0])
    header, row = (line.decode().strip().split(",") for line in found)
    return dict(zip(header, row, strict=True))


def read_bars(file: Path, columns: Sequence[list[str]], sessions: Sequence[date]) -> BarColumns:
    """Return bars from the texts of their open, high, low, close and volume."""
    opened, high, low, close, volume = (np.array(_each(file, _number, column)) for column in columns)
    absent = np.full(len(sessions), ABSENT)
    return BarColumns(days(sessions), opened, high, low, close, volume, absent, absent.copy())


def bar_file(file: Path) -> BarColumns:
    """Return the bars of bars/SYMBOL.csv, oldest first."""
    dates, *columns = read_columns(file, ("date", *_OHLCV))
    bars = read_bars(file, columns, _each(file, date.fromisoformat, dates))
    return bars.take(np.argsort(bars.sessions, kind="stable"))


def split_file(file: Path) -> list[MarketSplit]:
    """Return the splits of splits.csv; none where there is no such file."""
    if not file.exists():
        return []
    tickers, dates, froms, tos = read_columns(file, ("symbol", "execution_date", "split_from", "split_to"))
    numbers = (_each(file, _number, column) for column in (froms, tos))
    rows = zip(tickers, _each(file, date.fromisoformat, dates), *numbers, strict=True)
    return [MarketSplit(*row) for row in rows]


def dividend_file(file: Path) -> list[MarketDividend]:
    """Return the dividends of dividends.csv; none where there is no such file."""
    if not file.exists():
        return []
    tickers, dates, amounts = read_columns(file, ("symbol", "ex_dividend_date", "cash_amount"))
    rows = zip(tickers, _each(file, date.fromisoformat, dates), _each(file, _number, amounts), strict=True)
    return [MarketDividend(*row) for row in rows]


@cache
def first_date(file: Path) -> date:
    """Return the date of a bar file's first row without reading the rest."""
    with file.open("rb") as opened:
        return _date_of(file, opened.read(400).split()[1:2])


@cache
def last_date(file: Path) -> date:
    """Return the date of a bar file's last row without reading the rest."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 400))
        return _date_of(file, opened.read().split()[-1:])


def _date_of(file: Path, lines: list[bytes]) -> date:
    try:
        return date.fromisoformat(lines[0].split(b",")[0].decode())
    except (IndexError, ValueError) as exc:
        raise BadMarketFile(file, 2, "has no bar with a date") from exc


def _each(file: Path, parse: Callable[[str], T], texts: Sequence[str]) -> list[T]:
    try:
        return list(map(parse, texts))
    except ValueError as exc:
        bad = next(_unreadable(parse, texts))
        raise BadMarketFile(file, bad + 2, f"cannot read {texts[bad]!r}") from exc


def _unreadable(parse: Callable[[str], T], texts: Sequence[str]) -> Iterator[int]:
    for at, text in enumerate(texts):
        try:
            parse(text)
        except ValueError:
            yield at


def _number(text: str) -> float:
    return float(text) if text else ABSENT
