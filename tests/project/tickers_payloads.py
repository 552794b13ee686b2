"""Answers about tickers as the vendor would send them, one small row at a time."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from archive.payload import Endpoint, Request, Response
from tests.payloads import FETCHED_AT, body, respond

Facts = Mapping[str, object]


def listed(ticker: str, **facts: object) -> dict[str, object]:
    """Return a row of a list of tickers; those that trade have no `delisted_utc`."""
    about = {"name": f"{ticker} Inc.", "market": "stocks", "locale": "us", "type": "CS", "primary_exchange": "XNAS"}
    row = {"ticker": ticker, **about, "active": "delisted_utc" not in facts, "currency_name": "usd", **facts}
    return {name: value for name, value in row.items() if value is not None}


def tickers_response(
    rows: Sequence[Facts] | bytes, ticker: str | None = None, *, fetched_at: dt.datetime = FETCHED_AT
) -> Response:
    """Return a list of tickers that trade, or what is said of one; `rows` may be a whole body instead."""
    query = f"active=true&limit=1000&{'market=stocks&' if ticker is None else ''}order=asc&sort=ticker"
    named = "" if ticker is None else f"&ticker={ticker}"
    request = Request(Endpoint.TICKERS, f"/v3/reference/tickers?{query}{named}", ticker)
    return respond(request, rows if isinstance(rows, bytes) else body(_texts(rows)), fetched_at=fetched_at)


def events_response(
    ticker: str, changes: Sequence[tuple[str, str]] | bytes, *, fetched_at: dt.datetime = FETCHED_AT, **about: object
) -> Response:
    """Return the ticker changes of the company behind a ticker, each (ticker, date); or a whole body instead."""
    target = f"/vX/reference/tickers/{ticker}/events?types=ticker_change"
    request = Request(Endpoint.TICKER_EVENTS, target, ticker)
    if isinstance(changes, bytes):
        return respond(request, changes, fetched_at=fetched_at)
    events = [{"ticker_change": {"ticker": to}, "type": "ticker_change", "date": date} for to, date in changes]
    answer = {"results": {**about, "events": events}, "status": "OK", "request_id": "0123456789abcdef"}
    return respond(request, json.dumps(answer).encode(), fetched_at=fetched_at)


def _texts(rows: Sequence[Facts]) -> list[dict[str, str]]:
    return [{name: json.dumps(value) for name, value in row.items()} for row in rows]
