"""A batch: which decoder reads a payload, and every ticker that payloads spoke of or were asked for."""

import datetime as dt

import msgspec
import pytest

from archive.calendar import exchange_calendar
from archive.payload import Endpoint, Request, Response
from project.batch import Batch
from tests.payloads import (
    as_payload,
    bar,
    dividend,
    dividends_response,
    grouped_response,
    range_response,
    respond,
    split,
    splits_response,
)
from tests.project.random_archive import small_ruleset

DAY = dt.date(2024, 6, 4)


def _batch(*responses: Response) -> Batch:
    batch = Batch(exchange_calendar(), small_ruleset(), {})
    for seq, response in enumerate(responses, start=1):
        batch.add(as_payload(response, seq))
    return batch


def test_each_kind_of_answer_is_read_by_its_own_decoder() -> None:
    batch = _batch(
        range_response("AAPL", [bar(DAY)]),
        grouped_response(DAY, [bar(DAY, ticker="BCpC")]),
        splits_response([split("AAPL", DAY, 1, 2)]),
        dividends_response([dividend("AAPL", DAY, 0.5)]),
    )
    assert [rows.archive_seq.tolist() for rows in batch.bars] == [[1], [2]]
    assert {table: [said.archive_seq for said in stated] for table, stated in batch.statements.items()} == {
        "split": [3],
        "dividend": [4],
    }
    assert (batch.payloads, batch.last_seq, batch.rejections) == (4, 4, [])


@pytest.mark.parametrize("endpoint", [Endpoint.HOLIDAYS])
def test_a_payload_that_nobody_decodes_holds_no_rows_whatever_its_shape(endpoint: Endpoint) -> None:
    batch = _batch(respond(Request(endpoint, "/v3/x"), b"[1,2]"))
    assert (batch.bars, batch.rejections, batch.payloads) == ([], [], 1)


def test_a_payload_of_another_vendor_holds_no_rows_yet() -> None:
    response = msgspec.structs.replace(range_response("AAPL", [bar(DAY)]), source="other")
    assert _batch(response).bars == []


def test_a_ticker_that_was_asked_for_is_spoken_of_even_without_rows() -> None:
    assert _batch(range_response("AAPL", []), range_response("BCpC", [])).spoken == {"AAPL": 1, "BCpC": 2}


def test_the_last_payload_that_spoke_of_a_ticker_is_kept() -> None:
    responses = [range_response("AAPL", []), grouped_response(DAY, [bar(DAY, ticker=name) for name in ("AAPL", "B")])]
    assert _batch(*responses, range_response("B", [])).spoken == {"AAPL": 2, "B": 3}


def test_a_rejected_row_speaks_of_its_ticker_too() -> None:
    batch = _batch(grouped_response(DAY, [bar(DAY, ticker="ZVZZT"), bar(DAY, ticker="A\0")]))
    assert batch.spoken == {"ZVZZT": 1, "A\\u0000": 1}
    assert len(batch.rejections) == 2


def test_an_error_speaks_of_nobody() -> None:
    batch = _batch(respond(range_response("AAPL", []).request, b'{"status":"ERROR"}', status=429))
    assert (batch.spoken, batch.payloads) == ({}, 1)
