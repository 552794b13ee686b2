"""Payloads as the vendor would send them, one small row at a time: what the tests of archive and projection are fed.

A row is a dict of field name to JSON text, so a test can spoil any field: `row | {"o": '"ten"'}`. Numbers are in the
vendor's form (exponent from a million on), `t` is 00:00 New York in a range and 16:00 in a grouped answer. It knows
the vendor's wire format and our vocabulary of requests, and nothing of what the projection makes of it.
"""

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import asyncpg

from archive.append import append_responses
from archive.compression import pack
from archive.payload import Endpoint, Payload, Request, Response, Transfer

Row = Mapping[str, str]

FETCHED_AT = dt.datetime(2024, 7, 1, 12, 0, tzinfo=dt.UTC)
RUN_ID = uuid.UUID("00000000-0000-4000-8000-000000000001")
_NEW_YORK = ZoneInfo("America/New_York")
_PRICES = ("o", "h", "l", "c")


def number(value: float) -> str:
    """Return a number as the vendor prints it: the shortest digits, with an exponent from a million on."""
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) - 1 + exponent
    if value != 0 and (power >= 6 or power < -4):
        first, rest = digits[0], "".join(map(str, digits[1:]))
        return f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{power:+03d}"
    return repr(float(value)).removesuffix(".0")


def t_ms(session: dt.date, hour: int = 0) -> int:
    """Return the milliseconds since 1970 of an hour of a date in New York."""
    return int(dt.datetime(session.year, session.month, session.day, hour, tzinfo=_NEW_YORK).timestamp() * 1000)


def bar(
    session: dt.date,
    prices: float | Sequence[float] = 10.0,
    volume: float = 1000.0,
    *,
    ticker: str | None = None,
    vwap: float | None = None,
    trades: float | None = None,
) -> dict[str, str]:
    """Return a row of a range answer or, with a `ticker`, of a grouped one.

    `prices` are open, high, low, close, or one number for all four.
    """
    ohlc = [prices] * 4 if isinstance(prices, int | float) else prices
    row = {} if ticker is None else {"T": json.dumps(ticker)}
    row["v"] = number(volume)
    if vwap is not None:
        row["vw"] = number(vwap)
    row |= {name: number(price) for name, price in zip(_PRICES, ohlc, strict=True)}
    row["t"] = str(t_ms(session, 0 if ticker is None else 16))
    if trades is not None:
        row["n"] = number(trades)
    return row


def split(ticker: str, ex_date: dt.date, split_from: float, split_to: float, vendor_id: str = "") -> dict[str, str]:
    """Return a row of a splits answer; `split_from` old shares become `split_to` new ones."""
    row = {"execution_date": f'"{ex_date}"', "split_from": number(split_from), "split_to": number(split_to)}
    return _named(row | {"ticker": json.dumps(ticker)}, vendor_id)


def dividend(
    ticker: str, ex_date: dt.date, cash_amount: float, vendor_id: str = "", currency: str = "USD"
) -> dict[str, str]:
    """Return a row of a dividends answer."""
    row = {"ex_dividend_date": f'"{ex_date}"', "cash_amount": number(cash_amount), "currency": f'"{currency}"'}
    return _named(row | {"ticker": json.dumps(ticker), "frequency": "4", "distribution_type": '"recurring"'}, vendor_id)


def _named(row: dict[str, str], vendor_id: str) -> dict[str, str]:
    return row | {"id": json.dumps(vendor_id)} if vendor_id else row


def row_text(row: Row) -> str:
    """Return a row as it stands in a body."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in row.items()) + "}"


def body(rows: Iterable[Row] | None, ticker: str | None = None) -> bytes:
    """Return the vendor's envelope around rows; without rows (None) it has no `results` at all."""
    texts = None if rows is None else [row_text(row) for row in rows]
    count = len(texts or ())
    named = "" if ticker is None else f'"ticker":{json.dumps(ticker)},'
    results = "" if texts is None else f'"results":[{",".join(texts)}],'
    text = (
        f'{{{named}"queryCount":{count},"resultsCount":{count},"adjusted":false,{results}'
        f'"status":"OK","request_id":"0123456789abcdef","count":{count}}}'
    )
    return text.encode()


def range_response(
    ticker: str,
    rows: Sequence[Row] | bytes,
    first: dt.date = dt.date(1962, 1, 2),
    last: dt.date = dt.date(2024, 6, 28),
    *,
    fetched_at: dt.datetime = FETCHED_AT,
) -> Response:
    """Return the answer to a range request; `rows` may be a whole body instead."""
    target = f"/v2/aggs/ticker/{ticker}/range/1/day/{first}/{last}?adjusted=false&limit=50000&sort=asc"
    request = Request(Endpoint.RANGE, target, ticker, first, last)
    return respond(request, rows if isinstance(rows, bytes) else body(rows, ticker), fetched_at=fetched_at)


def grouped_response(
    session: dt.date, rows: Sequence[Row] | bytes, *, fetched_at: dt.datetime = FETCHED_AT
) -> Response:
    """Return the answer to a request for the whole market; `rows` may be a whole body instead."""
    target = f"/v2/aggs/grouped/locale/us/market/stocks/{session}?adjusted=false"
    request = Request(Endpoint.GROUPED, target, None, session, session)
    return respond(request, rows if isinstance(rows, bytes) else body(rows), fetched_at=fetched_at)


def splits_response(rows: Sequence[Row] | bytes, *, fetched_at: dt.datetime = FETCHED_AT) -> Response:
    """Return a page of splits of all tickers; `rows` may be a whole body instead."""
    request = Request(Endpoint.SPLITS, "/stocks/v1/splits?limit=5000&sort=execution_date.asc")
    return respond(request, rows if isinstance(rows, bytes) else body(rows), fetched_at=fetched_at)


def dividends_response(rows: Sequence[Row] | bytes, *, fetched_at: dt.datetime = FETCHED_AT) -> Response:
    """Return a page of dividends of all tickers; `rows` may be a whole body instead."""
    request = Request(Endpoint.DIVIDENDS, "/stocks/v1/dividends?limit=5000&sort=ticker.asc")
    return respond(request, rows if isinstance(rows, bytes) else body(rows), fetched_at=fetched_at)


def respond(
    request: Request,
    content: bytes,
    *,
    status: int = 200,
    transfer: Transfer = Transfer.COMPLETE,
    fetched_at: dt.datetime = FETCHED_AT,
) -> Response:
    """Return any answer to any request."""
    headers = [("Content-Type", "application/json"), ("X-Request-Id", "0123456789abcdef")]
    return Response("polygon", request, fetched_at, status, headers, transfer, content)


def as_payload(response: Response, archive_seq: int = 1) -> Payload:
    """Return a response as if it had been read back from the archive."""
    packed = pack(response.body)
    return Payload(archive_seq, RUN_ID, response, packed.body_sha256, len(packed.frame))


async def archive_all(pool: asyncpg.Pool, responses: Sequence[Response]) -> list[int]:
    """Append responses to a real archive and return their numbers."""
    return await append_responses(pool, RUN_ID, list(responses))
