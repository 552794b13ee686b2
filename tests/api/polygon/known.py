"""What the projection of these tests holds beside that of tests/api/market.py: corporate actions, names, sessions.

LONG has a bar on every weekday of thirteen months and a 2:1 split in the middle of a week; BRK.B a dot in its name, and
`A/B` a slash.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import asyncpg
import numpy as np

from archive.calendar import NEW_YORK, exchange_calendar
from tests.api.market import BARS, KNOWN_FROM, SPLITS, TODAY, KnownBar, KnownSplit, june, project

LONG_SPLIT = june(11)
_FIRST, _LAST = dt.date(2013, 12, 23), dt.date(2015, 1, 16)
_DAYS = [_FIRST + dt.timedelta(days=n) for n in range((_LAST - _FIRST).days + 1)]


def _long_bar(place: int, day: dt.date) -> KnownBar:
    price, shares = (100.0, 1000.0) if day < LONG_SPLIT else (50.0, 2000.0)
    low, high = price - 1 - place % 5, price + 1 + place % 7
    vwap = None if place % 11 == 0 else price + 0.25
    return KnownBar("LONG", day, price, high, low, price + 0.5, shares + place, vwap, float(10 + place))


LONG = [_long_bar(place, day) for place, day in enumerate(day for day in _DAYS if day.weekday() < 5)]
OTHERS = [
    KnownBar("A/B", june(5), 3.0, 4.0, 2.0, 3.5, 700.0),
    KnownBar("BRK.B", june(5), 126.0, 127.0, 125.0, 126.5, 3_000_000.0),
]
ALL_BARS = sorted([*BARS, *OTHERS, *LONG], key=lambda bar: (bar.ticker.encode(), bar.session))
ALL_SPLITS = [
    *SPLITS,
    KnownSplit("LONG", "P-LONG-2", LONG_SPLIT, 1.0, 2.0),
    KnownSplit("REVS", "P-REVS", dt.date(2019, 1, 2), 10.0, 1.0),
]

_PAYLOAD = 1

# Ticker, id, ex-date, cash, currency, declared, record, pay, frequency, kind, factor (None: not applied), withdrawn.
Paid = tuple[
    str,
    str,
    dt.date,
    float,
    str | None,
    dt.date | None,
    dt.date | None,
    dt.date | None,
    int | None,
    str | None,
    float | None,
]
DIVIDENDS: Sequence[Paid] = (
    (
        "AAPL",
        "D-1",
        dt.date(2014, 8, 7),
        0.47,
        "USD",
        dt.date(2014, 7, 22),
        dt.date(2014, 8, 11),
        dt.date(2014, 8, 14),
        4,
        "CD",
        0.995,
    ),
    (
        "AAPL",
        "D-2",
        dt.date(2020, 8, 7),
        0.82,
        "USD",
        dt.date(2020, 7, 30),
        dt.date(2020, 8, 10),
        dt.date(2020, 8, 13),
        4,
        "recurring",
        0.998,
    ),
    ("AAPL", "D-3", TODAY + dt.timedelta(days=3), 0.26, "USD", None, None, None, 4, "recurring", 0.999),
    ("LONG", "D-4", dt.date(2014, 3, 3), 5.0, "USD", None, None, None, 0, "special", 0.95),
    ("LONG", "D-5", dt.date(2014, 3, 3), 0.1, None, None, None, None, None, None, None),
    ("SEVN", "D-6", dt.date(2014, 6, 10), 1.5, "CAD", None, None, None, 1, "LT", None),
    ("SEVN", "D-7", dt.date(2015, 6, 10), 2.5, "USD", None, None, None, 0, "irregular", 0.9),
)

_META, _OLD = "BBG000MM2P62", "BBG00OLDMETA"
# Ticker, security, name, market, type, exchange, cik, figi, share class, active, delisted on.
LISTINGS: Sequence[tuple[Any, ...]] = (
    (
        "AAPL",
        "BBG000B9XRY4",
        "Apple Inc.",
        "stocks",
        "CS",
        "XNAS",
        "0000320193",
        "BBG000B9XRY4",
        "BBG001S5N8V8",
        True,
        None,
    ),
    ("BCPC", "ticker:BCPC", "Balchem Corp", "stocks", "CS", "XNAS", None, None, None, True, None),
    (
        "BRK.B",
        "BBG000DWG505",
        "Berkshire Hathaway Inc. Class B",
        "stocks",
        "CS",
        "XNYS",
        "0001067983",
        "BBG000DWG505",
        None,
        True,
        None,
    ),
    (
        "FB",
        _META,
        "Facebook, Inc. Class A",
        "stocks",
        "CS",
        "XNAS",
        "0001326801",
        _META,
        None,
        False,
        dt.date(2022, 6, 9),
    ),
    (
        "META",
        _OLD,
        "Roundhill Ball Metaverse ETF",
        "stocks",
        "ETF",
        "ARCX",
        "0001683471",
        _OLD,
        None,
        False,
        dt.date(2022, 2, 1),
    ),
    ("META", _META, "Meta Platforms, Inc.", "stocks", "CS", "XNAS", "0001326801", _META, None, True, None),
    ("OTCX", "ticker:OTCX", "Over the Counter Corp", "otc", None, None, None, None, None, True, None),
    ("apple", "ticker:apple", "Small Letters", None, "CS", "BATS", None, None, None, True, None),
)
CHANGES: Sequence[tuple[str, str, str | None, dt.date]] = (
    ("FB", _META, "Meta Platforms, Inc. Class A Common Stock", dt.date(2012, 5, 18)),
    ("META", _META, "Meta Platforms, Inc. Class A Common Stock", dt.date(2022, 6, 9)),
    ("META", _OLD, None, dt.date(2021, 6, 30)),
    ("METV", _OLD, None, dt.date(2022, 2, 1)),
)
_BELIEVED = (_PAYLOAD, KNOWN_FROM, None)
_WITHDRAWN = (_PAYLOAD, KNOWN_FROM, KNOWN_FROM + dt.timedelta(hours=1))
_VERSION = ("archive_seq", "known_from", "known_to")


async def fill(connection: asyncpg.Connection) -> None:
    """Make the projection of these tests."""
    await project(connection, bars=ALL_BARS, splits=ALL_SPLITS)

    async def copy(table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> None:
        await connection.copy_records_to_table(table, schema_name="projection", columns=columns, records=records)

    stated = ("ticker", "vendor_id", "execution_date", "split_from", "split_to", "adjustment_type", *_VERSION)
    gone = ("AAPL", "P-GONE", dt.date(2021, 1, 4), 1.0, 3.0, None, *_WITHDRAWN)
    shares = ("BCPC", "P-SHARES", dt.date(2005, 1, 20), 2.0, 3.0, "stock_dividend", *_BELIEVED)
    await copy("split", stated, [*(_split(split) for split in ALL_SPLITS), gone, shares])
    paid = (
        "ticker", "vendor_id", "ex_dividend_date", "cash_amount", "currency", "declaration_date", "record_date",
        "pay_date", "frequency", "distribution_type", *_VERSION,
    )  # fmt: skip
    restated = ("AAPL", "D-1", dt.date(2014, 8, 7), 0.4, *(None,) * 6, 0, *_WITHDRAWN[1:])
    await copy("dividend", paid, [*((*row[:-1], *_BELIEVED) for row in DIVIDENDS), restated])
    factors = (
        "ticker", "vendor_id", "ex_date", "applied_on", "cash", "price_factor", "kind", "volume_factor", "flags",
        *_VERSION,
    )  # fmt: skip
    await copy("factor", factors, [(*_factor(row), *_BELIEVED) for row in DIVIDENDS])
    listing = (
        "ticker", "security_id", "name", "market", "type", "primary_exchange", "cik", "composite_figi",
        "share_class_figi", "active", "delisted_on", *_VERSION,
    )  # fmt: skip
    await copy("listing", listing, [(*row, *_BELIEVED) for row in LISTINGS])
    change = ("ticker", "security_id", "name", "changed_on", *_VERSION)
    await copy("ticker_change", change, [(*row, *_BELIEVED) for row in CHANGES])
    await connection.execute("DELETE FROM projection.session WHERE session > '2026-01-01'")
    await copy("session", ("session", "opens_at", "closes_at"), _sessions(dt.date(2026, 11, 1), dt.date(2027, 12, 31)))


def new_york(date: dt.date, hour: int = 0) -> int:
    """Return the milliseconds of an hour in New York."""
    return round(dt.datetime(date.year, date.month, date.day, hour, tzinfo=NEW_YORK).timestamp() * 1000)


def _split(split: KnownSplit) -> tuple[Any, ...]:
    return split.ticker, split.vendor_id, split.ex_date, split.split_from, split.split_to, None, *_BELIEVED


def _factor(paid: Paid) -> tuple[Any, ...]:
    ticker, vendor_id, ex_date, cash, factor = *paid[:4], paid[-1]
    return ticker, vendor_id, ex_date, None if factor is None else ex_date, cash, factor, "dividend", 1.0, []


def _sessions(first: dt.date, last: dt.date) -> list[tuple[Any, ...]]:
    calendar = exchange_calendar()
    chosen = (calendar.sessions >= np.datetime64(first)) & (calendar.sessions <= np.datetime64(last))
    times = (column[chosen].astype("datetime64[us]").astype(object) for column in (calendar.opens, calendar.closes))
    opens, closes = ([time.replace(tzinfo=dt.UTC) for time in each] for each in times)
    return list(zip(calendar.sessions[chosen].astype(object), opens, closes, strict=True))
