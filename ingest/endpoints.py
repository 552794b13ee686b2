"""Polygon's (now Massive's) paths and parameters as values: the one file of ingest that knows how a vendor is asked.

Every request says `adjusted=false`: the vendor's default restates prices for splits known at the moment of the
answer, so an archived adjusted bar would go stale. It sends nothing and reads no answer.

Source: client-go rest/scripts/openapi.json; `/stocks/v1/*` replaced the v3 reference routes in February 2026.
"""

import datetime as dt
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from archive.payload import Endpoint, Request
from ingest.errors import ForeignHost

SOURCE = "polygon"
TICKERS_PER_REQUEST = 100
# Both names of one vendor, either of which may be configured while next pages name the other.
_VENDOR_HOSTS = frozenset({"api.massive.com", "api.polygon.io"})
_BARS_LIMIT = 50_000  # daily bars since 2003 are about 5,800; the vendor's default of 5,000 would cut them
_ACTIONS_LIMIT = 5_000
_V3_LIMIT = 1_000
FOR_REFERENCE = frozenset({Endpoint.TICKERS, Endpoint.TICKER_EVENTS, Endpoint.HOLIDAYS})
"""What says something of tickers and of the exchange, and nothing of bars."""
_KEY_LEFT = re.compile("[?&]apikey=", re.IGNORECASE)  # as the archive refuses it
_V1 = {Endpoint.SPLITS: "/stocks/v1/splits", Endpoint.DIVIDENDS: "/stocks/v1/dividends"}
_V3 = {Endpoint.SPLITS: "/v3/reference/splits", Endpoint.DIVIDENDS: "/v3/reference/dividends"}


def range_bars(ticker: str, first: dt.date, last: dt.date) -> Request:
    """Return the request for a ticker's unadjusted daily bars of the dates from `first` to `last`, both included."""
    path = f"/v2/aggs/ticker/{quote(ticker, safe='')}/range/1/day/{first}/{last}"
    target = _target(path, adjusted="false", limit=str(_BARS_LIMIT), sort="asc")
    return Request(Endpoint.RANGE, target, ticker, first, last)


def grouped(session: dt.date) -> Request:
    """Return the request for the unadjusted bars of every ticker of one session."""
    path = f"/v2/aggs/grouped/locale/us/market/stocks/{session}"
    return Request(Endpoint.GROUPED, _target(path, adjusted="false"), None, session, session)


def splits(tickers: Sequence[str] | None) -> Request:
    """Return the request for every split of these tickers, or of the whole market for None."""
    return _actions(Endpoint.SPLITS, tickers)


def dividends(tickers: Sequence[str] | None) -> Request:
    """Return the request for every dividend of these tickers, or of the whole market for None."""
    return _actions(Endpoint.DIVIDENDS, tickers)


def tickers(ticker: str | None, *, active: bool) -> Request:
    """Return the request for what the vendor says of a ticker, or of every stock for None: those that trade, or those
    that no longer do."""
    query = {"active": str(active).lower(), "limit": str(_V3_LIMIT), "order": "asc", "sort": "ticker"}
    query |= {"market": "stocks"} if ticker is None else {"ticker": ticker}
    return Request(Endpoint.TICKERS, _target("/v3/reference/tickers", **query), ticker)


def ticker_events(ticker: str) -> Request:
    """Return the request for the renames of the company behind a ticker.

    Source: an experimental route (`vX`), which answers 404 for most delisted tickers.
    """
    path = f"/vX/reference/tickers/{quote(ticker, safe='')}/events"
    return Request(Endpoint.TICKER_EVENTS, _target(path, types="ticker_change"), ticker)


def holidays() -> Request:
    """Return the request for the exchange's coming holidays and early closes."""
    return Request(Endpoint.HOLIDAYS, "/v1/marketstatus/upcoming")


def older_routes(request: Request) -> list[Request]:
    """Return what to ask where a vendor knows no `/stocks/v1` route: the v3 routes, which take one ticker at a time.

    Shape: empty for a request that has no older route.
    """
    endpoint = request.endpoint
    if urlsplit(request.target).path != _V1.get(endpoint):
        return []
    return [_older(endpoint, ticker) for ticker in tickers_asked(request.target)]


def tickers_asked(target: str) -> tuple[str | None, ...]:
    """Return the tickers that a list of splits or dividends was asked for.

    Shape: (None,) where it is the whole market's; empty for a later page, which names nothing.
    """
    query = dict(parse_qsl(urlsplit(target).query))
    if "ticker" in query:
        return (query["ticker"],)
    if "ticker.any_of" in query:
        return tuple(query["ticker.any_of"].split(","))
    return (None,) if set(query) == {"limit"} else ()


def next_page(request: Request, next_url: str, base_url: str) -> Request:
    """Return the request for the page after an answer to `request`, whose assessment gave `next_url`.

    Raises: ForeignHost when the page is not on the configured host; the vendor's two names count as one.
    """
    parts, base = urlsplit(next_url), urlsplit(base_url)
    if parts.netloc and ("@" in parts.netloc or _origin(parts) != _origin(base)):
        raise ForeignHost(request, parts.netloc[:80], base.netloc)
    return Request(request.endpoint, page_target(next_url), request.ticker, request.from_date, request.to_date)


def page_target(next_url: str) -> str:
    """Return path and sorted query of a next page as sent, without the key that older routes may put into it.

    Raises: ValueError when it is no URL, or hides a key where it cannot be taken out.
    """
    if not next_url.isascii() or not next_url.isprintable() or " " in next_url:
        raise ValueError(next_url)
    parts = urlsplit(next_url)
    _ = parts.port  # raises for a port that is no number
    pairs = [pair for pair in parts.query.split("&") if pair and not pair.lower().startswith("apikey=")]
    target = f"/{parts.path.lstrip('/')}" + (f"?{'&'.join(sorted(pairs))}" if pairs else "")
    if _KEY_LEFT.search(target):
        raise ValueError("a key where it cannot be taken out")
    return target


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    host = "the vendor" if parts.hostname in _VENDOR_HOSTS else parts.hostname or ""
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def _actions(endpoint: Endpoint, tickers: Sequence[str] | None) -> Request:
    limit = str(_ACTIONS_LIMIT)
    if tickers is None:
        return Request(endpoint, _target(_V1[endpoint], limit=limit))
    if len(tickers) == 1:
        return Request(endpoint, _target(_V1[endpoint], limit=limit, ticker=tickers[0]), tickers[0])
    query = {"limit": limit, "ticker.any_of": ",".join(tickers)}
    return Request(endpoint, _target(_V1[endpoint], **query))


def _older(endpoint: Endpoint, ticker: str | None) -> Request:
    query = {"limit": str(_V3_LIMIT)} | ({"ticker": ticker} if ticker else {})
    return Request(endpoint, _target(_V3[endpoint], **query), ticker)


def _target(path: str, **query: str) -> str:
    return f"{path}?" + "&".join(f"{name}={quote(value, safe=',')}" for name, value in sorted(query.items()))
