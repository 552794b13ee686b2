"""The folder of real market data as answers of the vendor. It knows the layout of the files and nothing of rules."""

import csv
import datetime as dt
import gzip
from collections.abc import Iterator
from pathlib import Path

from archive.payload import Response
from tests.payloads import (
    Row,
    bar,
    dividend,
    dividends_response,
    grouped_response,
    range_response,
    split,
    splits_response,
)

_LATEST = dt.date(2049, 12, 31)


def symbols(folder: Path) -> list[str]:
    """Return the symbols that have bars."""
    return sorted(path.stem for path in (folder / "bars").glob("*.csv"))


def bars_of(folder: Path, symbol: str) -> Response:
    """Return all bars of a symbol as one range answer."""
    rows = [_bar(line) for line in lines(folder / "bars" / f"{symbol}.csv")]
    return range_response(symbol, rows, dt.date(1962, 1, 1), _LATEST)


def actions(folder: Path) -> list[Response]:
    """Return all splits and all dividends, one page each."""
    splits = [
        split(line["symbol"], _date(line), float(line["split_from"]), float(line["split_to"]), f"S{place}")
        for place, line in enumerate(lines(folder / "splits.csv"))
    ]
    dividends = [
        dividend(line["symbol"], _date(line), float(line["cash_amount"]), f"D{place}")
        for place, line in enumerate(lines(folder / "dividends.csv"))
    ]
    return [splits_response(splits), dividends_response(dividends)]


def grouped(folder: Path, session: dt.date) -> Response:
    """Return the whole market of a session of 2016."""
    quotes = lines(folder / "grouped" / f"{session}.csv.gz")
    return grouped_response(session, [_bar(line | {"date": str(session)}, line["symbol"]) for line in quotes])


def lines(path: Path) -> Iterator[dict[str, str]]:
    """Yield the lines of a CSV file by column."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from csv.DictReader(file)


def _bar(line: dict[str, str], ticker: str | None = None) -> Row:
    prices = [float(line[name]) for name in ("open", "high", "low", "close")]
    return bar(_date(line), prices, float(line["volume"]), ticker=ticker)


def _date(line: dict[str, str]) -> dt.date:
    return dt.date.fromisoformat(next(value for name, value in line.items() if name.endswith("date")))
