"""A warehouse worth charting: the known projection, years of daily bars, listings, dividends and restatements."""

import csv
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.market import BARS, KNOWN_FROM, LARGE_GAP, RULES, SPLITS, KnownBar, KnownSplit, june, project
from tests.api.served import Client, served

REAL = ("AAPL", "KO")

FIRST, LAST = dt.date(2023, 1, 3), dt.date(2025, 6, 13)
# Monday, so that its week begins on a Tuesday.
HOLIDAY = dt.date(2023, 5, 29)
FLAGGED = [dt.date(2024, 2, day) for day in (1, 2, 5, 6, 7, 8, 9, 12, 13)]
# A rule that a person named; what a mark says is HTML to the library.
ODD_RULE, ODD_BIT, ODDLY_FLAGGED = "a<b>", 4, dt.date(2024, 4, 1)
# On a Saturday: its mark stands on the Monday after.
WEEKEND_DIVIDEND = dt.date(2024, 6, 15)
RESTATED = dt.date(2024, 3, 1)

DAYS = [
    FIRST + dt.timedelta(days=number)
    for number in range((LAST - FIRST).days + 1)
    if (FIRST + dt.timedelta(days=number)).weekday() < 5 and FIRST + dt.timedelta(days=number) != HOLIDAY
]


def long_bar(number: int, session: dt.date) -> KnownBar:
    """Return the bar of LONG in its session of a number; every value tells which it is."""
    base = 100.0 + number
    failed = LARGE_GAP if session in FLAGGED else 1 << ODD_BIT if session == ODDLY_FLAGGED else 0
    return KnownBar("LONG", session, base, base + 0.75, base - 0.5, base + 0.25, 1000.0 + number, failed_rules=failed)


LONG = [long_bar(number, session) for number, session in enumerate(DAYS)]
PENNY = [KnownBar("PNNY", june(5), 1.2, 1.2, 0.9, 1.0, 7.0), KnownBar("PNNY", june(6), 1.0, 1.1, 0.5, 0.9999, 10.5)]

_LISTINGS = (
    # ticker, security, name, primary exchange, active, delisted on
    ("AAPL", "BBG000B9XRY4", "Apple Inc.", "XNAS", True, None),
    ("LONG", "OLD", "Long Gone Corp", "XASE", False, dt.date(2010, 1, 4)),
    ("LONG", "NEW", "Long <Lasting> & Co", "XNYS", True, None),
    ("NOBARS", "NOBARS", "Apple Orchards", "XNAS", True, None),
)


@pytest.fixture(scope="session")
async def charts(server_url: str, template: str) -> AsyncIterator[Client]:
    """Yield a client of the API on a warehouse worth charting; tests do not change it."""
    async with _charting(server_url, template, [*BARS, *LONG, *PENNY], SPLITS) as client:
        yield client


@pytest.fixture(scope="session")
async def real_charts(server_url: str, template: str, market_data: Path) -> AsyncIterator[Client]:
    """Yield a client of the API on some of the real market: decades of KO and AAPL, with their splits."""
    splits = [
        KnownSplit(row["symbol"], str(number), day, float(row["split_from"]), float(row["split_to"]))
        for number, row in enumerate(_rows(market_data / "splits.csv"))
        for day in (dt.date.fromisoformat(row["execution_date"]),)
        if row["symbol"] in REAL
    ]
    async with _charting(server_url, template, [*map(_real_bar, real_rows(market_data))], splits) as client:
        yield client


def real_rows(market_data: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of the real market's files, each with its ticker."""
    for ticker in REAL:
        for row in _rows(market_data / "bars" / f"{ticker}.csv"):
            yield row | {"ticker": ticker}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as lines:
        yield from csv.DictReader(lines)


def _real_bar(row: dict[str, str]) -> KnownBar:
    first, high, low, last, volume = (float(row[name]) for name in ("open", "high", "low", "close", "volume"))
    return KnownBar(row["ticker"], dt.date.fromisoformat(row["date"]), first, high, low, last, volume)


@asynccontextmanager
async def _charting(
    server_url: str, template: str, bars: Sequence[KnownBar], splits: Sequence[KnownSplit]
) -> AsyncIterator[Client]:
    name = f"charts_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    async with open_pool(url, Role.PROJECT, size=1) as pool, pool.acquire() as connection:
        await project(connection, bars=bars, splits=splits, rules=(*RULES, (ODD_BIT, ODD_RULE, 0.1, None)))
        await _add_what_is_not_bars(connection)
    async with served(url) as client:
        yield client
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _add_what_is_not_bars(connection: asyncpg.Connection) -> None:
    await connection.executemany(
        "INSERT INTO projection.listing (ticker, security_id, name, primary_exchange, active, delisted_on,"
        " archive_seq, known_from) VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
        [(*listing, KNOWN_FROM) for listing in _LISTINGS],
    )
    dividends = [
        ("LONG", "D1", dt.date(2023, 8, 11), dt.date(2023, 8, 11), 0.24, []),
        ("LONG", "D2", WEEKEND_DIVIDEND, None, 0.25, ["contradicted"]),
        ("LONG", "D1-again", dt.date(2023, 8, 11), None, 0.24, ["duplicate"]),
        ("LONG", "D3", dt.date(2026, 12, 1), dt.date(2026, 12, 1), 0.26, ["unchecked"]),
    ]
    await connection.executemany(
        "INSERT INTO projection.factor (ticker, kind, vendor_id, ex_date, applied_on, cash, volume_factor, flags,"
        " archive_seq, known_from) VALUES ($1, 'dividend', $2, $3, $4, $5, 1, $6, 1, $7)",
        [(*dividend, KNOWN_FROM) for dividend in dividends],
    )
    await connection.executemany(
        "INSERT INTO projection.bar_revision (ticker, session, open, high, low, close, volume, archive_seq,"
        " known_from, known_to, superseded_by) VALUES ('LONG', $1, 1, 1, 1, 1, 1, $2, $3, $4, 9)",
        [(RESTATED, seq, KNOWN_FROM, KNOWN_FROM + dt.timedelta(days=seq)) for seq in (3, 5)],
    )
