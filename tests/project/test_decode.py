"""Decoding: every row of an answer becomes a bar or a rejection with every reason, and nothing is guessed."""

import datetime as dt
import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.payload import Response, Transfer
from project.batch import Batch
from project.decode import BarContext, decode_bars, is_answer
from project.errors import UndecodablePayload
from project.rejection import Reason, Rejection
from project.rows import VALUES, Tickers
from tests.payloads import (
    FETCHED_AT,
    Row,
    as_payload,
    bar,
    body,
    grouped_response,
    range_response,
    respond,
    row_text,
    t_ms,
)
from tests.project.columns import EPOCH
from tests.project.random_archive import small_ruleset

DAY = dt.date(2024, 6, 4)
FIRST, LAST = dt.date(2024, 6, 3), dt.date(2024, 6, 10)
WEEK = exchange_calendar().between(FIRST, LAST)
CONTEXT = BarContext(exchange_calendar(), frozenset({"ZVZZT"}))
GOOD = bar(DAY, (10.0, 12.0, 9.5, 11.0), 1000.0)

Bar = tuple[str, dt.date, tuple[float, ...]]


def _decode(response: Response) -> tuple[list[Bar], list[Rejection]]:
    tickers = Tickers()
    rows, rejections = decode_bars(as_payload(response, 7), tickers, CONTEXT)
    assert np.all(rows.archive_seq == 7)
    assert np.all(rows.known_from == FETCHED_AT.timestamp() * 1_000_000)
    bars = [
        (tickers.names[code], EPOCH + dt.timedelta(days=day), tuple(values))
        for code, day, values in zip(rows.ticker.tolist(), rows.day.tolist(), rows.values.T.tolist(), strict=True)
    ]
    return bars, rejections


def _decode_range(*rows: Row, ticker: str = "AAPL") -> tuple[list[Bar], list[Rejection]]:
    return _decode(range_response(ticker, rows, FIRST, LAST))


def _without(name: str) -> Row:
    return {field: value for field, value in GOOD.items() if field != name}


def test_a_row_becomes_a_bar_with_what_the_vendor_left_out_unknown() -> None:
    [(ticker, session, values)], rejections = _decode_range(GOOD)
    assert (ticker, session, values[:5]) == ("AAPL", DAY, (10.0, 12.0, 9.5, 11.0, 1000.0))
    assert all(math.isnan(value) for value in values[5:])
    assert rejections == []


def test_every_field_lands_in_its_column() -> None:
    full = bar(DAY, (10.0, 12.0, 9.5, 11.0), 1000.0, vwap=10.75, trades=42.0)
    [(_, _, values)], _ = _decode_range(full)
    assert dict(zip(VALUES, values, strict=True)) == {
        "open": 10.0,
        "high": 12.0,
        "low": 9.5,
        "close": 11.0,
        "volume": 1000.0,
        "vwap": 10.75,
        "trades": 42.0,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.3166048e+07", 33166048.0),
        ("6.1436228189065e+07", 61436228.189065),
        ("38649398.679189", 38649398.679189),
        ("2e+06", 2_000_000.0),
        ("0", 0.0),
        ("-5", -5.0),
        ("1e-300", 1e-300),
        ("123456789012345678901234567890", 1.2345678901234568e29),
    ],
)
def test_a_number_may_come_in_any_form_that_json_has(text: str, value: float) -> None:
    [(_, _, values)], rejections = _decode_range({**GOOD, "v": text, "n": text})
    assert (values[4], values[6], rejections) == (value, value, [])


@pytest.mark.parametrize("hour", [0, 16])
def test_either_kind_of_t_is_the_session(hour: int) -> None:
    [(_, session, _)], _ = _decode_range({**GOOD, "t": str(t_ms(DAY, hour))})
    assert session == DAY


