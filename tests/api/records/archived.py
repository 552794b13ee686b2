"""A small archive as ingest would have left it, with one of everything that the routes of records tell of.

AAPL was said, restated twice, and once rejected; splits and dividends were stated, restated and withdrawn; a grouped
answer has rows that are no bars; one answer is a page of HTML; a person has overruled a verdict.
"""

import datetime as dt

from archive.payload import Endpoint, Request, Response
from project.decide.decisions import Verb
from tests.flat_payloads import flat_bar, flat_response
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
from tests.project.decided import about_bar
from tests.project.random_archive import NO_SESSION, SESSIONS

HOUR = dt.timedelta(hours=1)
DAY, NEXT_DAY = SESSIONS[3], SESSIONS[4]
HTML = b"<html><script>alert('the vendor is down')</script></html>"
PAYERS = [f"PAY{number:02d}" for number in range(20)]

RANGE, GROUPED, RESTATED, SPLITS, DIVIDENDS, SPLITS_LATER, DIVIDENDS_LATER, FLAT, BROKEN = range(1, 10)


def responses() -> list[Response]:
    """Return the answers in the order in which they are archived, from payload 1 on."""
    split_day = split("SPLT", NEXT_DAY, 1, 2, "S1")
    pays = [dividend(ticker, SESSIONS[place % 3], 0.25, f"D{place}") for place, ticker in enumerate(PAYERS)]
    return [
        range_response("AAPL", [bar(session, 10.0) for session in SESSIONS[:5]]),
        grouped_response(
            DAY,
            [
                bar(DAY, 11.0, ticker="AAPL", vwap=10.9),
                bar(DAY, 10.0, ticker="BCpC"),
                bar(DAY, 10.0, ticker="ZVZZT"),
                bar(DAY, ticker="LOST") | {"c": "null"},
                bar(DAY, 99.0, ticker="AAPL"),
                bar(DAY, ticker="BAD") | {"T": '"A\\u0000B"'},
            ],
            fetched_at=FETCHED_AT + HOUR,
        ),
        range_response("AAPL", [bar(DAY, 12.0), bar(NEXT_DAY, 30.0)], fetched_at=FETCHED_AT + 2 * HOUR),
        splits_response([split_day, split("GONE", DAY, 1, 3, "S2")], fetched_at=FETCHED_AT + 3 * HOUR),
        dividends_response([*pays, dividend("AAPL", DAY, 0.5, "A1")], fetched_at=FETCHED_AT + 4 * HOUR),
        splits_response([split_day], fetched_at=FETCHED_AT + 5 * HOUR),
        dividends_response([*pays, dividend("AAPL", DAY, 0.75, "A1")], fetched_at=FETCHED_AT + 6 * HOUR),
        flat_response(DAY, [flat_bar("AAPL", DAY, 12.0)], fetched_at=FETCHED_AT + 7 * HOUR),
        respond(
            Request(Endpoint.GROUPED, f"/v2/aggs/grouped/locale/us/market/stocks/{NO_SESSION}", None),
            HTML,
            status=502,
            fetched_at=FETCHED_AT + 8 * HOUR,
        ),
        about_bar(Verb.ACCEPT, "AAPL", NEXT_DAY),
    ]
