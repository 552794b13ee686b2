"""The real market as the page is tried on: two months of whole-market sessions as published in 2016, restatements too,
and the long series of the symbols that have one, with their splits and dividends. It knows no page.
"""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from archive.payload import Response
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import Row, archive_all, bar, dividend, dividends_response, range_response, split, splits_response
from tests.project.year_2016 import as_published, sessions_of

FIRST_GROUPED, LAST_GROUPED = dt.date(2016, 5, 16), dt.date(2016, 6, 30)
LAST = dt.date(2018, 3, 27)
FETCHED_AT = dt.datetime(2018, 3, 28, 6, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2018, 3, 28, 12, 0, tzinfo=dt.UTC)
"""The morning after the newest session that there is."""


async def fill(folder: Path, ingest: asyncpg.Pool, project: asyncpg.Pool) -> None:
    """Archive the market of a folder in a fresh warehouse and project it."""
    await archive_all(ingest, list(_answers(folder)))
    await catch_up_or_build(project, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT + dt.timedelta(minutes=2))


def _answers(folder: Path) -> Iterator[Response]:
    """Yield the answers in the order in which they would have come."""
    yield from as_published(folder, [day for day in sessions_of(folder) if FIRST_GROUPED <= day <= LAST_GROUPED])
    for path in sorted((folder / "bars").glob("*.csv")):
        yield range_response(path.stem, _bars(path), last=LAST, fetched_at=FETCHED_AT)
    splits = [
        split(row["symbol"], _date(row["execution_date"]), float(row["split_from"]), float(row["split_to"]))
        for row in _rows(folder / "splits.csv")
    ]
    yield splits_response(splits, fetched_at=FETCHED_AT)
    dividends: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(folder / "dividends.csv"):
        stated = dividend(row["symbol"], _date(row["ex_dividend_date"]), float(row["cash_amount"]))
        dividends[row["symbol"]].append(stated)
    yield dividends_response([row for rows in dividends.values() for row in rows], fetched_at=FETCHED_AT)


def _bars(path: Path) -> list[Row]:
    return [
        bar(_date(row["date"]), [float(row[name]) for name in ("open", "high", "low", "close")], float(row["volume"]))
        for row in _rows(path)
    ]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])
