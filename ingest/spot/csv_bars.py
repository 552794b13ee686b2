"""Daily bars in CSV, and a folder of them as a second source: DIR/SYMBOL.csv, date,open,high,low,close,volume.

Only date and close are read, by the names in the header, whatever their case and order; a date may be followed by a
time.
Symbols in file names are case-sensitive, on every file system: BCpC.csv is not BCPC.csv, so only a name that the
folder itself lists is opened.
"""

import asyncio
import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from archive.payload import Endpoint, Request, Response, Transfer
from ingest.period import Period
from ingest.spot.second_source import NoSecondOpinion

_DATE_LENGTH = 10


class CsvFolder:
    """A folder of CSV files as a second source."""

    def __init__(self, folder: Path, *, split_adjusted: bool) -> None:
        self.source = "csv"
        self.split_adjusted = split_adjusted
        self._folder = folder
        self._names = frozenset(path.name for path in folder.iterdir() if path.is_file())

    def name_of(self, symbol: str) -> str | None:
        """Return the name of the symbol's file, None where the folder lists none that is spelled so."""
        name = f"{symbol}.csv"
        return name if name in self._names else None

    async def fetch(self, symbol: str, period: Period, now: Callable[[], dt.datetime]) -> Response:
        """Return the exact bytes of the symbol's file.

        Raises: NoSecondOpinion when it cannot be read.
        """
        name = f"{symbol}.csv"
        try:
            body = await asyncio.to_thread((self._folder / name).read_bytes)
        except OSError as exc:
            raise NoSecondOpinion(f"{name} cannot be read ({exc.strerror})") from exc
        request = Request(Endpoint.RANGE, f"/{quote(name)}", symbol, period.first, period.last)
        return Response(self.source, request, now(), 200, [("Content-Type", "text/csv")], Transfer.COMPLETE, body)


def read_closes(body: bytes) -> dict[dt.date, float]:
    """Return the closes of a CSV of daily bars by date, NaN where one is no number.

    Raises: NoSecondOpinion for a text that is not such a table, or names a date twice.
    """
    closes: dict[dt.date, float] = {}
    try:
        for line, (date_text, close_text) in _cells(body):
            date = _date(line, date_text)
            if date in closes:
                raise NoSecondOpinion(f"line {line}: {date} stands twice")
            closes[date] = _number(close_text)
    except csv.Error as exc:
        raise NoSecondOpinion(f"it is no CSV ({exc})") from exc
    return closes


def _cells(body: bytes) -> Iterator[tuple[int, tuple[str, str]]]:
    reader = csv.reader(io.StringIO(body.decode("utf-8-sig", "replace"), newline=""))
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in ("date", "close") if name not in header]
    if missing:
        raise NoSecondOpinion(f"its header has no column {' and no '.join(missing)}")
    date, close = header.index("date"), header.index("close")
    for cells in reader:
        if cells:
            padded = [*cells, *[""] * (len(header) - len(cells))]
            yield reader.line_num, (padded[date], padded[close])


def _date(line: int, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text.strip()[:_DATE_LENGTH])
    except ValueError as exc:
        raise NoSecondOpinion(f"line {line}: {text[:40]!r} is no date") from exc


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
