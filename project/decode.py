"""Payload bytes of Polygon's wire format in, rows and rejections out. The only file that knows `o h l c v vw t n`.

A payload that is no answer (an error status, a body cut short, HTML where JSON was due) holds no rows. A row that
cannot be a bar becomes a rejection with every reason. JSON of a shape the vendor was never seen to send stops the
replay: it means that the vendor changed its format, and guessing would lose rows.
"""

import datetime as dt
import math

import msgspec
import numpy as np

from archive.calendar import Calendar
from archive.payload import Endpoint, Payload, Transfer
from project.errors import UndecodablePayload
from project.newyork import NO_DAY, new_york_days
from project.rejection import Reason, Rejection, has_control, printable
from project.rows import REQUIRED, VALUES, BarRows, Bools, Floats, Ints, Tickers

_WIRE_NAMES = ("o", "h", "l", "c", "v", "vw", "n")
_EPOCH = dt.date(1970, 1, 1)
_UNKNOWN_DAY = -(1 << 31)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class WireBar(msgspec.Struct, gc=False):
    """A bar as the vendor sends it; every number may come in exponent form, so none is an integer here."""

    t: float
    o: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    c: float
    v: float
    vw: float = math.nan
    n: float = math.nan
    T: str = ""


class _Envelope(msgspec.Struct, gc=False):
    results: list[WireBar] | None = None
    ticker: str | None = None


class _RawEnvelope(msgspec.Struct):
    results: list[msgspec.Raw] | None = None
    ticker: str | None = None


# Bytes that are no UTF-8 raise an error of Python's own.
_NotAsDue = (msgspec.DecodeError, UnicodeDecodeError)
_DECODE = msgspec.json.Decoder(_Envelope).decode
_DECODE_RAW = msgspec.json.Decoder(_RawEnvelope).decode
_DECODE_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_DECODE_FLOAT = msgspec.json.Decoder(float).decode
_DECODE_STR = msgspec.json.Decoder(str).decode


class BarContext(msgspec.Struct, frozen=True):
    """What decoding needs besides the payload: the calendar, and the tickers that are no securities.

    `sound` fills with the tickers that were looked at and nothing is wrong with.
    """

    calendar: Calendar
    test_tickers: frozenset[str]
    sound: set[str] = msgspec.field(default_factory=set)


class NoAnswer(Exception):
    """A payload holds no rows, because its body is no JSON object."""


def is_answer(payload: Payload) -> bool:
    """Tell whether a payload can hold rows: a whole 200 whose body is a JSON object."""
    response = payload.response
    if response.http_status != 200 or response.transfer is not Transfer.COMPLETE:
        return False
    try:
        return isinstance(msgspec.json.decode(response.body, type=dict[str, msgspec.Raw]), dict)
    except _NotAsDue as exc:
        # A ValidationError is JSON all right, only not an object; that is for the decoders to refuse.
        return isinstance(exc, msgspec.ValidationError | UnicodeDecodeError)


def decode_bars(payload: Payload, tickers: Tickers, context: BarContext) -> tuple[BarRows, list[Rejection]]:
    """Return the bars of a range or grouped payload, and the rows that cannot be one.

    Raises: NoAnswer; UndecodablePayload for JSON that is not the vendor's envelope.
    """
    problems: dict[int, list[str]] = {}
    try:
        # That it is an answer is not looked at before: it costs a second reading, and hardly any is none.
        envelope = _DECODE(payload.response.body)
        names, t_ms, values = _columns(envelope.results or [])
    except _NotAsDue as exc:
        if not is_answer(payload):
            raise NoAnswer from exc
        envelope, names, t_ms, values = _columns_of_bad_rows(payload, problems)
    request = payload.response.request
    if request.endpoint is Endpoint.RANGE:
        assert request.ticker is not None
        unnamed = envelope.ticker or request.ticker
        names = [name or unnamed for name in names]
    rows, days = accept_rows(payload, names, t_ms, values, problems, tickers, context)
    return rows, _rejections(payload, names, days, problems)


