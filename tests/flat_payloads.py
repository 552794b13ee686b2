"""Flat files as the vendor would publish them, one small row at a time: gzip of a CSV, a file a session.

A row is a dict of column to text, so a test can spoil any field: `row | {"open": "ten"}`. It knows the vendor's format
and our vocabulary of requests, and nothing of how a file is fetched or what the projection makes of it.
"""

import datetime as dt
import gzip
from collections.abc import Iterable, Mapping, Sequence

from archive.payload import Endpoint, Request, Response, Transfer
from tests.payloads import FETCHED_AT, t_ms

COLUMNS = ("ticker", "volume", "open", "close", "high", "low", "window_start", "transactions")


def flat_bar(
    ticker: str,
    session: dt.date,
    prices: float | Sequence[float] = 10.0,
    volume: float = 1000.0,
    trades: float | None = 7.0,
) -> dict[str, str]:
    """Return a row; `prices` are open, high, low, close, or one number for all four."""
    opened, high, low, close = [prices] * 4 if isinstance(prices, int | float) else prices
    return {
        "ticker": ticker,
        "volume": _number(volume),
        "open": _number(opened),
        "close": _number(close),
        "high": _number(high),
        "low": _number(low),
        "window_start": f"{t_ms(session)}000000",
        "transactions": "" if trades is None else _number(trades),
    }


def flat_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> bytes:
    """Return rows as CSV with a header, in the order of `columns`."""
    lines = [",".join(columns), *(",".join(row.get(name, "") for name in columns) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def zipped(text: bytes) -> bytes:
    """Return a text under gzip, the same bytes each time."""
    return gzip.compress(text, mtime=0)


def flat_file(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> bytes:
    """Return a whole file."""
    return zipped(flat_csv(rows, columns))


def flat_response(
    session: dt.date,
    rows: Sequence[Mapping[str, str]] | bytes,
    *,
    status: int = 200,
    transfer: Transfer = Transfer.COMPLETE,
    fetched_at: dt.datetime = FETCHED_AT,
) -> Response:
    """Return a file as it was fetched from the vendor; `rows` may be a whole body instead."""
    target = f"/us_stocks_sip/day_aggs_v1/{session:%Y/%m}/{session}.csv.gz"
    request = Request(Endpoint.GROUPED, target, None, session, session)
    body = rows if isinstance(rows, bytes) else flat_file(rows)
    return Response("massive_flat", request, fetched_at, status, [("ETag", '"5d41"')], transfer, body)


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
