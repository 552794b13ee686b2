"""The raw rows of a payload as they were sent: how many there are, and which of them speaks of one bar.

It counts and finds, for the audit, what the decoders have made rows and rejections of, and shares nothing with them
but the reading of a flat file's lines. It knows no rule and no table.
"""

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

import msgspec

from archive.payload import Endpoint, Payload, Transfer
from project.decode_flat import flat_rows

_NEW_YORK = ZoneInfo("America/New_York")
_OF_BARS = (Endpoint.RANGE, Endpoint.GROUPED)
_NotAsDue = (msgspec.DecodeError, UnicodeDecodeError)
_BEYOND_TIME = (OverflowError, ValueError, OSError)


class RawRow(msgspec.Struct, frozen=True):
    """A row of a payload as it was sent, and its place there, from 0."""

    row_index: int
    text: str


class _Envelope(msgspec.Struct):
    results: list[msgspec.Raw] | None = None
    ticker: str | None = None


class _Key(msgspec.Struct):
    t: float
    T: str = ""


def holds_bars(payload: Payload) -> bool:
    """Tell whether a payload was sent by a vendor who is asked for bars, in answer to a question for them."""
    response = payload.response
    return response.source in _READERS and response.request.endpoint in _OF_BARS


def count_rows(payload: Payload) -> int:
    """Return how many rows of bars, good or bad, a payload holds; none where it is no answer."""
    if not _may_hold_rows(payload):
        return 0
    return (
        len(flat_rows(payload)) if payload.response.source == "massive_flat" else len(_envelope(payload).results or [])
    )


def find_row(payload: Payload, ticker: str, session: dt.date, rejected: Collection[int]) -> RawRow | None:
    """Return the first row that speaks of a ticker in a session, those at the places `rejected` passed over."""
    if not _may_hold_rows(payload):
        return None
    return _READERS[payload.response.source](payload, ticker, session, rejected)


def _may_hold_rows(payload: Payload) -> bool:
    response = payload.response
    return holds_bars(payload) and response.http_status == 200 and response.transfer is Transfer.COMPLETE


def _envelope(payload: Payload) -> _Envelope:
    try:
        return msgspec.json.decode(payload.response.body, type=_Envelope)
    except _NotAsDue:
        return _Envelope()


def _find_in_json(payload: Payload, ticker: str, session: dt.date, rejected: Collection[int]) -> RawRow | None:
    envelope = _envelope(payload)
    request = payload.response.request
    unnamed = (envelope.ticker or request.ticker) if request.endpoint is Endpoint.RANGE else None
    for index, raw in enumerate(envelope.results or []):
        if index in rejected:
            continue
        try:
            key = msgspec.json.decode(raw, type=_Key)
        except _NotAsDue:
            continue
        if (key.T or unnamed) == ticker and _new_york_date(key.t / 1e3) == session:
            return RawRow(index, bytes(raw).decode("utf-8", "backslashreplace"))
    return None


def _find_in_csv(payload: Payload, ticker: str, session: dt.date, rejected: Collection[int]) -> RawRow | None:
    for index, (name, time, text) in enumerate(flat_rows(payload)):
        if index not in rejected and name == ticker and time and _new_york_date(float(time) / 1e9) == session:
            return RawRow(index, text)
    return None


def _new_york_date(seconds: float) -> dt.date | None:
    try:
        return dt.datetime.fromtimestamp(seconds, _NEW_YORK).date()
    except _BEYOND_TIME:
        return None


_READERS = {"polygon": _find_in_json, "massive_flat": _find_in_csv}