def test_a_grouped_answer_names_a_ticker_a_row_and_case_counts() -> None:
    rows = [bar(DAY, 1.0, ticker="BCPC"), bar(DAY, 2.0, ticker="BCpC"), bar(DAY, 3.0, ticker="BRK.A")]
    bars, rejections = _decode(grouped_response(DAY, rows))
    assert [(ticker, values[0]) for ticker, _, values in bars] == [("BCPC", 1.0), ("BCpC", 2.0), ("BRK.A", 3.0)]
    assert rejections == []


@pytest.mark.parametrize("content", [body(None), body([]), b'{"status":"OK","results":null,"resultsCount":0}', b"{}"])
@pytest.mark.parametrize("kind", ["range", "grouped"])
def test_an_answer_without_results_holds_no_rows(content: bytes, kind: str) -> None:
    response = range_response("AAPL", content) if kind == "range" else grouped_response(DAY, content)
    assert _decode(response) == ([], [])


REASONS: list[tuple[Row, list[str], str | None, dt.date | None]] = [
    *(
        (_without(wire), [f"missing_{name}"], "AAPL", DAY)
        for wire, name in zip("ohlcv", ("open", "high", "low", "close", "volume"), strict=True)
    ),
    *(({**GOOD, wire: "null"}, [f"missing_{name}"], "AAPL", DAY) for wire, name in (("o", "open"), ("v", "volume"))),
    *(
        ({**GOOD, "c": text}, ["not_a_number_close"], "AAPL", DAY)
        for text in ('"11.0"', '""', "true", "[11]", "{}", "1e999", "-1e999")
    ),
    ({**GOOD, "vw": '"x"'}, ["not_a_number_vwap"], "AAPL", DAY),
    ({**GOOD, "n": "1e999"}, ["not_a_number_trades"], "AAPL", DAY),
    (_without("t"), ["missing_time"], "AAPL", None),
    ({**GOOD, "t": "null"}, ["missing_time"], "AAPL", None),
    ({**GOOD, "t": '"2024-06-04"'}, ["not_a_number_time"], "AAPL", None),
    ({**GOOD, "t": "-1e+15"}, ["time_unknown"], "AAPL", None),
    ({**GOOD, "t": str(t_ms(FIRST) - 1)}, ["outside_range", "not_a_session"], "AAPL", FIRST - dt.timedelta(days=1)),
    ({**GOOD, "t": str(t_ms(LAST + dt.timedelta(days=1)))}, ["outside_range"], "AAPL", LAST + dt.timedelta(days=1)),
    ({**GOOD, "t": str(t_ms(dt.date(2024, 6, 8)))}, ["not_a_session"], "AAPL", dt.date(2024, 6, 8)),
    ({**GOOD, "T": '"MSFT"'}, ["other_ticker"], "MSFT", DAY),
    ({**GOOD, "T": '"aapl"'}, ["other_ticker"], "aapl", DAY),
    ({**GOOD, "T": "7"}, ["missing_ticker"], "AAPL", DAY),
    ({**GOOD, "T": '"AA\\u0000PL"'}, ["control_in_ticker", "other_ticker"], "AA\\u0000PL", DAY),
    ({**GOOD, "T": '"AA PL"'}, ["control_in_ticker", "other_ticker"], "AA PL", DAY),
    ({**GOOD, "T": '"ÄAPL"'}, ["control_in_ticker", "other_ticker"], "ÄAPL", DAY),
    ({**GOOD, "T": '"ZVZZT"'}, ["other_ticker", "test_ticker"], "ZVZZT", DAY),
    ({}, ["missing_time", *(f"missing_{name}" for name in VALUES[:5])], "AAPL", None),
    (
        {"o": '"x"', "c": "null", "t": str(t_ms(dt.date(2024, 6, 9))), "T": '"ZVZZT"', "v": "1e999"},
        [
            "not_a_number_open",
            "missing_high",
            "missing_low",
            "missing_close",
            "not_a_number_volume",
            "not_a_session",
            "other_ticker",
            "test_ticker",
        ],
        "ZVZZT",
        dt.date(2024, 6, 9),
    ),
]


