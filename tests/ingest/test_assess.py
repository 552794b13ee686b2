"""What a response is taken for: every way in which the vendor is known to answer, or not to."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.payload import Request, Response, Transfer
from ingest.assess import Assessment, Outcome, assess
from ingest.endpoints import dividends, grouped, holidays, range_bars, splits, ticker_events, tickers

MONDAY, TUESDAY, FRIDAY = dt.date(2024, 1, 8), dt.date(2024, 1, 9), dt.date(2024, 1, 12)
RANGE = range_bars("AAPL", MONDAY, FRIDAY)
# 00:00 New York, in winter 05:00 UTC; the grouped route stamps the same bar 16:00 New York.
MONDAY_MS, TUESDAY_MS = 1_704_690_000_000, 1_704_776_400_000
MONDAY_1600_MS = MONDAY_MS + 16 * 3_600_000


def response(
    body: Any, request: Request = RANGE, status: int = 200, transfer: Transfer = Transfer.COMPLETE
) -> Response:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    fetched_at = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    return Response("polygon", request, fetched_at, status, [], transfer, encoded)


def bar(t_ms: Any, **more: Any) -> dict[str, Any]:
    return {"o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0, "v": 1e6, "t": t_ms} | more


def envelope(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"ticker": "AAPL", "status": "OK", "results": list(rows), "adjusted": False} | more


def test_a_range_answer_gives_its_first_and_last_session() -> None:
    found = assess(response(envelope(bar(TUESDAY_MS), bar(MONDAY_MS))))
    assert (found.outcome, found.row_count) == (Outcome.ANSWER, 2)
    assert (found.first_session, found.last_session) == (MONDAY, TUESDAY)
    assert (found.next_url, found.message) == (None, None)


def test_a_grouped_answer_is_stamped_at_the_close_and_of_the_same_session() -> None:
    found = assess(response({"status": "OK", "results": [bar(MONDAY_1600_MS, T="BCpC")]}, grouped(MONDAY)))
    assert (found.outcome, found.first_session) == (Outcome.ANSWER, MONDAY)


def test_sessions_are_those_of_new_york_across_the_change_of_clocks() -> None:
    # Midnight in New York is 05:00 UTC on Friday 2024-03-08 and 04:00 UTC on Monday 2024-03-11.
    request = range_bars("AAPL", dt.date(2024, 3, 8), dt.date(2024, 3, 11))
    found = assess(response(envelope(bar(1_709_874_000_000), bar(1_710_129_600_000)), request))
    assert (found.first_session, found.last_session) == (request.from_date, request.to_date)


@pytest.mark.parametrize("results", [[], None, "absent"], ids=["empty list", "null", "absent"])
def test_an_answer_without_rows_is_an_answer(results: Any) -> None:
    body = envelope(resultsCount=0, queryCount=0)
    if results == "absent":
        del body["results"]
    else:
        body["results"] = results
    found = assess(response(body))
    assert (found.outcome, found.row_count, found.first_session) == (Outcome.EMPTY, 0, None)


def test_a_delayed_answer_is_an_answer() -> None:
    assert assess(response(envelope(bar(MONDAY_MS), status="DELAYED"))).outcome is Outcome.ANSWER


def test_rows_that_cannot_be_bars_are_left_to_the_projector() -> None:
    rows = [bar(MONDAY_MS), bar("x"), bar(None), {}, bar(10**30), bar(-1), bar(MONDAY_MS - 86_400_000 * 10)]
    found = assess(response(envelope(*rows)))
    assert (found.outcome, found.row_count) == (Outcome.ANSWER, 7)
    assert (found.first_session, found.last_session) == (MONDAY, MONDAY)


def test_splits_and_dividends_give_their_first_and_last_ex_dates() -> None:
    rows = [{"execution_date": "2020-08-31"}, {"execution_date": "2014-06-09"}, {"execution_date": "2014-02-30"}, {}]
    found = assess(response({"status": "OK", "results": rows}, splits(["AAPL"])))
    assert (found.first_session, found.last_session) == (dt.date(2014, 6, 9), dt.date(2020, 8, 31))
    found = assess(response({"status": "OK", "results": [{"ex_dividend_date": "2024-05-10"}]}, dividends(["AAPL"])))
    assert (found.row_count, found.last_session) == (1, dt.date(2024, 5, 10))


def test_a_next_page_is_noted_without_host_and_key() -> None:
    found = assess(response(envelope(bar(MONDAY_MS), next_url="https://api.massive.com/v2/x?cursor=b&apiKey=k&a=1")))
    assert found.next_request == "/v2/x?a=1&cursor=b"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, {"status": "ERROR", "error": "Unknown API Key"}, Outcome.BAD_KEY),
        (
            403,
            {"message": "Attempted to request today's data before end of day. Please upgrade your plan at https://x"},
            Outcome.NOT_YET,
        ),
        (
            403,
            {"message": "Your plan doesn't include this data timeframe. Please upgrade your plan at https://x"},
            Outcome.NEVER,
        ),
        (
            403,
            {"message": "You are not entitled to this data. Please upgrade your plan at https://x"},
            Outcome.NOT_ENTITLED,
        ),
        (403, b"<html>Forbidden</html>", Outcome.NOT_ENTITLED),
        (404, {"status": "NOT_FOUND", "message": "Data not found."}, Outcome.NOT_FOUND),
        (404, b"404 page not found", Outcome.NOT_FOUND),
        (429, {"error": "You've exceeded the maximum requests per minute"}, Outcome.THROTTLED),
        (500, b"", Outcome.VENDOR_FAILED),
        (503, b"upstream connect error", Outcome.VENDOR_FAILED),
        (301, b"", Outcome.REFUSED),
        (400, {"error": "bad"}, Outcome.REFUSED),
        (204, b"", Outcome.REFUSED),
    ],
)
def test_a_status_that_is_no_answer_is_told_apart_by_status_and_message(
    status: int, body: Any, outcome: Outcome
) -> None:
    found = assess(response(body, status=status))
    assert found.outcome is outcome
    assert found.message is not None
    assert found.message.startswith(f"{status}: ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html><html>Just a moment", "DOCTYPE"),
        (b'{"status":"OK","results":[{"t":170469', "not the JSON"),
        (b"", "an empty body"),
        (b"[]", "not the JSON"),
        (b"{}", "neither status nor results"),
        (b"null", "not the JSON"),
        (b'{"status":"OK","results":{"a":1}}', "not the JSON"),
        (b"[" * 100_000, "not the JSON"),
        (b"\xff\xfe", "not the JSON"),
        (b'{"status":"ERROR","error":"no such thing"}', "no such thing"),
        (b'{"status":"OK","ticker":"MSFT","results":[]}', "'MSFT'"),
        (b'{"status":"OK","ticker":"aapl","results":[]}', "'aapl'"),
        (json.dumps(envelope(bar(MONDAY_MS - 86_400_000 * 30))).encode(), "none of its 1 rows"),
        (json.dumps(envelope(bar(MONDAY_MS), next_url="http://[/\x00")).encode(), "next_url"),
    ],
)
def test_a_200_that_does_not_answer_the_request_is_no_answer(body: bytes, said: str) -> None:
    found = assess(response(body))
    assert found.outcome is Outcome.NOT_AN_ANSWER
    assert found.message is not None
    assert said in found.message
    assert found.row_count == 0


@pytest.mark.parametrize("transfer", [Transfer.CUT_SHORT, Transfer.BROKEN_ENCODING])
def test_a_body_that_did_not_come_whole_is_no_answer_even_if_it_looks_like_one(transfer: Transfer) -> None:
    found = assess(response(envelope(bar(MONDAY_MS)), transfer=transfer))
    assert found.outcome is Outcome.NOT_AN_ANSWER


def test_a_vendors_text_cannot_break_a_line_or_fill_a_log() -> None:
    found = assess(response({"error": "a\r\nERROR forged \x1b[31m\u2028" + "x" * 10_000}, status=500))
    assert found.message is not None
    assert found.message.isprintable()
    assert len(found.message) < 250


@given(st.binary(max_size=200), st.sampled_from([200, 401, 403, 404, 429, 500]))
def test_no_body_can_crash_it(body: bytes, status: int) -> None:
    assess(response(body, status=status))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON, _JSON, _JSON)
def test_no_envelope_can_crash_it_or_leave_text_the_database_refuses(
    results: Any, next_url: Any, t: Any, status: Any
) -> None:
    body = {"status": status, "results": [{"t": t}, results], "next_url": next_url}
    for each in (body, body | {"results": results}):
        found = assess(response(each))
        assert "\x00" not in f"{found.message}{found.next_request}"


def test_every_recorded_range_and_grouped_response_is_an_answer(market_data: Path) -> None:
    cases = {
        "v2_aggs_range_1_day_AAPL_2024-12-30_2025-01-07.raw.json": ("AAPL", "2024-12-30", "2025-01-07", 6),
        "v2_aggs_range_1_day_AAPL_2025-01-15_2025-01-17.raw.json": ("AAPL", "2025-01-15", "2025-01-17", 3),
        "v2_aggs_range_1_day_NVDA_2024-10-14_DELAYED.json": ("NVDA", "2024-10-14", "2024-10-14", 1),
        "v2_aggs_range_MRK_2021-06-11_BAD_LOW.json": ("MRK", "2021-06-11", "2021-06-11", 1),
    }
    for name, (ticker, first, last, rows) in cases.items():
        request = range_bars(ticker, dt.date.fromisoformat(first), dt.date.fromisoformat(last))
        found = assess(response((market_data / "recorded" / name).read_bytes(), request))
        assert (found.outcome, found.row_count) == (Outcome.ANSWER, rows), name
        assert (found.first_session, found.last_session) == (request.from_date, request.to_date), name
    day = grouped(dt.date(2019, 2, 1))
    found = assess(response((market_data / "recorded" / "grouped_daily_2019-02-01.json").read_bytes(), day))
    assert (found.outcome, found.row_count, found.last_session) == (Outcome.ANSWER, 8374, day.from_date)


def test_every_recorded_refusal_is_told_apart(market_data: Path) -> None:
    lines = (market_data / "recorded" / "errors.ndjson").read_text().splitlines()
    refusals = [json.loads(line) for line in lines]
    found = [assess(response(each["body"], status=each["http"])).outcome for each in refusals]
    assert [str(outcome) for outcome in found] == [
        *("bad_key", "bad_key", "never", "not_yet", "not_entitled", "not_found", "throttled")
    ]


def test_lists_for_reference_are_answers_in_their_own_shapes() -> None:
    coming = b'[{"date":"2026-11-26","exchange":"NYSE","name":"Thanksgiving","status":"closed"}]'
    assert assess(response(coming, holidays())) == Assessment(Outcome.ANSWER, 1)
    assert assess(response(b"[]", holidays())).outcome is Outcome.EMPTY
    renamed = b'{"status":"OK","results":{"name":"Meta","events":[{"type":"ticker_change","date":"2022-06-09"}]}}'
    assert assess(response(renamed, ticker_events("META"))) == Assessment(Outcome.ANSWER, 1)
    assert assess(response(b'{"status":"OK"}', ticker_events("META"))).outcome is Outcome.EMPTY
    assert assess(response(b'{"status":"OK","results":[]}', ticker_events("META"))).outcome is Outcome.NOT_AN_ANSWER
    listed = b'{"status":"OK","results":[{"ticker":"A"}],"next_url":"https://api.massive.com/v3/x?cursor=1"}'
    assert assess(response(listed, tickers(None, active=True))).next_request == "/v3/x?cursor=1"


def test_a_bar_marked_as_traded_over_the_counter_is_noted() -> None:
    assert assess(response(envelope(bar(MONDAY_MS), bar(TUESDAY_MS, otc=True)))).otc is True
    # It came to an exchange since.
    assert assess(response(envelope(bar(MONDAY_MS, otc=True), bar(TUESDAY_MS)))).otc is False
    assert assess(response({"status": "OK", "results": [bar(MONDAY_1600_MS, otc=True)]}, grouped(MONDAY))).otc is False


def test_a_ticker_without_events_is_an_empty_answer() -> None:
    not_found = b'{"status":"NOT_FOUND","message":"Data not found."}'
    assert assess(response(not_found, ticker_events("GONE"), 404)) == Assessment(
        Outcome.EMPTY, message="Data not found."
    )
