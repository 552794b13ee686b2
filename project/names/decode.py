"""The vendor's lists of tickers and of ticker changes in, records and rejections out.

A list of the whole market has tens of thousands of rows and comes again and again, so a page is decoded in one go
where every row is as due, and row by row only where one is not. A row that repeats what the same batch has said last
of the same listing is passed over: to state it again would add nothing.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from archive.calendar import NEW_YORK
from archive.payload import Payload
from project.errors import UndecodablePayload
from project.names.listing import Listing, security_id_of
from project.names.ticker_change import TickerChange
from project.record import Key, Statement
from project.rejection import Reason, Rejection, has_control, printable

# Bytes that are no UTF-8 raise an error of Python's own.
_NotAsDue = (msgspec.DecodeError, UnicodeDecodeError)

Said = dict[Key, tuple[object, ...]]
"""What a batch has said last of each listing."""


class _Row(msgspec.Struct, gc=False):
    """A row of the list of tickers; only the ticker is sure to be there."""

    ticker: str
    name: str | None = None
    market: str | None = None
    type: str | None = None
    primary_exchange: str | None = None
    cik: str | None = None
    composite_figi: str | None = None
    share_class_figi: str | None = None
    active: bool | None = None
    delisted_utc: str | None = None


class _Rows(msgspec.Struct):
    results: list[_Row] | None = None


class _RawRows(msgspec.Struct):
    results: list[msgspec.Raw] | None = None


class _Company(msgspec.Struct):
    events: list[msgspec.Raw] | None = None
    name: Any = None
    composite_figi: Any = None
    share_class_figi: Any = None
    cik: Any = None


class _CompanyAnswer(msgspec.Struct):
    results: _Company | None = None


class _Reading(msgspec.Struct):
    """A row being read: where it stands, its fields as far as they are as due, and what is wrong with it."""

    index: int
    raw: bytes
    row: _Row | None
    reasons: list[str] = []
    delisted_on: dt.date | None = None


_DECODE_ROWS = msgspec.json.Decoder(_Rows).decode
_DECODE_RAW_ROWS = msgspec.json.Decoder(_RawRows).decode
_DECODE_COMPANY = msgspec.json.Decoder(_CompanyAnswer).decode
_DECODE_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_TEXTS = frozenset(_Row.__struct_fields__) - {"active"}


def decode_listings(payload: Payload, said: Said) -> tuple[Statement[Listing], list[Rejection]]:
    """Return the listings that a payload states and the batch has not just said, and the rows that cannot be one.

    `said` is what the batch has said so far; it is brought up to date.

    Raises: UndecodablePayload for JSON that is not the vendor's envelope.
    """
    readings = _whole_page(payload) or _row_by_row(payload)
    good = [(reading.row, reading.delisted_on) for reading in readings if reading.row and not reading.reasons]
    made = _made_ids(good)
    listings: list[Listing] = []
    for row, delisted_on in good:
        security_id = security_id_of(row.ticker, row.composite_figi, row.share_class_figi, row.cik)
        listing = _listing(payload, row, made.get((security_id, delisted_on), security_id), delisted_on)
        fact = listing.fact
        if said.get(listing.key) != fact:
            said[listing.key] = fact
            listings.append(listing)
    rejections = [_rejection(payload, reading) for reading in readings if reading.reasons]
    return _statement(payload, payload.response.request.target, tuple(listings)), rejections


def decode_ticker_changes(payload: Payload) -> tuple[Statement[TickerChange], list[Rejection]]:
    """Return the ticker changes that a payload states and the rows that cannot be one.

    The answer is all there is to say of one security, by whichever of its names it was asked for; so it counts as the
    answer to the question after the security, and withdraws what an earlier one had of it.

    Raises: UndecodablePayload for JSON that is not the vendor's envelope.
    """
    try:
        company = _DECODE_COMPANY(payload.response.body).results
    except _NotAsDue as exc:
        raise UndecodablePayload(payload.archive_seq, str(exc)) from exc
    company = company or _Company()
    asked_for = payload.response.request.ticker or ""
    vendor_ids = map(_text, (company.composite_figi, company.share_class_figi, company.cik))
    security_id = security_id_of(asked_for, *vendor_ids)
    asked = f"/vX/reference/tickers/{quote(security_id, safe='')}/events?types=ticker_change"
    changes: list[TickerChange] = []
    rejections: list[Rejection] = []
    for index, raw in enumerate(company.events or []):
        ticker, changed_on, reasons = _event(raw)
        if ticker is None or changed_on is None or reasons:
            text = bytes(raw).decode("utf-8", "backslashreplace")
            named = None if ticker is None else printable(ticker)
            rejections.append(Rejection(payload.archive_seq, index, named, changed_on, tuple(reasons), text))
            continue
        changes.append(
            TickerChange(
                ticker,
                security_id,
                _text(company.name),
                changed_on,
                archive_seq=payload.archive_seq,
                known_from=payload.response.fetched_at,
                asked=asked,
            )
        )
    # That a security has no name at all is not believed.
    whole = bool(changes) and not rejections
    return _statement(payload, asked, tuple(changes), whole=whole), rejections


def _statement(payload: Payload, asked: str, records: Any, *, whole: bool = False) -> Statement[Any]:
    return Statement(payload.archive_seq, payload.response.fetched_at, asked, records, whole)


def _whole_page(payload: Payload) -> list[_Reading] | None:
    """Return the rows of a page, None where something is wrong with any of them."""
    try:
        rows = _DECODE_ROWS(payload.response.body).results or []
    except _NotAsDue:
        return None
    readings = [_checked(_Reading(index, b"", row)) for index, row in enumerate(rows)]
    return None if any(reading.reasons for reading in readings) else readings


def _row_by_row(payload: Payload) -> list[_Reading]:
    try:
        raw_rows = _DECODE_RAW_ROWS(payload.response.body).results or []
    except _NotAsDue as exc:
        raise UndecodablePayload(payload.archive_seq, str(exc)) from exc
    return [_checked(_reading(index, raw)) for index, raw in enumerate(raw_rows)]


def _reading(index: int, raw: msgspec.Raw) -> _Reading:
    """Read one row by itself; a field that is not as due counts as left out, but for ticker and date."""
    try:
        fields = _DECODE_FIELDS(raw)
    except _NotAsDue:
        return _Reading(index, bytes(raw), None, [Reason.NOT_AN_OBJECT])
    texts = {name: _decoded(fields.get(name), str) for name in _TEXTS}
    row = _Row(**texts | {"ticker": texts["ticker"] or ""}, active=_decoded(fields.get("active"), bool))
    unread = row.delisted_utc is None and bytes(fields.get("delisted_utc", b"null")) != b"null"
    return _Reading(index, bytes(raw), row, [Reason.NOT_A_DATE] if unread else [])


def _decoded(raw: msgspec.Raw | None, kind: type[Any]) -> Any:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=kind)
    except _NotAsDue:
        return None


def _checked(reading: _Reading) -> _Reading:
    """Work out the date of delisting in New York, and note what is wrong with ticker and date."""
    row = reading.row
    if row is None:
        return reading
    if not row.ticker:
        reading.reasons.append(Reason.MISSING + "ticker")
    elif has_control(row.ticker):
        reading.reasons.append(Reason.CONTROL_IN_TICKER)
    if row.delisted_utc:
        try:
            reading.delisted_on = _new_york_date(row.delisted_utc)
        except (ValueError, OverflowError):
            reading.reasons.append(Reason.NOT_A_DATE)
    return reading


def _new_york_date(text: str) -> dt.date:
    if len(text) == len("2012-05-18"):
        return dt.date.fromisoformat(text)
    instant = dt.datetime.fromisoformat(text)
    return instant.astimezone(NEW_YORK).date() if instant.tzinfo else instant.date()


def _rejection(payload: Payload, reading: _Reading) -> Rejection:
    ticker = printable(reading.row.ticker) if reading.row and reading.row.ticker else None
    text = reading.raw.decode("utf-8", "backslashreplace")
    return Rejection(payload.archive_seq, reading.index, ticker, None, tuple(reading.reasons), text)


def _made_ids(rows: Iterable[tuple[_Row, dt.date | None]]) -> dict[tuple[str, dt.date | None], str]:
    """Return ids that tell apart securities of one ticker for which the vendor has no id at all.

    All but the one that trades, or was delisted last, carry the date on which they were delisted.
    """
    unnamed: dict[str, set[dt.date | None]] = defaultdict(set)
    for row, delisted_on in rows:
        if not (row.composite_figi or row.share_class_figi or row.cik):
            unnamed[security_id_of(row.ticker)].add(delisted_on)
    told_apart: dict[tuple[str, dt.date | None], str] = {}
    for made, dates in unnamed.items():
        ordered = sorted(dates, key=lambda day: day or dt.date.max)
        told_apart |= {(made, day): f"{made}:{day}" for day in ordered[:-1]}
    return told_apart


def _listing(payload: Payload, row: _Row, security_id: str, delisted_on: dt.date | None) -> Listing:
    return Listing(
        row.ticker,
        _text(security_id) or security_id,
        _text(row.name),
        _text(row.market),
        _text(row.type),
        _text(row.primary_exchange),
        _text(row.cik),
        _text(row.composite_figi),
        _text(row.share_class_figi),
        delisted_on is None if row.active is None else row.active,
        delisted_on,
        archive_seq=payload.archive_seq,
        known_from=payload.response.fetched_at,
        asked=payload.response.request.target,
    )


def _event(raw: msgspec.Raw) -> tuple[str | None, dt.date | None, list[str]]:
    """Return ticker and date of one event, and what is wrong with it."""
    try:
        fields = _DECODE_FIELDS(raw)
        change = _DECODE_FIELDS(fields["ticker_change"]) if "ticker_change" in fields else {}
    except _NotAsDue:
        return None, None, [Reason.NOT_AN_OBJECT]
    reasons: list[str] = []
    ticker = _decoded(change.get("ticker"), str) or None
    if ticker is None:
        reasons.append(Reason.MISSING + "ticker")
    elif has_control(ticker):
        reasons.append(Reason.CONTROL_IN_TICKER)
    text = _decoded(fields.get("date"), str)
    if not text:
        reasons.append(Reason.MISSING + "date" if "date" not in fields or text == "" else Reason.NOT_A_DATE)
        return ticker, None, reasons
    try:
        return ticker, dt.date.fromisoformat(text), reasons
    except ValueError:
        return ticker, None, [*reasons, Reason.NOT_A_DATE]


def _text(value: object) -> str | None:
    """Return a text as a table can hold it, None where it is none or empty."""
    if not isinstance(value, str) or not value:
        return None
    if value.isprintable():
        return value
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in value)
