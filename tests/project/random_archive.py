"""Random archives for the properties of replay: few tickers and sessions, so that everything meets everything.

Payloads of all kinds a vendor sends: ranges and grouped days, splits and dividends, restated and repeated, with rows
that are no bars and answers that are none; and what a person decided of bars. The sessions are around a new year, so
that bars fall into two chunks.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.payload import Response, Transfer
from project.decide.decisions import Decision, Verb, as_response
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
FIRST, LAST = dt.date(2023, 12, 20), dt.date(2024, 1, 8)
SESSIONS = exchange_calendar().between(FIRST, LAST)
NO_SESSION = dt.date(2024, 1, 1)
_PRICES = st.sampled_from([10.0, 10.5, 20.0, 5.0, 12.0])
_VOLUMES = st.sampled_from([1000.0, 1200.5, 20000.0, 50.0, 0.0, -0.0, 61436228.189065])
_WHENS = st.sampled_from([*SESSIONS, NO_SESSION])
_SPOILERS: list[Callable[[dict[str, str]], dict[str, str]]] = [
    lambda row: {key: value for key, value in row.items() if key != "c"},
    lambda row: row | {"o": "null"},
    lambda row: row | {"h": '"high"'},
    lambda row: row | {"v": "1e999"},
    lambda row: row | {"h": "1"},
    lambda row: row | {"v": "-5"},
    lambda row: row | {"t": "0"},
    lambda row: row | {"t": "null"},
    lambda row: row | {"o": "0", "l": "0"},
    lambda row: row | {"T": '"A\\u0000"'},
    lambda row: row | {"T": '"BCPC"'},
    lambda row: row | {"h": "1.7e+308", "c": "1e-300"},
]
_instants = st.integers(0, 10**10).map(lambda us: FETCHED_AT + dt.timedelta(microseconds=us))


def small_ruleset() -> Ruleset:
    """Return the shipped rules with a window that a short history fills."""
    shipped = read_ruleset(Path(__file__).parents[2] / "ops" / "rules.toml")
    return msgspec.structs.replace(shipped, volume_window=3)


@st.composite
def _rows(draw: st.DrawFn, session: dt.date | None) -> list[dict[str, str]]:
    """Draw rows of a range answer or, with a session, of a grouped one."""
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        low, high = sorted((draw(_PRICES), draw(_PRICES)))
        row = bar(
            session or draw(_WHENS),
            (low, high, low, high),
            draw(_VOLUMES),
            ticker=draw(st.sampled_from(TICKERS)) if session else None,
            vwap=draw(st.none() | st.just(low)),
            trades=draw(st.none() | st.just(7.0)),
        )
        if draw(st.integers(0, 5)) == 0:
            row = draw(st.sampled_from(_SPOILERS))(row)
        rows.append(row)
    return rows


@st.composite
def _runs(draw: st.DrawFn) -> list[dict[str, str]]:
    """Draw a row for each of many sessions, long enough for volumes to be measured."""
    start, step = draw(st.integers(0, 6)), draw(st.integers(0, 4))
    levels = (10.0, 10.5, 20.0, 5.0, 12.0)
    return [
        bar(session, levels[place * step % 5], 1000.0 * levels[place * step % 3])
        for place, session in enumerate(SESSIONS[start : draw(st.integers(4, len(SESSIONS)))])
    ]


@st.composite
def _range(draw: st.DrawFn) -> Response:
    ticker = draw(st.sampled_from(TICKERS))
    first = draw(st.sampled_from([FIRST, SESSIONS[3]]))
    rows = draw(_rows(None) | _runs())
    return range_response(ticker, rows, first, LAST, fetched_at=draw(_instants))


@st.composite
def _grouped(draw: st.DrawFn) -> Response:
    session = draw(st.sampled_from(SESSIONS))
    return grouped_response(session, draw(_rows(session)), fetched_at=draw(_instants))


@st.composite
def _actions(draw: st.DrawFn) -> Response:
    ticker, when, name = draw(st.sampled_from(TICKERS)), draw(_WHENS), draw(st.sampled_from(["a", "b", "", "c\0"]))
    if draw(st.booleans()):
        ratio = draw(st.sampled_from([(1, 2), (3, 2), (10, 1), (0, 1), (1e300, 1e-300)]))
        return splits_response([split(ticker, when, *ratio, name)], fetched_at=draw(_instants))
    cash = draw(st.sampled_from([0.5, 4.0, -1.0]))
    return dividends_response([dividend(ticker, when, cash, name)], fetched_at=draw(_instants))


@st.composite
def _decisions(draw: st.DrawFn) -> Response:
    verb = draw(st.sampled_from([Verb.ACCEPT, Verb.REJECT, Verb.REVOKE]))
    because, at = draw(st.sampled_from(["checked", "thin market"])), draw(_instants)
    # Of few bars, so that most decisions meet one that is there, and each other.
    ticker, session = draw(st.sampled_from(TICKERS[:2])), draw(st.sampled_from(SESSIONS[4:6]))
    return as_response(Decision(verb, ticker, session, None, because, "kim", at))


@st.composite
def _no_answers(draw: st.DrawFn) -> Response:
    request = range_response("AAPL", [bar(FIRST)], FIRST, LAST).request
    content, status, transfer = draw(
        st.sampled_from(
            [
                (b"<html>busy</html>", 200, Transfer.COMPLETE),
                (b'{"results":[{"o":1,', 200, Transfer.COMPLETE),
                (b'{"results":[]}', 200, Transfer.CUT_SHORT),
                (b'{"status":"ERROR","error":"slow down"}', 429, Transfer.COMPLETE),
            ]
        )
    )
    return respond(request, content, status=status, transfer=transfer)


@st.composite
def _archives(draw: st.DrawFn) -> list[Response]:
    """Draw responses of which some are sent again, as a vendor is asked again."""
    sent: list[Response] = []
    for _ in range(draw(st.integers(1, 12))):
        if sent and draw(st.integers(0, 4)) == 0:
            sent.append(msgspec.structs.replace(draw(st.sampled_from(sent)), fetched_at=draw(_instants)))
        else:
            sent.append(
                draw(st.one_of(_range(), _range(), _grouped(), _actions(), _decisions(), _decisions(), _no_answers()))
            )
    return sent


responses = _archives()
