"""The real market of 2016 as an archive would have got it: every session as first published, and what the next day's
publication restated. It reads the folder of market data and knows nothing of what becomes of it.
"""

import datetime as dt
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from archive.payload import Response
from tests.payloads import grouped_response, t_ms

Values = tuple[float, ...]
_PUBLISHED = dt.time(22, 0, tzinfo=dt.UTC)


class Restatement(msgspec.Struct, frozen=True):
    """A bar whose values changed at a later publication: open, high, low, close and volume, first and then."""

    ticker: str
    session: dt.date
    first: Values
    revised: Values
    first_at: dt.datetime
    revised_at: dt.datetime


def sessions_of(folder: Path) -> list[dt.date]:
    """Return the sessions that there are."""
    return sorted(dt.date.fromisoformat(path.name[:10]) for path in (folder / "grouped").glob("*.csv.gz"))


def restatements(folder: Path, sessions: set[dt.date]) -> list[Restatement]:
    """Return the restatements of some sessions."""
    found = []
    for cells in _cells(folder / "grouped_revisions.csv.gz"):
        session = dt.date.fromisoformat(cells[1])
        if session in sessions:
            first, revised = tuple(map(float, cells[4:9])), tuple(map(float, cells[9:14]))
            found.append(Restatement(cells[0], session, first, revised, _published(cells[2]), _published(cells[3])))
    return found


def as_published(folder: Path, sessions: list[dt.date]) -> Iterator[Response]:
    """Yield the answers for the whole market in the order of publication, restatements of a day after its bars."""
    publications: dict[dt.datetime, list[Response]] = defaultdict(list)
    for session in sessions:
        at = _published(f"{session:%Y%m%d}")
        rows = [[cells[0], *cells[1:6]] for cells in _cells(folder / "grouped" / f"{session}.csv.gz")]
        publications[at].append(_answer(session, rows, at))
    revised: dict[tuple[dt.datetime, dt.date], list[list[str]]] = defaultdict(list)
    for cells in _cells(folder / "grouped_revisions.csv.gz"):
        session = dt.date.fromisoformat(cells[1])
        revised[_published(cells[3]), session].append([cells[0], *cells[9:14]])
    for (at, session), rows in revised.items():
        if session in sessions:
            publications[at].append(_answer(session, rows, at))
    for at in sorted(publications):
        yield from publications[at]


def _answer(session: dt.date, rows: list[list[str]], at: dt.datetime) -> Response:
    time = t_ms(session, 16)
    texts = ",".join(
        f'{{"T":"{ticker}","v":{volume},"o":{opened},"c":{close},"h":{high},"l":{low},"t":{time}}}'
        for ticker, opened, high, low, close, volume in rows
    )
    count = len(rows)
    body = f'{{"queryCount":{count},"resultsCount":{count},"adjusted":false,"results":[{texts}],"status":"OK"}}'
    return grouped_response(session, body.encode(), fetched_at=at)


def _published(date: str) -> dt.datetime:
    return dt.datetime.combine(dt.date.fromisoformat(date), _PUBLISHED)


def _cells(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt") as file:
        next(file)
        for line in file:
            yield line.rstrip("\n").split(",")
