"""What an archived response is: an answer, and to which dates, or one of the ways in which a vendor does not answer.

A pure function of the response. It reads the envelope and the dates of rows and nothing else: ingest knows no prices,
and a row that cannot be a bar is the projector's to reject. Dates are those of New York, since `t` is midnight there
in one route and 16:00 in the other.
"""

import datetime as dt
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from archive.calendar import NEW_YORK
from archive.payload import Endpoint, Response, Transfer
from ingest.endpoints import page_target

ASSESSOR = 2
"""Version of this file's judgement: with a higher one every payload is assessed again, from the archive."""

_LONGEST_MESSAGE = 200
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Outcome(StrEnum):
    """What a response is."""

    ANSWER = "answer"
    EMPTY = "empty"
    NOT_YET = "not_yet"
    NEVER = "never"
    NOT_ENTITLED = "not_entitled"
    BAD_KEY = "bad_key"
    NOT_FOUND = "not_found"
    THROTTLED = "throttled"
    VENDOR_FAILED = "vendor_failed"
    NOT_AN_ANSWER = "not_an_answer"
    REFUSED = "refused"


class Assessment(msgspec.Struct, frozen=True):
    """What a response is, how many rows it has, from which date to which, and whether the last is marked `otc`.

    Of a request for bars only rows with the dates asked for give `first_session` and `last_session`; of splits and
    dividends they are ex-dates.
    """

    outcome: Outcome
    row_count: int = 0
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    otc: bool = False
    next_url: str | None = None
    message: str | None = None

    @property
    def next_request(self) -> str | None:
        """Path and query of the next page, None on the last."""
        return None if self.next_url is None else page_target(self.next_url)


class _Row(msgspec.Struct, gc=False):
    t: Any = None
    otc: Any = None
    execution_date: Any = None
    ex_dividend_date: Any = None


class _Envelope(msgspec.Struct):
    results: list[_Row] | None = None
    status: str | None = None
    ticker: str | None = None
    next_url: str | None = None


class _Company(msgspec.Struct):
    events: list[_Row]


class _CompanyEnvelope(msgspec.Struct):
    results: _Company | None = None
    status: str | None = None


class _Refusal(msgspec.Struct):
    error: Any = None
    message: Any = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_HOLIDAYS = msgspec.json.Decoder(list[_Row])
_COMPANY = msgspec.json.Decoder(_CompanyEnvelope)
_REFUSAL = msgspec.json.Decoder(_Refusal)
# A body nested deeper than any answer exhausts the decoder's stack, which it reports and survives.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_GOOD_STATUS = frozenset({None, "OK", "DELAYED"})


def assess(response: Response) -> Assessment:
    """Return what a response is."""
    if response.http_status != 200:
        message = _message(response)
        if response.http_status == 404 and response.request.endpoint is Endpoint.TICKER_EVENTS:
            return Assessment(Outcome.EMPTY, message=message)  # the vendor's way to say that it knows of none
        return Assessment(_refusal(response.http_status, message), message=f"{response.http_status}: {message}")
    if response.transfer is Transfer.CUT_SHORT:
        return _no_answer(f"its body was cut short after {len(response.body):,} bytes")
    if response.transfer is Transfer.BROKEN_ENCODING:
        return _no_answer("its body does not decompress")
    try:
        envelope = _envelope(response)
    except _UNREADABLE:
        return _no_answer(f"its body is not the JSON of an answer: {_excerpt(response.body)}")
    return _answer(response, envelope)


def _envelope(response: Response) -> _Envelope:
    """Return a body in the shape that most routes have."""
    match response.request.endpoint:
        case Endpoint.HOLIDAYS:
            return _Envelope(results=_HOLIDAYS.decode(response.body), status="OK")
        case Endpoint.TICKER_EVENTS:
            told = _COMPANY.decode(response.body)
            return _Envelope(results=told.results.events if told.results else None, status=told.status)
        case _:
            return _ENVELOPE.decode(response.body)