def accept_rows(
    payload: Payload,
    names: list[str],
    t_ms: Floats,
    values: Floats,
    problems: dict[int, list[str]],
    tickers: Tickers,
    context: BarContext,
) -> tuple[BarRows, Ints]:
    """Return the rows that can be bars, and the day of every row; what is wrong with the others goes to `problems`.

    The rows may come from any wire format; `problems` holds what was found wrong with a row's fields while reading.
    """
    days = new_york_days(t_ms)
    _check_times(payload, days, context.calendar, problems)
    _check_numbers(values, problems)
    _check_tickers(payload, names, context, problems)
    # Only what can stand in a table gets a number of its own.
    codes = tickers.codes(["" if has_control(name) else name for name in names] if problems else names)
    _check_duplicates(codes, days, problems)
    good = np.ones(len(names), np.bool_)
    good[list(problems)] = False
    return _bar_rows(payload, codes, days, values, good), days


def _columns(rows: list[WireBar]) -> tuple[list[str], Floats, Floats]:
    values = np.empty((len(VALUES), len(rows)))
    values[0] = [row.o for row in rows]
    values[1] = [row.h for row in rows]
    values[2] = [row.l for row in rows]
    values[3] = [row.c for row in rows]
    values[4] = [row.v for row in rows]
    values[5] = [row.vw for row in rows]
    values[6] = [row.n for row in rows]
    return [row.T for row in rows], np.array([row.t for row in rows], np.float64), values


def _columns_of_bad_rows(
    payload: Payload, problems: dict[int, list[str]]
) -> tuple[_Envelope, list[str], Floats, Floats]:
    """Read a payload row by row, because some row is not a bar; a field that is no number becomes NaN."""
    try:
        envelope = _DECODE_RAW(payload.response.body)
    except _NotAsDue as exc:
        raise UndecodablePayload(payload.archive_seq, str(exc)) from exc
    raw_rows = envelope.results or []
    names: list[str] = []
    t_ms = np.full(len(raw_rows), math.nan)
    values = np.full((len(VALUES), len(raw_rows)), math.nan)
    for index, raw in enumerate(raw_rows):
        reasons: list[str] = []
        fields = _fields(raw, reasons)
        names.append(_text(fields, "T", reasons))
        t_ms[index] = _number(fields, "t", "time", reasons)
        for place, (wire, name) in enumerate(zip(_WIRE_NAMES, VALUES, strict=True)):
            if place < REQUIRED or bytes(fields.get(wire, b"null")) != b"null":
                values[place, index] = _number(fields, wire, name, reasons)
        if reasons:
            problems[index] = reasons
    return _Envelope(None, envelope.ticker), names, t_ms, values


def _fields(raw: msgspec.Raw, reasons: list[str]) -> dict[str, msgspec.Raw]:
    try:
        return _DECODE_FIELDS(raw)
    except _NotAsDue:
        reasons.append(Reason.NOT_AN_OBJECT)
        return {}


def _number(fields: dict[str, msgspec.Raw], wire: str, name: str, reasons: list[str]) -> float:
    if wire not in fields or bytes(fields[wire]) == b"null":
        reasons.append(Reason.MISSING + name)
        return math.nan
    try:
        return _DECODE_FLOAT(fields[wire])
    except msgspec.DecodeError:
        reasons.append(Reason.NOT_A_NUMBER + name)
        return math.nan


def _text(fields: dict[str, msgspec.Raw], wire: str, reasons: list[str]) -> str:
    if wire not in fields:
        return ""
    try:
        return _DECODE_STR(fields[wire])
    except msgspec.ValidationError:
        reasons.append(Reason.MISSING + "ticker")
    except _NotAsDue:  # bytes that are no text; seen in the vendor's grouped answers of April 2020
        reasons.append(Reason.CONTROL_IN_TICKER)
    return ""