@pytest.mark.parametrize(("row", "reasons", "ticker", "session"), REASONS, ids=lambda value: str(value)[:40])
def test_a_row_that_cannot_be_a_bar_is_rejected_with_every_reason(
    row: Row, reasons: list[str], ticker: str | None, session: dt.date | None
) -> None:
    good = {**GOOD, "t": str(t_ms(FIRST))}
    bars, [rejection] = _decode_range(good, row)
    assert [bar_[1] for bar_ in bars] == [FIRST]
    assert sorted(rejection.reasons) == sorted(reasons)
    assert (rejection.archive_seq, rejection.row_index) == (7, 1)
    assert (rejection.ticker, rejection.session) == (ticker, session)
    assert rejection.row_text == row_text(row)


@pytest.mark.parametrize("text", ["[1,2]", '"row"', "17", "null", "true"])
def test_a_row_that_is_no_object_is_rejected(text: str) -> None:
    content = f'{{"results":[{text},{row_text(GOOD)}]}}'.encode()
    bars, [rejection] = _decode(range_response("AAPL", content, FIRST, LAST))
    assert len(bars) == 1
    assert "not_an_object" in rejection.reasons
    assert (rejection.row_index, rejection.row_text) == (0, text)


@pytest.mark.parametrize("optional", ["vw", "n"])
def test_an_optional_field_that_is_null_is_one_that_was_left_out(optional: str) -> None:
    [(_, _, values)], rejections = _decode_range({**GOOD, optional: "null"})
    assert rejections == []
    assert all(math.isnan(value) for value in values[5:])


@pytest.mark.parametrize(
    ("named", "reasons"),
    [("BCpC", []), ("BCPC", ["other_ticker"]), (None, [])],
    ids=["the one asked for", "another", "no name at all"],
)
def test_the_ticker_of_the_envelope_is_held_against_the_one_asked_for(named: str | None, reasons: list[str]) -> None:
    bars, rejections = _decode(range_response("BCpC", body([GOOD], named), FIRST, LAST))
    assert [ticker for ticker, _, _ in bars] == ([] if reasons else ["BCpC"])
    assert [list(rejection.reasons) for rejection in rejections] == ([reasons] if reasons else [])


@pytest.mark.parametrize(
    ("ticker", "reasons"),
    [
        (None, ["missing_ticker"]),
        ('""', ["missing_ticker"]),
        ("null", ["missing_ticker"]),
        ('"ZVZZT"', ["test_ticker"]),
        ('"A\\u0007B"', ["control_in_ticker"]),
    ],
)
def test_a_grouped_row_needs_a_ticker_that_is_one(ticker: str | None, reasons: list[str]) -> None:
    named = {} if ticker is None else {"T": ticker}
    bars, [rejection] = _decode(grouped_response(DAY, [bar(DAY, ticker="AAPL"), {**GOOD, **named}]))
    assert [name for name, _, _ in bars] == ["AAPL"]
    assert list(rejection.reasons) == reasons


@pytest.mark.parametrize("bad", [b"\xff\xfe", b"\xc3\x28"], ids=["no start", "no end"])
def test_a_ticker_of_bytes_that_are_no_text_is_rejected_and_the_rest_of_the_payload_stands(bad: bytes) -> None:
    """Seen in the vendor's grouped answers of April 2020."""
    rows = [bar(DAY, ticker="AAPL"), bar(DAY, ticker="GARBAGE"), bar(DAY, ticker="MSFT")]
    bars, [rejection] = _decode(grouped_response(DAY, body(rows).replace(b"GARBAGE", bad)))
    assert [name for name, _, _ in bars] == ["AAPL", "MSFT"]
    assert "control_in_ticker" in rejection.reasons
    assert rejection.ticker is None
    assert "\0" not in rejection.row_text
    rejection.row_text.encode()


