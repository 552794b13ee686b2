"""A small market whose closes are known: archived, projected, and written as CSV with or without planted differences.

Every symbol has a bar in each of the 40 sessions up to 28 June 2024, and its closes differ from everybody else's. SPLT
splits 4 for 1 inside the last 30 of them, under two of the vendor's ids, and is to split again after today.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from archive.calendar import exchange_calendar
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import FETCHED_AT, archive_all, bar, range_response, split, splits_response

SESSIONS = exchange_calendar().between(dt.date(2024, 1, 2), dt.date(2024, 6, 28))[-40:]
RECENT = SESSIONS[-30:]
SYMBOLS = ("ACME", "BCPC", "BCpC", "BRK.B", "SPLT")
EX_DATE = SESSIONS[25]
HOLE = ("BRK.B", SESSIONS[20])
"""A bar that only the second source has."""

Closes = dict[str, dict[dt.date, float]]


def traded() -> Closes:
    """Return the closes of the market as traded, by symbol and session; the hole is filled."""
    return {
        symbol: {
            session: round((100 + 50 * place + day / 4) / (4 if symbol == "SPLT" and session >= EX_DATE else 1), 4)
            for day, session in enumerate(SESSIONS)
        }
        for place, symbol in enumerate(SYMBOLS)
    }


def in_shares_of_today() -> Closes:
    """Return the same closes after the split of SPLT."""
    closes = traded()
    closes["SPLT"] = {session: close / (4 if session < EX_DATE else 1) for session, close in closes["SPLT"].items()}
    return closes


async def project_market(ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> None:
    """Archive the market, but for the hole, and project it."""
    responses = [
        range_response(symbol, [bar(session, close) for session, close in closes.items() if (symbol, session) != HOLE])
        for symbol, closes in traded().items()
    ]
    announced = FETCHED_AT.date() + dt.timedelta(days=365 * 100)
    splits = [split("SPLT", EX_DATE, 1, 4, "S1"), split("SPLT", EX_DATE, 1, 4, "S2"), split("SPLT", announced, 1, 9)]
    await archive_all(ingest_pool, [*responses, splits_response(splits)])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: FETCHED_AT)


def write_folder(folder: Path, closes: Mapping[str, Mapping[dt.date, float]]) -> Path:
    """Write closes as a folder of CSV files, one a symbol, in the layout of the market data."""
    folder.mkdir(exist_ok=True)
    for symbol, by_session in closes.items():
        lines = [f"{session},{close},{close},{close},{close},1000" for session, close in by_session.items()]
        (folder / f"{symbol}.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines, ""]))
    return folder