def _answer(response: Response, envelope: _Envelope) -> Assessment:
    request, rows = response.request, envelope.results or []
    if envelope.status not in _GOOD_STATUS:
        return _no_answer(f"it says status {_clean(envelope.status or '')!r}: {_message(response)}")
    if envelope.status is None and envelope.results is None:
        return _no_answer(f"its body has neither status nor results: {_excerpt(response.body)}")
    if request.endpoint is Endpoint.RANGE and envelope.ticker not in (None, request.ticker):
        return _no_answer(f"it speaks of {_clean(envelope.ticker or '')!r}")
    first, last = _dates(response, rows)
    if rows and first is None and request.from_date is not None:
        return _no_answer(f"none of its {len(rows):,} rows has a date that was asked for")
    outcome = Outcome.ANSWER if rows else Outcome.EMPTY
    otc = request.endpoint is Endpoint.RANGE and bool(rows) and rows[-1].otc is True
    assessment = Assessment(outcome, len(rows), first, last, otc, envelope.next_url or None)
    try:
        assessment.next_request  # noqa: B018 (only a URL has one)
    except ValueError:
        return _no_answer(f"its next_url is no URL: {_clean(envelope.next_url or '')!r}")
    return assessment


def _dates(response: Response, rows: list[_Row]) -> tuple[dt.date | None, dt.date | None]:
    request = response.request
    if request.from_date is None or request.to_date is None:
        days = [day for row in rows for day in _ex_dates(row)]
        return (min(days), max(days)) if days else (None, None)
    begin, end = _midnight_ms(request.from_date), _midnight_ms(request.to_date + dt.timedelta(days=1))
    stamps = _stamps_between(rows, begin, end)
    return (_new_york_date(stamps[0]), _new_york_date(stamps[1])) if stamps else (None, None)


def _stamps_between(rows: list[_Row], begin: float, end: float) -> tuple[float, float] | None:
    """Return the least and greatest `t` in [begin, end), whatever else the rows may have there."""
    stamps = [row.t for row in rows]
    try:
        least, greatest = min(stamps), max(stamps)
        if begin <= least and greatest < end:
            return least, greatest
    except (TypeError, ValueError):
        pass  # some `t` is no number, or there is no row: look at each
    usable = [t for t in stamps if isinstance(t, int | float) and begin <= t < end]
    return (min(usable), max(usable)) if usable else None


def _ex_dates(row: _Row) -> Iterator[dt.date]:
    for text in (row.execution_date, row.ex_dividend_date):
        if isinstance(text, str) and _DATE.fullmatch(text):
            try:
                yield dt.date.fromisoformat(text)
            except ValueError:
                continue  # a date that does not exist; the projector rejects its row


def _midnight_ms(date: dt.date) -> float:
    return dt.datetime.combine(date, dt.time(), NEW_YORK).timestamp() * 1000


def _new_york_date(t_ms: float) -> dt.date:
    return dt.datetime.fromtimestamp(t_ms / 1000, NEW_YORK).date()


def _refusal(status: int, message: str) -> Outcome:
    match status:
        case 401:
            return Outcome.BAD_KEY
        case 403:
            return _forbidden(message.lower())
        case 404:
            return Outcome.NOT_FOUND
        case 429:
            return Outcome.THROTTLED
        case _:
            return Outcome.VENDOR_FAILED if status >= 500 else Outcome.REFUSED


def _forbidden(message: str) -> Outcome:
    """Tell the three meanings of 403 apart by what they say.

    Source: recorded responses: "Attempted to request today's data before end of day", "Your plan doesn't include this
    data timeframe", "You are not entitled to this data".
    """
    if "before end of day" in message:
        return Outcome.NOT_YET
    if "data timeframe" in message:
        return Outcome.NEVER
    return Outcome.NOT_ENTITLED


def _message(response: Response) -> str:
    """Return what the vendor said; the text stands in `error` or in `message`."""
    try:
        refusal = _REFUSAL.decode(response.body)
    except _UNREADABLE:
        return _excerpt(response.body)
    said = refusal.error or refusal.message
    return _clean(said) if isinstance(said, str) and said else _excerpt(response.body)


def _excerpt(body: bytes) -> str:
    text = _clean(body[: _LONGEST_MESSAGE // 2].decode(errors="replace"))
    return repr(text) if text else "(an empty body)"


def _clean(text: str) -> str:
    """Return a vendor's text as part of one line."""
    return _CONTROL.sub(" ", text)[:_LONGEST_MESSAGE].strip()


def _no_answer(message: str) -> Assessment:
    return Assessment(Outcome.NOT_AN_ANSWER, message=message)