def _check_times(payload: Payload, days: Ints, calendar: Calendar, problems: dict[int, list[str]]) -> None:
    request = payload.response.request
    assert request.from_date is not None
    assert request.to_date is not None
    known = days != NO_DAY
    inside = (days >= (request.from_date - _EPOCH).days) & (days <= (request.to_date - _EPOCH).days)
    session = calendar.is_session(np.where(known, days, 0).astype("datetime64[D]"))
    for index in np.flatnonzero(~(known & inside & session)):
        reasons = problems.setdefault(int(index), [])
        if not known[index]:
            if not any(reason.endswith("_time") for reason in reasons):
                reasons.append(Reason.TIME_UNKNOWN)
            continue
        if not inside[index]:
            reasons.append(Reason.OUTSIDE_RANGE)
        if not session[index]:
            reasons.append(Reason.NOT_A_SESSION)


def _check_numbers(values: Floats, problems: dict[int, list[str]]) -> None:
    """Refuse infinities; JSON has no NaN, so one here is a number that the slow path already refused."""
    for place, index in zip(*np.nonzero(np.isinf(values)), strict=True):
        problems.setdefault(int(index), []).append(Reason.NOT_A_NUMBER + VALUES[place])


def _check_tickers(payload: Payload, names: list[str], context: BarContext, problems: dict[int, list[str]]) -> None:
    asked = payload.response.request.ticker
    unknown = set(names) - context.sound if asked is None else set(names)
    verdicts = {name: _ticker_reasons(name, asked, context.test_tickers) for name in unknown}
    if any(verdicts.values()):
        for index, name in enumerate(names):
            if verdicts.get(name):
                problems.setdefault(index, []).extend(verdicts[name])
    if asked is None:
        context.sound.update(name for name in unknown if not verdicts[name])


def _ticker_reasons(name: str, asked: str | None, test_tickers: frozenset[str]) -> list[str]:
    reasons: list[str] = []
    if not name:
        reasons.append(Reason.MISSING + "ticker")
    elif has_control(name):
        reasons.append(Reason.CONTROL_IN_TICKER)
    if asked is not None and name != asked:
        reasons.append(Reason.OTHER_TICKER)
    if name in test_tickers:
        reasons.append(Reason.TEST_TICKER)
    return reasons


def _check_duplicates(codes: Ints, days: Ints, problems: dict[int, list[str]]) -> None:
    """Let the first good row of a (ticker, session) stand; which of two is right nobody here can know."""
    keys = (codes << 32) + np.where(days == NO_DAY, _UNKNOWN_DAY, days)
    if np.all(np.diff(np.sort(keys)) > 0):
        return
    seen: set[int] = set()
    for index, key in enumerate(keys.tolist()):
        if index in problems and key not in seen:
            continue
        if key in seen:
            problems.setdefault(index, []).append(Reason.DUPLICATE_KEY)
        seen.add(key)


def _bar_rows(payload: Payload, codes: Ints, days: Ints, values: Floats, good: Bools) -> BarRows:
    fetched_us = (payload.response.fetched_at - _EPOCH_UTC) // dt.timedelta(microseconds=1)
    count = len(good)
    rows = BarRows(
        codes, days, values, np.full(count, payload.archive_seq, np.int64), np.full(count, fetched_us, np.int64)
    )
    return rows.take(good)


def _rejections(payload: Payload, names: list[str], days: Ints, problems: dict[int, list[str]]) -> list[Rejection]:
    if not problems:
        return []
    raw_rows = _DECODE_RAW(payload.response.body).results or []
    return [
        Rejection(
            payload.archive_seq,
            index,
            printable(names[index]) or None,
            None if days[index] == NO_DAY else _EPOCH + dt.timedelta(days=int(days[index])),
            tuple(dict.fromkeys(problems[index])),
            bytes(raw_rows[index]).decode("utf-8", "backslashreplace"),
        )
        for index in sorted(problems)
    ]
