"""Decoding splits and dividends: old routes and new ones alike, and every row that cannot be one is rejected."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.payload import Response
from project.decode_actions import decode_dividends, decode_splits
from project.dividend import Dividend
from project.errors import UndecodablePayload
from project.rejection import Rejection
from project.split import Split
from tests.payloads import (
    FETCHED_AT,
    Row,
    as_payload,
    body,
    dividend,
    dividends_response,
    row_text,
    split,
    splits_response,
)

EX_DATE = dt.date(2014, 6, 9)
SPLIT = split("AAPL", EX_DATE, 1, 7, "E1")
DIVIDEND = dividend("AAPL", EX_DATE, 0.47, "D1")


ASKED = splits_response([]).request.target


def _splits(*rows: Row) -> tuple[list[Split], list[Rejection]]:
    statement, rejections = decode_splits(as_payload(splits_response(rows), 7))
    return list(statement.records), rejections


def _dividends(*rows: Row) -> tuple[list[Dividend], list[Rejection]]:
    statement, rejections = decode_dividends(as_payload(dividends_response(rows), 7))
    return list(statement.records), rejections


def test_a_split_of_the_new_route_is_read() -> None:
    row = {**SPLIT, "adjustment_type": '"forward_split"', "historical_adjustment_factor": "0.017857"}
    expected = Split(
        "AAPL", "E1", EX_DATE, 1.0, 7.0, "forward_split", 0.017857, archive_seq=7, known_from=FETCHED_AT, asked=ASKED
    )
    assert _splits(row) == ([expected], [])


def test_a_split_of_the_old_route_is_read() -> None:
    expected = Split("AAPL", "E1", EX_DATE, 1.0, 7.0, None, archive_seq=7, known_from=FETCHED_AT, asked=ASKED)
    assert _splits(SPLIT) == ([expected], [])


def test_a_dividend_of_the_new_route_is_read() -> None:
    dates = {"declaration_date": '"2014-04-23"', "record_date": '"2014-06-11"', "pay_date": '"2014-06-12"'}
    [found], rejections = _dividends({**DIVIDEND, **dates})
    assert rejections == []
    assert found == Dividend(
        ticker="AAPL",
        vendor_id="D1",
        ex_dividend_date=EX_DATE,
        cash_amount=0.47,
        currency="USD",
        declaration_date=dt.date(2014, 4, 23),
        record_date=dt.date(2014, 6, 11),
        pay_date=dt.date(2014, 6, 12),
        frequency=4,
        distribution_type="recurring",
        archive_seq=7,
        known_from=FETCHED_AT,
        asked=dividends_response([]).request.target,
    )


def test_a_dividend_of_the_old_route_has_its_type_under_another_name() -> None:
    row = {field: value for field, value in DIVIDEND.items() if field != "distribution_type"}
    [found], _ = _dividends({**row, "dividend_type": '"CD"'})
    assert found.distribution_type == "CD"


@pytest.mark.parametrize("text", ['"USD"', "null", '""', "7", '["USD"]'])
def test_an_optional_text_is_a_text_or_unknown(text: str) -> None:
    [found], _ = _dividends({**DIVIDEND, "currency": text})
    assert found.currency == {'"USD"': "USD", '""': ""}.get(text)


@pytest.mark.parametrize(
    ("text", "frequency"),
    [
        ("4", 4),
        ("0", 0),
        ("4.0", 4),
        ("null", None),
        ('"4"', None),
        ("true", None),
        ("-1", None),
        ("1e+10", None),
        ("1e999", None),
    ],
)
def test_a_frequency_is_a_count_or_unknown(text: str, frequency: int | None) -> None:
    [found], rejections = _dividends({**DIVIDEND, "frequency": text})
    assert (found.frequency, rejections) == (frequency, [])


def test_texts_that_a_table_cannot_hold_are_escaped() -> None:
    [found], _ = _splits({**SPLIT, "id": '"E\\u00001"', "adjustment_type": '"a b"'})
    assert (found.vendor_id, found.adjustment_type) == ("E\\u00001", "a b")


@pytest.mark.parametrize("unnamed", ["{}", '{"id":null}', '{"id":7}'], ids=["absent", "null", "number"])
def test_a_split_without_an_id_is_known_by_date_and_ratio(unnamed: str) -> None:
    row = {field: value for field, value in SPLIT.items() if field != "id"}
    row |= {} if unnamed == "{}" else {"id": unnamed.partition(":")[2].rstrip("}")}
    [found], _ = _splits(row)
    [other], _ = _splits({**row, "split_to": "2"})
    assert found.vendor_id == "2014-06-09:1.0:7.0"
    assert other.vendor_id != found.vendor_id


def test_a_dividend_without_an_id_is_known_by_date_cash_and_type() -> None:
    row = {field: value for field, value in DIVIDEND.items() if field != "id"}
    [found], _ = _dividends(row)
    assert found.vendor_id == "2014-06-09:0.47:recurring"


SPLIT_REASONS: list[tuple[Row, list[str]]] = [
    ({**SPLIT, "ticker": "null"}, ["missing_ticker"]),
    ({**SPLIT, "ticker": '""'}, ["missing_ticker"]),
    ({**SPLIT, "ticker": "7"}, ["missing_ticker"]),
    ({**SPLIT, "ticker": '"A\\u0000"'}, ["control_in_ticker"]),
    ({**SPLIT, "execution_date": "null"}, ["missing_execution_date"]),
    ({**SPLIT, "execution_date": '""'}, ["missing_execution_date"]),
    ({**SPLIT, "execution_date": '"2014-06-31"'}, ["not_a_date"]),
    ({**SPLIT, "execution_date": "20140699"}, ["not_a_date"]),
    ({**SPLIT, "split_from": "0"}, ["not_positive_split_from"]),
    ({**SPLIT, "split_to": "-7"}, ["not_positive_split_to"]),
    ({**SPLIT, "split_to": "null"}, ["missing_split_to"]),
    ({**SPLIT, "split_to": '"7"'}, ["not_a_number_split_to"]),
    ({**SPLIT, "split_to": "true"}, ["not_a_number_split_to"]),
    ({**SPLIT, "split_to": "1e999"}, ["not_a_number_split_to"]),
    ({**SPLIT, "split_to": "1" + "0" * 400}, ["not_a_number_split_to"]),
    ({}, ["missing_execution_date", "missing_split_from", "missing_split_to", "missing_ticker"]),
]


@pytest.mark.parametrize(("row", "reasons"), SPLIT_REASONS, ids=lambda value: str(value)[:40])
def test_a_row_that_cannot_be_a_split_is_rejected_with_every_reason(row: Row, reasons: list[str]) -> None:
    [good], [rejection] = _splits(row, {**SPLIT, "id": '"E2"'})
    assert good.vendor_id == "E2"
    assert sorted(rejection.reasons) == reasons
    assert (rejection.archive_seq, rejection.row_index, rejection.row_text) == (7, 0, row_text(row))


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        ({**DIVIDEND, "cash_amount": "0"}, ["not_positive_cash_amount"]),
        ({**DIVIDEND, "cash_amount": "null"}, ["missing_cash_amount"]),
        ({**DIVIDEND, "ex_dividend_date": '"soon"'}, ["not_a_date"]),
        ({**DIVIDEND, "pay_date": '"soon"'}, ["not_a_date"]),
        ({**DIVIDEND, "record_date": "7"}, ["not_a_date"]),
        ({**DIVIDEND, "ticker": "null", "cash_amount": "-1"}, ["missing_ticker", "not_positive_cash_amount"]),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_row_that_cannot_be_a_dividend_is_rejected_with_every_reason(row: Row, reasons: list[str]) -> None:
    [good], [rejection] = _dividends(DIVIDEND, row)
    assert good.vendor_id == "D1"
    assert (rejection.row_index, sorted(rejection.reasons)) == (1, reasons)


def test_a_rejection_knows_ticker_and_date_where_the_row_has_them() -> None:
    _, [rejection] = _splits({**SPLIT, "ticker": '"A\\u0000"', "split_to": "0"})
    assert (rejection.ticker, rejection.session) == ("A\\u0000", EX_DATE)


@pytest.mark.parametrize("text", ["[1]", '"row"', "7", "null"])
def test_a_row_that_is_no_object_is_rejected(text: str) -> None:
    found, [rejection] = decode_splits(as_payload(splits_response(f'{{"results":[{text}]}}'.encode())))
    assert found.records == ()
    assert "not_an_object" in rejection.reasons


def test_bytes_that_are_no_text_reject_their_row_and_no_other() -> None:
    content = body([SPLIT, {**SPLIT, "ticker": '"GARBAGE"'}]).replace(b"GARBAGE", b"\xff")
    statement, [rejection] = decode_splits(as_payload(splits_response(content)))
    assert [found.ticker for found in statement.records] == ["AAPL"]
    assert rejection.reasons == ("missing_ticker",)
    assert rejection.session == EX_DATE


@pytest.mark.parametrize("content", [body(None), body([]), b'{"results":null}'])
def test_an_answer_without_results_holds_nothing(content: bytes) -> None:
    splits, rejected_splits = decode_splits(as_payload(splits_response(content)))
    dividends, rejected_dividends = decode_dividends(as_payload(dividends_response(content)))
    assert (splits.records, dividends.records, rejected_splits, rejected_dividends) == ((), (), [], [])


@pytest.mark.parametrize("content", [b"[]", b'{"results":{}}', b'{"results":7}'])
def test_json_of_an_unknown_shape_stops_the_replay(content: bytes) -> None:
    with pytest.raises(UndecodablePayload, match="payload 9 cannot be decoded"):
        decode_splits(as_payload(splits_response(content), 9))
    with pytest.raises(UndecodablePayload, match="payload 9 cannot be decoded"):
        decode_dividends(as_payload(dividends_response(content), 9))


_values = st.sampled_from(["1", "2.5", "0", "null", '"x"', '"AAPL"', '"2014-06-09"', "1e999", "true", "[]", "{}"])


@given(
    st.lists(st.dictionaries(st.sampled_from([*SPLIT, *DIVIDEND, "id"]), _values), max_size=6),
    st.sampled_from([splits_response, dividends_response]),
)
def test_every_row_is_an_action_or_a_rejection(rows: list[dict[str, str]], respond_with: object) -> None:
    assert callable(respond_with)
    response: Response = respond_with(rows)
    decode = decode_splits if respond_with is splits_response else decode_dividends
    statement, rejections = decode(as_payload(response))
    assert len(statement.records) + len(rejections) == len(rows)
    assert all(rejection.reasons for rejection in rejections)


@pytest.mark.parametrize(
    ("file", "count"), [("mock_v3_splits.json", 10), ("mock_v3_dividends.json", 10)], ids=["splits", "dividends"]
)
def test_the_vendors_own_samples_are_read_whole(market_data: Path, file: str, count: int) -> None:
    content = (market_data / "recorded" / file).read_bytes()
    statement, rejections = (
        decode_splits(as_payload(splits_response(content)))
        if "splits" in file
        else decode_dividends(as_payload(dividends_response(content)))
    )
    assert (len(statement.records), rejections) == (count, [])