def test_bytes_that_are_no_text_elsewhere_in_a_row_do_not_stop_the_payload() -> None:
    content = body([GOOD, {**GOOD, "t": str(t_ms(FIRST))}]).replace(b'"c":11,', b'"c":"\xff",', 1)
    bars, [rejection] = _decode(range_response("AAPL", content, FIRST, LAST))
    assert len(bars) == 1
    assert rejection.reasons == ("not_a_number_close",)


@pytest.mark.parametrize("order", ["good first", "bad first", "bad between"])
def test_of_rows_for_one_bar_the_first_good_one_stands(order: str) -> None:
    good, other, bad = GOOD, {**GOOD, "c": "9.75"}, _without("c")
    rows = {"good first": [good, other, bad], "bad first": [bad, good, other], "bad between": [good, bad, other]}[order]
    bars, rejections = _decode_range(*rows)
    assert [values[3] for _, _, values in bars] == [11.0]
    reasons = {rejection.row_index: rejection.reasons for rejection in rejections}
    assert reasons[rows.index(other)] == ("duplicate_key",)
    expected = ("missing_close",) if order == "bad first" else ("missing_close", "duplicate_key")
    assert reasons[rows.index(bad)] == expected


def test_a_row_of_no_known_time_is_no_duplicate_of_the_last_session_of_1969() -> None:
    eve = dt.date(1969, 12, 31)
    rows = [{**GOOD, "t": str(t_ms(eve))}, {**GOOD, "t": "null"}, {**GOOD, "t": "null"}]
    bars, rejections = _decode(range_response("AAPL", rows, eve, eve))
    assert [session for _, session, _ in bars] == [eve]
    assert [rejection.reasons for rejection in rejections] == [("missing_time",)] * 2


def test_tickers_that_differ_in_case_are_no_duplicates() -> None:
    bars, rejections = _decode(grouped_response(DAY, [bar(DAY, ticker="TPC"), bar(DAY, ticker="TpC")]))
    assert (len(bars), rejections) == (2, [])


def test_what_cannot_stand_in_a_table_gets_no_number_of_its_own() -> None:
    """Its name would otherwise be asked of the database, which cannot hold it."""
    tickers = Tickers()
    rows = [bar(DAY, ticker="AAPL"), bar(DAY, ticker="B\0C"), bar(DAY, ticker="ÄB")]
    decode_bars(as_payload(grouped_response(DAY, rows)), tickers, CONTEXT)
    assert tickers.names == ["AAPL", ""]


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"17",
        b'"OK"',
        b'{"results":{}}',
        b'{"results":"none"}',
        b'{"results":1}',
        b'{"results":[],"ticker":7}',
        b'{"results":[],"ticker":"\xff"}',
    ],
)
def test_json_of_an_unknown_shape_stops_the_replay_and_names_the_payload(content: bytes) -> None:
    payload = as_payload(range_response("AAPL", content), 42)
    batch = Batch(exchange_calendar(), small_ruleset(), {})
    with pytest.raises(UndecodablePayload, match=r"payload 42 cannot be decoded .*`archive show 42 --body`") as caught:
        batch.add(payload)
    assert caught.value.archive_seq == 42
    assert "\n" not in str(caught.value)


NO_ANSWERS = {
    "html": (b"<html><body>502 Bad Gateway</body></html>", 200, Transfer.COMPLETE),
    "empty": (b"", 200, Transfer.COMPLETE),
    "cut json": (body([GOOD])[:-20], 200, Transfer.COMPLETE),
    "two documents": (body([GOOD]) * 2, 200, Transfer.COMPLETE),
    "not entitled": (b'{"status":"NOT_AUTHORIZED","message":"..."}', 403, Transfer.COMPLETE),
    "rows in an error": (body([GOOD]), 404, Transfer.COMPLETE),
    "throttled": (b'{"status":"ERROR","error":"..."}', 429, Transfer.COMPLETE),
    "html in a 5xx": (b"<html>", 503, Transfer.COMPLETE),
    "cut short": (body([GOOD]), 200, Transfer.CUT_SHORT),
    "broken encoding": (body([GOOD]), 200, Transfer.BROKEN_ENCODING),
    "a list in an error": (b"[]", 500, Transfer.COMPLETE),
}


