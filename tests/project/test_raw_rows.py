"""Raw rows are counted and found as they were sent, by a reading of their own."""

import datetime as dt
import gzip

import pytest

from archive.payload import Response, Transfer
from project.audit.raw_rows import RawRow, count_rows, find_row, holds_bars
from tests.flat_payloads import flat_bar, flat_response
from tests.payloads import (
    as_payload,
    bar,
    body,
    grouped_response,
    range_response,
    respond,
    row_text,
    split,
    splits_response,
)

DAY, NEXT_DAY = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
ROWS = [bar(DAY, ticker="BCPC"), bar(DAY, 11.0, ticker="BCpC"), bar(DAY, 12.0, ticker="BCpC")]


@pytest.mark.parametrize(
    ("response", "count"),
    [
        (grouped_response(DAY, ROWS), 3),
        (range_response("AAPL", []), 0),
        (range_response("AAPL", body(None)), 0),
        (range_response("AAPL", b'{"results":null}'), 0),
        (range_response("AAPL", b'{"results":[{"o":1},7,"x"]}'), 3),
        (range_response("AAPL", b"<html>"), 0),
        (respond(range_response("AAPL", []).request, body(ROWS), status=500), 0),
        (respond(range_response("AAPL", []).request, body(ROWS), transfer=Transfer.CUT_SHORT), 0),
        (splits_response([split("AAPL", DAY, 1, 2)]), 0),
        (flat_response(DAY, [flat_bar("AAPL", DAY), flat_bar("BCpC", DAY), {"ticker": "x"}]), 3),
        (flat_response(DAY, b"no gzip"), 0),
        (flat_response(DAY, [flat_bar("AAPL", DAY) | {"window_start": str(n)} for n in range(300)]), 0),
    ],
)
def test_rows_are_counted_and_what_is_no_answer_has_none(response: Response, count: int) -> None:
    assert count_rows(as_payload(response)) == count


def test_only_answers_to_questions_for_bars_hold_bars() -> None:
    assert holds_bars(as_payload(grouped_response(DAY, [])))
    assert not holds_bars(as_payload(splits_response([])))


def test_the_first_row_that_was_not_rejected_is_found_by_ticker_and_session() -> None:
    payload = as_payload(grouped_response(DAY, ROWS))
    assert find_row(payload, "BCpC", DAY, set()) == RawRow(1, row_text(ROWS[1]))
    assert find_row(payload, "BCpC", DAY, {1}) == RawRow(2, row_text(ROWS[2]))
    assert find_row(payload, "BCpC", NEXT_DAY, set()) is None
    assert find_row(payload, "MSFT", DAY, set()) is None


def test_a_row_without_a_name_has_that_of_the_answer_or_of_the_question() -> None:
    rows = [bar(NEXT_DAY), {**bar(DAY), "t": "null"}, {**bar(DAY), "t": "1e300"}, bar(DAY)]
    for ticker in ("AAPL", None):
        payload = as_payload(range_response("AAPL", body(rows, ticker)))
        assert find_row(payload, "AAPL", DAY, {1, 2}) == RawRow(3, row_text(rows[3]))
        assert find_row(payload, "AAPL", DAY, set()) == RawRow(3, row_text(rows[3]))


def test_a_row_of_a_flat_file_is_found_as_its_line() -> None:
    rows = [flat_bar("BCPC", DAY), flat_bar("BCpC", DAY, 11.0), flat_bar("BCpC", DAY, 12.0)]
    payload = as_payload(flat_response(DAY, rows))
    lines = gzip.decompress(payload.response.body).decode().splitlines()
    assert find_row(payload, "BCpC", DAY, set()) == RawRow(1, lines[2])
    assert find_row(payload, "BCpC", DAY, {1}) == RawRow(2, lines[3])
    assert find_row(payload, "BCpC", NEXT_DAY, set()) is None
