"""The vendor's paths: which kind of request each is, and what it names. It must not know how any is answered."""

import re
from urllib.parse import unquote

_SEGMENT = "([^/]+)"
_ROUTES: tuple[tuple[str, str], ...] = (
    ("range", rf"/v2/aggs/ticker/{_SEGMENT}/range/{_SEGMENT}/{_SEGMENT}/{_SEGMENT}/{_SEGMENT}"),
    ("grouped", rf"/v2/aggs/grouped/locale/us/market/stocks/{_SEGMENT}"),
    ("prev", rf"/v2/aggs/ticker/{_SEGMENT}/prev"),
    ("open_close", rf"/v1/open-close/{_SEGMENT}/{_SEGMENT}"),
    ("splits", "/v3/reference/splits"),
    ("dividends", "/v3/reference/dividends"),
    ("stocks_splits", "/stocks/v1/splits"),
    ("stocks_dividends", "/stocks/v1/dividends"),
    ("tickers", "/v3/reference/tickers"),
    ("ticker", rf"/v3/reference/tickers/{_SEGMENT}"),
    ("events", rf"/vX/reference/tickers/{_SEGMENT}/events"),
    ("status_now", "/v1/marketstatus/now"),
    ("holidays", "/v1/marketstatus/upcoming"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _ROUTES)

KINDS = tuple(kind for kind, _ in _ROUTES)
UNKNOWN = "unknown"


def route(raw_path: str) -> tuple[str, tuple[str, ...]]:
    """Return the kind of a request and the names in its path, decoded; UNKNOWN for a path the vendor lacks.

    `raw_path` is percent-encoded as sent, so that a slash in a ticker stays in the ticker.
    """
    for kind, pattern in _COMPILED:
        found = pattern.fullmatch(raw_path)
        if found:
            return kind, tuple(unquote(name) for name in found.groups())
    return UNKNOWN, ()