@pytest.mark.parametrize(("content", "status", "transfer"), NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_holds_no_rows_and_stops_nothing(content: bytes, status: int, transfer: Transfer) -> None:
    request = range_response("AAPL", []).request
    payload = as_payload(respond(request, content, status=status, transfer=transfer))
    assert not is_answer(payload)
    batch = Batch(exchange_calendar(), small_ruleset(), {})
    batch.add(payload)
    assert (batch.bars, batch.rejections, batch.payloads, batch.spoken) == ([], [], 1, {})


_defects = st.sampled_from(
    [
        ("o", '"x"'),
        ("h", "null"),
        ("l", "1e999"),
        ("t", "null"),
        ("t", "12"),
        ("t", str(t_ms(dt.date(2024, 6, 8)))),
        ("T", '"ZVZZT"'),
        ("T", '"\\u0001"'),
        ("T", "5"),
        ("n", "{}"),
    ]
)
_good_rows = st.builds(
    bar,
    st.sampled_from(WEEK),
    st.tuples(*[st.floats(0.01, 1e9) for _ in range(4)]),
    st.floats(0, 1e12),
    ticker=st.sampled_from(["AAPL", "BCPC", "BCpC"]),
    vwap=st.none() | st.floats(0.01, 1e9),
    trades=st.none() | st.integers(0, 10**9).map(float),
)
_any_rows = st.lists(
    st.tuples(_good_rows, st.lists(_defects, max_size=2)).map(lambda made: {**made[0], **dict(made[1])}), max_size=12
)


def _grouped_week(rows: list[Row]) -> Response:
    """Return a grouped answer that may hold any session of the week."""
    response = grouped_response(FIRST, rows)
    return msgspec.structs.replace(response, request=msgspec.structs.replace(response.request, to_date=LAST))


@given(_any_rows)
def test_every_row_is_a_bar_or_a_rejection_and_never_both(rows: list[Row]) -> None:
    bars, rejections = _decode(_grouped_week(rows))
    assert len(bars) + len(rejections) == len(rows)
    rejected = [rejection.row_index for rejection in rejections]
    assert rejected == sorted(set(rejected))
    accepted = [row for index, row in enumerate(rows) if index not in set(rejected)]
    assert [(ticker, values[0]) for ticker, _, values in bars] == [
        (json.loads(row["T"]), float(row["o"])) for row in accepted
    ]
    for rejection in rejections:
        assert rejection.reasons
        assert len(set(rejection.reasons)) == len(rejection.reasons)
        assert rejection.row_text == row_text(rows[rejection.row_index])


@given(st.lists(_good_rows, max_size=10), st.integers(0, 10))
def test_good_rows_are_the_same_beside_a_bad_one(rows: list[Row], place: int) -> None:
    """A bad row sends the whole payload the slow way, which must read the good ones alike."""
    alone, duplicates = _decode(_grouped_week(rows))
    place = min(place, len(rows))
    beside, rejections = _decode(_grouped_week([*rows[:place], {"o": '"bad"'}, *rows[place:]]))
    assert repr(beside) == repr(alone)  # NaN is NaN
    assert len(rejections) == len(duplicates) + 1


def test_every_reason_that_there_is_for_a_bar_is_tried_here() -> None:
    tried = {reason for _, reasons, _, _ in REASONS for reason in reasons} | {"not_an_object", "duplicate_key"}
    untried = [reason for reason in Reason if not any(each.startswith(reason) for each in tried)]
    # Of splits and dividends, and of whole payloads.
    assert untried == [Reason.NOT_A_DATE, Reason.NOT_POSITIVE, Reason.UNDECODABLE_PAYLOAD]
