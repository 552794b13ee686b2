"""Random archives for the properties of replay: few tickers and sessions, so that everything meets everything.

Payloads of all kinds a vendor sends: ranges and grouped days, splits and dividends, restated and repeated, with rows
that are no bars and answers that are none.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.payload import Response, Transfer
from project.ruleset import Ruleset, read_ruleset
from tests.payloads import (
    FETCHED_AT,
    bar,
    dividend,
    dividends_response,
    grouped_response,
    range_response,
    respond,
    split,
    splits_response,
)

TICKERS = ("AAPL", "BCPC", "BCpC", "ZVZZT")
FIRST, LAST = dt.date(2024, 5, 20), dt.date(2024, 6, 7)
SESSIONS = exchange_calendar().between(FIRST, LAST)
_NO_SESSION = dt.date(2024, 5, 27)  # Memorial Day
_PRICES = st.sampled_from([10.0, 10.5, 20.0, 5.0, 12.0])
_VOLUMES = st.sampled_from([1000.0, 1200.5, 20000.0, 50.0, 0.0])
_WHENS = st.sampled_from([*SESSIONS, _NO_SESSION])
_SPOILERS: list[Callable[[dict[str, str]], dict[str, str]]] = [
    lambda row: {key: value for key, value in row.items() if key != "c"},
    lambda row: row | {"o": "null"},
    lambda row: row | {"h": '"high"'},
    lambda row: row | {"h": "1"},
    lambda row: row | {"v": "-5"},
    lambda row: row | {"t": "0"},
    lambda row: row | {"o": "0", "l": "0"},
]


def small_ruleset() -> Ruleset:
    """Return the shipped rules with a window that a short history fills."""
    shipped = read_ruleset(Path(__file__).parents[2] / "ops" / "rules.toml")
    return msgspec.structs.replace(shipped, volume_window=3)


@st.composite
def _rows(draw: st.DrawFn, ticker: str | None) -> list[dict[str, str]]:
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        low, high = sorted((draw(_PRICES), draw(_PRICES)))
        row = bar(
            draw(_WHENS) if ticker else FIRST,
            (low, high, low, high),
            draw(_VOLUMES),
            ticker=None if ticker else draw(st.sampled_from(TICKERS)),
            vwap=draw(st.none() | st.just(low)),
            trades=draw(st.none() | st.just(7.0)),
        )
        if draw(st.integers(0, 5)) == 0:
            row = draw(st.sampled_from(_SPOILERS))(row)
        rows.append(row)
    return rows


@st.composite
def _range(draw: st.DrawFn) -> Response:
    ticker = draw(st.sampled_from(TICKERS))
    return range_response(ticker, draw(_rows(ticker)), FIRST, LAST, fetched_at=draw(_instants))


@st.composite
def _grouped(draw: st.DrawFn) -> Response:
    session = draw(st.sampled_from(SESSIONS))
    rows = draw(_rows(None))
    return grouped_response(session, [_moved(row, session) for row in rows], fetched_at=draw(_instants))


def _moved(row: dict[str, str], session: dt.date) -> dict[str, str]:
    return row if row["t"] == "0" else row | {"t": bar(session, ticker="X")["t"]}


@st.composite
def _actions(draw: st.DrawFn) -> Response:
    ticker, when, name = draw(st.sampled_from(TICKERS)), draw(_WHENS), draw(st.sampled_from(["a", "b", ""]))
    if draw(st.booleans()):
        ratio = draw(st.sampled_from([(1, 2), (3, 2), (10, 1), (0, 1)]))
        return splits_response([split(ticker, when, *ratio, name)], fetched_at=draw(_instants))
    cash = draw(st.sampled_from([0.5, 4.0, -1.0]))
    return dividends_response([dividend(ticker, when, cash, name)], fetched_at=draw(_instants))


@st.composite
def _no_answers(draw: st.DrawFn) -> Response:
    request = range_response("AAPL", [bar(FIRST)], FIRST, LAST).request
    body, status, transfer = draw(
        st.sampled_from(
            [
                (b"<html>busy</html>", 200, Transfer.COMPLETE),
                (b'{"results":[{"o":1,', 200, Transfer.COMPLETE),
                (b'{"results":[]}', 200, Transfer.CUT_SHORT),
                (b'{"status":"ERROR","error":"slow down"}', 429, Transfer.COMPLETE),
            ]
        )
    )
    return respond(request, body, status=status, transfer=transfer)


_instants = st.integers(0, 10**10).map(lambda us: FETCHED_AT + dt.timedelta(microseconds=us))
responses = st.lists(st.one_of(_range(), _range(), _grouped(), _actions(), _no_answers()), min_size=1, max_size=14)
