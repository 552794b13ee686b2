"""What a response to the request for a flat file is, without reading a price."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.payload import Transfer
from ingest.assess import Assessment, Outcome
from ingest.flat.assess import assess_flat_file
from tests.flat_payloads import COLUMNS, flat_bar, flat_csv, flat_file, flat_response, zipped
from tests.payloads import FETCHED_AT

DAY, NEXT_DAY = dt.date(2024, 6, 4), dt.date(2024, 6, 5)
ROWS = [flat_bar("AAPL", DAY), flat_bar("MSFT", DAY)]
FRIDAY = dt.date(2024, 6, 28)
# The instant from which on it is believed that Friday's session has no file, and the one before.
SUNDAY = dt.datetime(2024, 6, 30, 0, 30, tzinfo=dt.UTC)
SATURDAY = dt.datetime(2024, 6, 29, 0, 29, tzinfo=dt.UTC)


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Said\nso.</Message></Error>".encode()


@given(st.permutations([*COLUMNS, "otc"]))
def test_a_file_has_its_lines_and_its_session_whatever_order_the_columns_have(columns: list[str]) -> None:
    assessment = assess_flat_file(flat_response(DAY, flat_file(ROWS, columns)))
    assert assessment == Assessment(Outcome.ANSWER, 2, DAY, DAY)


@pytest.mark.parametrize(
    "body",
    [
        zipped(flat_csv(ROWS).replace(b"\n", b"\r\n")),
        zipped(b"\xef\xbb\xbf" + flat_csv(ROWS).rstrip(b"\n")),
        zipped("\n".join(",".join(f'"{x}"' for x in row) for row in (COLUMNS, *(r.values() for r in ROWS))).encode()),
        flat_file([*ROWS[:1], flat_bar("MSFT", NEXT_DAY)]),
        flat_file([*ROWS[:1], ROWS[1] | {"window_start": "soon"}]),
        zipped(flat_csv(ROWS[:1]) + b"spoiled\n"),
    ],
    ids=["CRLF", "byte order mark", "quoted", "a line of another session", "a line of no session", "a spoiled line"],
)
def test_lines_are_counted_however_they_are_written_and_spoiled(body: bytes) -> None:
    assert assess_flat_file(flat_response(DAY, body)) == Assessment(Outcome.ANSWER, 2, DAY, DAY)


def test_a_file_of_another_session_is_an_answer_that_has_none_of_the_session_asked_for() -> None:
    found = assess_flat_file(flat_response(DAY, [flat_bar("A", NEXT_DAY)]))
    assert (found.outcome, found.row_count, found.first_session) == (Outcome.ANSWER, 1, None)
    assert found.message == "none of its 1 lines is of its session, the first is of 2024-06-05"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "names no ticker and window_start: ''"),
        (flat_file([]), "a header and no line"),
        (zipped(",".join(COLUMNS).encode()), "a header and no line"),
        (b"<html></html>", "no whole gzip"),
        (flat_csv(ROWS), "no whole gzip"),
        (flat_file(ROWS)[:-4], "no whole gzip"),
        (zipped(b""), "names no ticker"),
        (zipped(b"<html>\x1b[31m,</html>"), "names no ticker and window_start: '<html> [31m,</html>'"),
        (zipped(b"symbol,window_start\nAAPL,1\n"), "names no ticker"),
    ],
)
def test_what_is_no_file_is_no_answer(body: bytes, why: str) -> None:
    found = assess_flat_file(flat_response(DAY, body))
    assert found.outcome is Outcome.NOT_AN_ANSWER
    assert why in (found.message or "")


def test_a_body_cut_short_is_no_answer_even_if_it_unzips() -> None:
    found = assess_flat_file(flat_response(DAY, ROWS, transfer=Transfer.CUT_SHORT))
    assert (found.outcome, found.row_count) == (Outcome.NOT_AN_ANSWER, 0)


@pytest.mark.parametrize(("times", "outcome"), [(100, Outcome.ANSWER), (101, Outcome.NOT_AN_ANSWER)])
def test_a_file_of_minutes_is_no_file_of_days(times: int, outcome: Outcome) -> None:
    midnight = int(ROWS[0]["window_start"])
    rows = [ROWS[0] | {"window_start": str(midnight + minute * 60 * 10**9)} for minute in range(times)]
    assert assess_flat_file(flat_response(DAY, rows)).outcome is outcome


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (403, "AccessDenied", Outcome.BAD_KEY),
        (403, "SignatureDoesNotMatch", Outcome.BAD_KEY),
        (403, "InvalidAccessKeyId", Outcome.BAD_KEY),
        (401, "", Outcome.BAD_KEY),
        (400, "AuthorizationHeaderMalformed", Outcome.BAD_KEY),
        (301, "PermanentRedirect", Outcome.BAD_KEY),
        (404, "NoSuchBucket", Outcome.BAD_KEY),
        (404, "NoSuchKey", Outcome.NOT_FOUND),
        (404, "", Outcome.NOT_FOUND),
        (400, "RequestTimeout", Outcome.VENDOR_FAILED),
        (408, "", Outcome.VENDOR_FAILED),
        (429, "", Outcome.THROTTLED),
        (503, "SlowDown", Outcome.VENDOR_FAILED),
        (500, "", Outcome.VENDOR_FAILED),
        (416, "InvalidRange", Outcome.REFUSED),
    ],
)
def test_a_refusal_is_told_by_its_status_and_its_code(status: int, code: str, outcome: Outcome) -> None:
    body = _error(code) if code else b"<html>"
    found = assess_flat_file(flat_response(DAY, body, status=status))
    assert found.outcome is outcome
    assert str(status) in (found.message or "")
    assert code in (found.message or "")
    assert (found.message or "").isprintable()


@pytest.mark.parametrize(
    ("fetched_at", "status", "code", "outcome"),
    [
        (SATURDAY, 404, "NoSuchKey", Outcome.NOT_YET),
        (SATURDAY, 404, "", Outcome.NOT_YET),
        (SATURDAY, 403, "AccessDenied", Outcome.NOT_YET),
        (SATURDAY, 403, "SignatureDoesNotMatch", Outcome.BAD_KEY),
        (SATURDAY, 404, "NoSuchBucket", Outcome.BAD_KEY),
        (SATURDAY, 503, "SlowDown", Outcome.VENDOR_FAILED),
        (SUNDAY, 404, "NoSuchKey", Outcome.NOT_FOUND),
        (SUNDAY, 403, "AccessDenied", Outcome.BAD_KEY),
    ],
)
def test_a_file_that_may_come_yet_is_not_missed(
    fetched_at: dt.datetime, status: int, code: str, outcome: Outcome
) -> None:
    body = _error(code) if code else b""
    assert assess_flat_file(flat_response(FRIDAY, body, status=status, fetched_at=fetched_at)).outcome is outcome


@given(st.binary(max_size=200), st.booleans())
def test_no_body_is_beyond_assessing(text: bytes, compressed: bool) -> None:
    found = assess_flat_file(flat_response(DAY, zipped(text) if compressed else text, fetched_at=FETCHED_AT))
    assert found.outcome in (Outcome.NOT_AN_ANSWER, Outcome.ANSWER)
