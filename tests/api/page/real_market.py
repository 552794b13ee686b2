"""The real market as the page is tried on: two months of whole-market sessions as published in 2016, restatements too,
and the long series of the symbols that have one, with their splits and dividends. It knows no page.

The newest two sessions came in the last two nights. The night before had a symbol's volume short of the late trades,
which the vendor restated last night, and did not get another symbol at all.
"""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from archive.payload import Response
from tests.api.page.nights import (
    BACKFILLED_AT,
    LAST,
    LAST_NIGHT,
    NIGHT_BEFORE,
    NOW,
    Night,
    live_through,
    nights_by_instant,
)
from tests.payloads import Row, bar, dividend, dividends_response, range_response, split, splits_response
from tests.project.year_2016 import as_published, sessions_of

__all__ = ["LAST", "NOW", "RESTATED", "RESTATED_SESSION", "fill"]

FIRST_GROUPED, LAST_GROUPED = dt.date(2016, 5, 16), dt.date(2016, 6, 30)
FIRST_RANGE = dt.date(1962, 1, 2)
BACKFILLED_TO = dt.date(2018, 3, 23)
RESTATED, RESTATED_SESSION, NOT_GOT = "AAPL", dt.date(2018, 3, 26), "MSFT"
_SHORT_OF = 0.98

Series = dict[str, list[tuple[dt.date, list[float], float]]]


async def fill(folder: Path, ingest: asyncpg.Pool, project: asyncpg.Pool) -> None:
    """Archive the market of a folder in a fresh warehouse, night after night, and project it."""
    series: Series = {path.stem: list(_bars(path)) for path in sorted((folder / "bars").glob("*.csv"))}
    days = [day for day in sessions_of(folder) if FIRST_GROUPED <= day <= LAST_GROUPED]
    nights = [
        *nights_by_instant("nightly", as_published(folder, days)),
        Night("nightly", BACKFILLED_AT - dt.timedelta(days=1), (), killed=True),
        Night("backfill", BACKFILLED_AT, tuple(_backfill(folder, series)), took=dt.timedelta(minutes=7)),
        Night("nightly", NIGHT_BEFORE, tuple(_night(series, NIGHT_BEFORE)), {NOT_GOT: "429 Too Many Requests"}),
        Night("nightly", LAST_NIGHT, tuple(_night(series, LAST_NIGHT))),
    ]
    await live_through(nights, ingest, project)


def _backfill(folder: Path, series: Series) -> Iterator[Response]:
    for symbol in series:
        yield _range(series, symbol, FIRST_RANGE, BACKFILLED_TO, BACKFILLED_AT)
    splits = [
        split(row["symbol"], _date(row["execution_date"]), float(row["split_from"]), float(row["split_to"]))
        for row in _rows(folder / "splits.csv")
    ]
    yield splits_response(splits, fetched_at=BACKFILLED_AT)
    dividends: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(folder / "dividends.csv"):
        stated = dividend(row["symbol"], _date(row["ex_dividend_date"]), float(row["cash_amount"]))
        dividends[row["symbol"]].append(stated)
    yield dividends_response([row for rows in dividends.values() for row in rows], fetched_at=BACKFILLED_AT)


def _night(series: Series, at: dt.datetime) -> Iterator[Response]:
    """Yield what came in a night: what is new since the backfill, for every symbol that was got."""
    last = at.date() - dt.timedelta(days=1)
    for symbol in series:
        if at == LAST_NIGHT or symbol != NOT_GOT:
            yield _range(series, symbol, BACKFILLED_TO + dt.timedelta(days=1), last, at)


def _range(series: Series, symbol: str, first: dt.date, last: dt.date, at: dt.datetime) -> Response:
    rows = [
        bar(day, prices, _volume(symbol, day, volume, at))
        for day, prices, volume in series[symbol]
        if first <= day <= last
    ]
    return range_response(symbol, rows, first, last, fetched_at=at)


def _volume(symbol: str, session: dt.date, volume: float, at: dt.datetime) -> float:
    """Return the volume of a bar as it was said at an instant."""
    short = (symbol, session) == (RESTATED, RESTATED_SESSION) and at < LAST_NIGHT
    return round(volume * _SHORT_OF) if short else volume


def _bars(path: Path) -> Iterator[tuple[dt.date, list[float], float]]:
    for row in _rows(path):
        yield _date(row["date"]), [float(row[name]) for name in ("open", "high", "low", "close")], float(row["volume"])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])
