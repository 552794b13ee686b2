"""Splits and dividends of Polygon's wire format in, records and rejections out.

The new routes (/stocks/v1/*) and the old ones (/v3/reference/*) differ in field names only; both are read here.
"""

import datetime as dt
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from archive.calendar import NEW_YORK
from archive.payload import Payload
from project.dividend import Dividend
from project.errors import UndecodablePayload
from project.factors.vendor_factor import Page, Stated, own_factors
from project.record import Statement
from project.rejection import Reason, Rejection, has_control, printable
from project.split import Split

Action = TypeVar("Action", Split, Dividend)
Fields = dict[str, object]

# Bytes that are no UTF-8 raise an error of Python's own.
_NotAsDue = (msgspec.DecodeError, UnicodeDecodeError)
_UNREADABLE = object()
_MOST = 2**31
_CURSOR = "cursor="


class _Envelope(msgspec.Struct):
    results: list[msgspec.Raw] | None = None
    next_url: str | None = None


def decode_splits(payload: Payload) -> tuple[Statement[Split], list[Rejection]]:
    """Return the splits that a payload states and the rows that cannot be one.

    Raises: UndecodablePayload for JSON that is not the vendor's envelope.
    """
    return _decode(payload, _split)


def decode_dividends(payload: Payload) -> tuple[Statement[Dividend], list[Rejection]]:
    """Return the dividends that a payload states and the rows that cannot be one.

    Raises: UndecodablePayload for JSON that is not the vendor's envelope.
    """
    return _decode(payload, _dividend)


def _decode(
    payload: Payload, make: Callable[[Payload, "_Row"], Action | None]
) -> tuple[Statement[Action], list[Rejection]]:
    try:
        envelope = msgspec.json.decode(payload.response.body, type=_Envelope)
    except _NotAsDue as exc:
        raise UndecodablePayload(payload.archive_seq, str(exc)) from exc
    actions: list[Action] = []
    rejections: list[Rejection] = []
    for index, raw in enumerate(envelope.results or []):
        row = _Row(raw)
        action = make(payload, row)
        if action is not None and not row.reasons:
            actions.append(action)
        else:
            rejections.append(row.rejection(payload.archive_seq, index))
    asked, fetched_at = payload.response.request.target, payload.response.fetched_at
    page = Page(_CURSOR not in asked, not envelope.next_url, fetched_at.astimezone(NEW_YORK).date())
    # The only page of a list is the whole of it; of a list in pages nobody can tell what is no longer there.
    whole = page.is_first and page.is_last and not rejections
    records = tuple(_with_own_factors(actions, page))
    return Statement(payload.archive_seq, fetched_at, asked, records, whole), rejections


def _with_own_factors(actions: Sequence[Action], page: Page) -> Iterator[Action]:
    """Yield actions with what the vendor's cumulative factor makes of each one's date alone."""
    stated = [Stated(action.ticker, action.judged_from, action.vendor_factor) for action in actions]
    for action, own in zip(actions, own_factors(stated, page), strict=True):
        yield action if own == action.vendor_factor else msgspec.structs.replace(action, vendor_factor=own)


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except _NotAsDue:  # a number beyond a double, or bytes that are no text
        return _UNREADABLE


class _Row:
    """One raw row being read: its fields, and what is wrong with them so far."""

    def __init__(self, raw: msgspec.Raw) -> None:
        self.raw = raw
        self.reasons: list[str] = []
        self.ticker: str | None = None
        self.date: dt.date | None = None
        try:
            fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            self.fields: Fields = {name: _value(text) for name, text in fields.items()}
        except _NotAsDue:
            self.fields = {}
            self.reasons.append(Reason.NOT_AN_OBJECT)

    def read_key(self, date_field: str) -> bool:
        """Read ticker and ex-date, and tell whether both are there."""
        ticker = self.fields.get("ticker")
        if not isinstance(ticker, str) or not ticker:
            self.reasons.append(Reason.MISSING + "ticker")
        else:
            self.ticker = ticker
            if has_control(ticker):
                self.reasons.append(Reason.CONTROL_IN_TICKER)
        self.date = self.optional_date(date_field)
        if self.date is None and Reason.NOT_A_DATE not in self.reasons:
            self.reasons.append(Reason.MISSING + date_field)
        return self.ticker is not None and self.date is not None

    def positive(self, name: str) -> float:
        """Return a field that must be a positive number, NaN where it is not."""
        value = self.fields.get(name)
        if value is None:
            self.reasons.append(Reason.MISSING + name)
        elif isinstance(value, bool) or not isinstance(value, int | float) or value > sys.float_info.max:
            self.reasons.append(Reason.NOT_A_NUMBER + name)
        elif value <= 0:
            self.reasons.append(Reason.NOT_POSITIVE + name)
        else:
            return float(value)
        return math.nan

    def optional_count(self, name: str) -> int | None:
        """Return a field that is a number which can be a count, None where it is not."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
            return None
        return int(value)

    def optional_number(self, name: str) -> float | None:
        """Return a field that is a finite number, None where it is not."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
            return None
        return float(value)

    def optional_date(self, name: str) -> dt.date | None:
        """Return a field that is a date or absent."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        try:
            return dt.date.fromisoformat(str(value))
        except ValueError:
            self.reasons.append(Reason.NOT_A_DATE)
            return None

    def optional_text(self, *names: str) -> str | None:
        """Return the first of these fields that is a text, as a table can hold it."""
        return next((printable(value) for name in names if isinstance(value := self.fields.get(name), str)), None)

    def rejection(self, archive_seq: int, index: int) -> Rejection:
        """Return this row as a rejection."""
        return Rejection(
            archive_seq,
            index,
            None if self.ticker is None else printable(self.ticker),
            self.date,
            tuple(self.reasons),
            bytes(self.raw).decode("utf-8", "backslashreplace"),
        )


def _split(payload: Payload, row: _Row) -> Split | None:
    keyed = row.read_key("execution_date")
    split_from, split_to = row.positive("split_from"), row.positive("split_to")
    if not keyed:
        return None
    assert row.ticker is not None
    assert row.date is not None
    return Split(
        ticker=row.ticker,
        vendor_id=row.optional_text("id") or f"{row.date}:{split_from!r}:{split_to!r}",
        execution_date=row.date,
        split_from=split_from,
        split_to=split_to,
        adjustment_type=row.optional_text("adjustment_type"),
        vendor_factor=row.optional_number("historical_adjustment_factor"),
        archive_seq=payload.archive_seq,
        known_from=payload.response.fetched_at,
        asked=payload.response.request.target,
    )


def _dividend(payload: Payload, row: _Row) -> Dividend | None:
    keyed = row.read_key("ex_dividend_date")
    cash_amount = row.positive("cash_amount")
    if not keyed:
        return None
    assert row.ticker is not None
    assert row.date is not None
    kind = row.optional_text("distribution_type", "dividend_type")
    return Dividend(
        ticker=row.ticker,
        vendor_id=row.optional_text("id") or f"{row.date}:{cash_amount!r}:{kind or ''}",
        ex_dividend_date=row.date,
        cash_amount=cash_amount,
        currency=row.optional_text("currency"),
        declaration_date=row.optional_date("declaration_date"),
        record_date=row.optional_date("record_date"),
        pay_date=row.optional_date("pay_date"),
        frequency=row.optional_count("frequency"),
        distribution_type=kind,
        vendor_factor=row.optional_number("historical_adjustment_factor"),
        archive_seq=payload.archive_seq,
        known_from=payload.response.fetched_at,
        asked=payload.response.request.target,
    )
