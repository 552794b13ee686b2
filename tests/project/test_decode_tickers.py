"""Lists of tickers and ticker changes: read with every byte of a ticker, and every row that cannot be one rejected."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.errors import UndecodablePayload
from project.names.decode import decode_listings, decode_ticker_changes
from project.names.listing import Listing
from project.rebuild import rebuild
from project.rejection import Rejection
from project.replay import catch_up
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.payloads import FETCHED_AT, archive_all, as_payload, respond
from tests.project.tables import all_tables, fingerprint_of_tables, the_generation
from tests.project.tickers_payloads import Facts, events_response, listed, tickers_response

FIGI, CIK = "BBG000MM2P62", "0001326801"
RULESET = read_ruleset(DEFAULT_RULES)
NOW = dt.datetime(2024, 7, 2, tzinfo=dt.UTC)
CHANGES = [("META", "2022-06-11"), ("FB", "2012-05-18")]


def _listings(*rows: Facts) -> tuple[list[Listing], list[Rejection]]:
    statement, rejections = decode_listings(as_payload(tickers_response(rows), 7), {})
    assert (statement.archive_seq, statement.whole, statement.ended) == (7, False, ())
    return list(statement.records), rejections


def test_a_listing_is_read_whole() -> None:
    row = listed("A", name="Agilent Technologies Inc.", cik="1", composite_figi="BBG0", share_class_figi="BBG1")
    [found], rejections = _listings(row)
    assert rejections == []
    assert found == Listing(
        ticker="A",
        security_id="BBG0",
        name="Agilent Technologies Inc.",
        market="stocks",
        type="CS",
        primary_exchange="XNAS",
        cik="1",
        composite_figi="BBG0",
        share_class_figi="BBG1",
        active=True,
        delisted_on=None,
        archive_seq=7,
        known_from=FETCHED_AT,
        asked="/v3/reference/tickers?active=true&limit=1000&market=stocks&order=asc&sort=ticker",
    )


@pytest.mark.parametrize(
    ("ids", "security_id"),
    [
        ({"composite_figi": "BBG0", "share_class_figi": "BBG1", "cik": "1"}, "BBG0"),
        ({"share_class_figi": "BBG1", "cik": "1"}, "BBG1"),
        ({"cik": "1"}, "1"),
        ({"composite_figi": "", "cik": None}, "ticker:A"),
    ],
    ids=["composite", "share class", "company", "made"],
)
def test_a_security_is_known_by_the_best_id_that_the_vendor_has(ids: Facts, security_id: str) -> None:
    [found], _ = _listings(listed("A", **ids))
    assert found.security_id == security_id


@pytest.mark.parametrize(
    ("delisted_utc", "delisted_on"),
    [
        ("2022-10-28T04:00:00Z", dt.date(2022, 10, 28)),
        ("2022-10-28T00:00:00Z", dt.date(2022, 10, 27)),
        ("2022-10-28", dt.date(2022, 10, 28)),
        ("2022-10-28T00:00:00", dt.date(2022, 10, 28)),
        ("", None),
    ],
)
def test_a_delisting_is_of_the_date_in_new_york(delisted_utc: str, delisted_on: dt.date | None) -> None:
    [found], _ = _listings(listed("A", delisted_utc=delisted_utc))
    assert (found.delisted_on, found.active) == (delisted_on, False)


def test_without_a_word_on_it_a_ticker_that_was_not_delisted_is_active() -> None:
    rows = [listed("A", active=None), listed("B", active=None, delisted_utc="2022-10-28")]
    found, _ = _listings(*rows)
    assert [listing.active for listing in found] == [True, False]


def test_tickers_keep_their_case_and_are_told_apart_by_it() -> None:
    found, _ = _listings(listed("BCpC", composite_figi="BBG1"), listed("BCPC", composite_figi="BBG2"))
    assert [listing.key for listing in found] == [("BCpC", "BBG1"), ("BCPC", "BBG2")]


def test_securities_of_one_ticker_without_an_id_are_told_apart_by_their_delisting() -> None:
    dates = ("2008-05-03", None, "2014-09-01")
    found, _ = _listings(*(listed("AAC", delisted_utc=date) for date in dates))
    assert [listing.security_id for listing in found] == [
        "ticker:AAC:2008-05-03",
        "ticker:AAC",
        "ticker:AAC:2014-09-01",
    ]


def test_a_name_is_kept_as_it_is_but_for_what_a_table_cannot_hold() -> None:
    found, _ = _listings(listed("A", name='S&P® "500" Fund'), listed("B", name="a\x00b\n"), listed("C", name=""))
    assert [listing.name for listing in found] == ['S&P® "500" Fund', "a\\u0000b\\u000a", None]


@pytest.mark.parametrize(
    ("row", "reasons", "ticker"),
    [
        (listed("A") | {"ticker": None}, ("missing_ticker",), None),
        (listed("A") | {"ticker": ""}, ("missing_ticker",), None),
        (listed("A") | {"ticker": 7}, ("missing_ticker",), None),
        (listed("A\x00"), ("control_in_ticker",), "A\\u0000"),
        (listed("A", delisted_utc="soon"), ("not_a_date",), "A"),
        (listed("A", delisted_utc=7), ("not_a_date",), "A"),
        (listed("A B", delisted_utc="2022-02-30"), ("control_in_ticker", "not_a_date"), "A B"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_row_that_cannot_be_a_listing_is_rejected(row: Facts, reasons: tuple[str, ...], ticker: str | None) -> None:
    [good], [rejection] = _listings(listed("GOOD"), row)
    assert good.ticker == "GOOD"
    assert rejection.reasons == reasons
    assert (rejection.archive_seq, rejection.row_index, rejection.ticker, rejection.session) == (7, 1, ticker, None)
    assert json.loads(rejection.row_text) == row


@pytest.mark.parametrize("text", ["[1]", '"row"', "7", "null"])
def test_a_row_that_is_no_object_is_rejected(text: str) -> None:
    payload = as_payload(tickers_response(f'{{"results":[{text}]}}'.encode()))
    statement, [rejection] = decode_listings(payload, {})
    assert (statement.records, rejection.reasons) == ((), ("not_an_object",))


def test_what_is_not_as_due_in_one_row_costs_no_other_row_anything() -> None:
    content = b'{"results":[{"ticker":"A","cik":7,"name":"\xff","active":"yes"},{"ticker":"B","cik":"1"}]}'
    statement, rejections = decode_listings(as_payload(tickers_response(content)), {})
    assert rejections == []
    assert [(one.ticker, one.cik, one.name, one.active) for one in statement.records] == [
        ("A", None, None, True),
        ("B", "1", None, True),
    ]


def test_what_a_batch_has_just_said_is_not_said_again() -> None:
    said: dict[Any, Any] = {}
    rows = [listed("A"), listed("B")]
    first, _ = decode_listings(as_payload(tickers_response(rows), 1), said)
    again, _ = decode_listings(as_payload(tickers_response(rows), 2), said)
    renamed, _ = decode_listings(as_payload(tickers_response([listed("A", name="Other"), rows[1]]), 3), said)
    back, _ = decode_listings(as_payload(tickers_response(rows), 4), said)
    assert [len(one.records) for one in (first, again, renamed, back)] == [2, 0, 1, 1]


@pytest.mark.parametrize("content", [b'{"results":null}', b'{"results":[]}', b'{"status":"OK"}'])
def test_an_answer_without_results_holds_nothing(content: bytes) -> None:
    statement, rejections = decode_listings(as_payload(tickers_response(content)), {})
    assert (statement.records, rejections) == ((), [])
    changes, rejections = decode_ticker_changes(as_payload(events_response("FB", b'{"results":null}')))
    assert (changes.records, changes.whole, rejections) == ((), False, [])


@pytest.mark.parametrize("content", [b"[]", b'{"results":{"events":7}}', b'{"results":7}'])
def test_json_of_an_unknown_shape_stops_the_replay(content: bytes) -> None:
    with pytest.raises(UndecodablePayload, match="payload 9 cannot be decoded"):
        decode_listings(as_payload(tickers_response(content), 9), {})
    with pytest.raises(UndecodablePayload, match="payload 9 cannot be decoded"):
        decode_ticker_changes(as_payload(events_response("FB", content), 9))


_values: st.SearchStrategy[object] = st.sampled_from(
    [None, "A", "", "2022-06-11", "2022-06-11T04:00:00Z", "soon", 7, True, [], {}]
)


@given(st.lists(st.dictionaries(st.sampled_from(["ticker", "delisted_utc", "active", "name", "cik"]), _values)))
def test_every_row_is_a_listing_or_a_rejection(rows: list[dict[str, object]]) -> None:
    payload = as_payload(tickers_response(json.dumps({"results": rows}).encode()))
    said: dict[Any, Any] = {}
    statement, rejections = decode_listings(payload, said)
    keys = [one.key for one in statement.records]
    assert len(rejections) + len(keys) <= len(rows)
    assert set(keys) == set(said)
    assert all(rejection.reasons for rejection in rejections)


def test_the_changes_of_a_security_are_read() -> None:
    payload = as_payload(events_response("META", CHANGES, name="Meta", composite_figi=FIGI, cik=CIK), 7)
    statement, rejections = decode_ticker_changes(payload)
    assert rejections == []
    assert [one.key for one in statement.records] == [
        ("META", FIGI, dt.date(2022, 6, 11)),
        ("FB", FIGI, dt.date(2012, 5, 18)),
    ]
    assert {(one.name, one.archive_seq, one.known_from) for one in statement.records} == {("Meta", 7, FETCHED_AT)}
    assert statement.whole


def test_by_whichever_name_it_was_asked_for_it_is_one_question() -> None:
    responses = [events_response(name, CHANGES, composite_figi=FIGI) for name in ("FB", "META")]
    answers = [decode_ticker_changes(as_payload(response)) for response in responses]
    assert answers[0] == answers[1]
    assert answers[0][0].asked == f"/vX/reference/tickers/{FIGI}/events?types=ticker_change"


@pytest.mark.parametrize(
    ("figi", "cik", "security_id"), [(None, CIK, CIK), (None, None, "ticker:FB"), (7, None, "ticker:FB")]
)
def test_a_security_without_a_figi_is_known_by_its_company_or_its_ticker(
    figi: object, cik: object, security_id: str
) -> None:
    response = events_response("FB", CHANGES, composite_figi=figi, cik=cik)
    statement, _ = decode_ticker_changes(as_payload(response))
    assert {one.security_id for one in statement.records} == {security_id}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("{}", "missing_ticker"),
        ('{"ticker_change":{"ticker":""},"date":"2022-06-11"}', "missing_ticker"),
        ('{"ticker_change":{"ticker":"A B"},"date":"2022-06-11"}', "control_in_ticker"),
        ('{"ticker_change":{"ticker":"A"}}', "missing_date"),
        ('{"ticker_change":{"ticker":"A"},"date":"2022-06-31"}', "not_a_date"),
        ('{"ticker_change":{"ticker":"A"},"date":7}', "not_a_date"),
        ('{"ticker_change":7}', "not_an_object"),
        ("7", "not_an_object"),
    ],
)
def test_an_event_that_cannot_be_a_change_is_rejected_and_withdraws_nothing(event: str, reason: str) -> None:
    good = '{"ticker_change":{"ticker":"FB"},"date":"2012-05-18"}'
    content = f'{{"results":{{"composite_figi":"{FIGI}","events":[{event},{good}]}}}}'.encode()
    statement, [rejection] = decode_ticker_changes(as_payload(events_response("FB", content), 7))
    assert [one.ticker for one in statement.records] == ["FB"]
    assert reason in rejection.reasons
    assert (rejection.archive_seq, rejection.row_index, rejection.row_text) == (7, 0, event)
    assert not statement.whole


def test_the_vendors_own_samples_are_read_whole(market_data: Path) -> None:
    content = (market_data / "recorded" / "mock_v3_tickers_page1.json").read_bytes()
    statement, rejections = decode_listings(as_payload(tickers_response(content)), {})
    assert rejections == []
    assert [(one.ticker, one.security_id) for one in statement.records] == [
        ("A", "BBG000C2V3D6"),
        ("AA", "BBG00B3T3HD3"),
    ]
    content = (market_data / "recorded" / "mock_vX_ticker_events_META.json").read_bytes()
    changes, rejections = decode_ticker_changes(as_payload(events_response("META", content)))
    assert rejections == []
    assert [one.key for one in changes.records] == [
        ("META", FIGI, dt.date(2022, 6, 11)),
        ("FB", FIGI, dt.date(2012, 5, 18)),
    ]


async def _versions(pool: asyncpg.Pool, table: str, column: str) -> list[tuple[Any, ...]]:
    rows = await pool.fetch(f"SELECT ticker, {column}, archive_seq, ended_by FROM projection.{table}")
    return sorted(tuple(row) for row in rows)


async def test_a_listing_stands_until_something_else_is_said_of_it(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    """It drops out of the second list, is delisted in the third, and the fourth payload says nothing new."""
    await rebuild(project_pool, RULESET, lambda: NOW)
    rows = [listed("A", composite_figi="BBG1"), listed("B", composite_figi="BBG2")]
    gone = listed("A", composite_figi="BBG1", delisted_utc="2024-06-03T04:00:00Z")
    for answer in (rows, rows[1:], [gone], [gone]):
        await archive_all(ingest_pool, [tickers_response(answer)])
        await catch_up(project_pool, lambda: NOW)
    assert await _versions(project_pool, "listing", "active") == [
        ("A", False, 3, None),
        ("A", True, 1, 3),
        ("B", True, 1, None),
    ]
    await _rebuilds_the_same(project_pool)


async def test_a_change_that_is_dated_anew_is_withdrawn_and_an_unknown_ticker_withdraws_nothing(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await rebuild(project_pool, RULESET, lambda: NOW)
    first = events_response("FB", CHANGES, composite_figi=FIGI)
    redated = events_response("META", [("META", "2022-06-09"), CHANGES[1]], composite_figi=FIGI)
    unknown = respond(first.request, b'{"status":"NOT_FOUND","message":"Data not found."}', status=404)
    for answer in (first, redated, unknown):
        await archive_all(ingest_pool, [answer])
        await catch_up(project_pool, lambda: NOW)
    assert await _versions(project_pool, "ticker_change", "changed_on") == [
        ("FB", dt.date(2012, 5, 18), 1, None),
        ("META", dt.date(2022, 6, 9), 2, None),
        ("META", dt.date(2022, 6, 11), 1, 2),
    ]
    await _rebuilds_the_same(project_pool)


async def _rebuilds_the_same(pool: asyncpg.Pool) -> None:
    caught_up, generation = await all_tables(pool), await the_generation(pool)
    assert await fingerprint_of_tables(pool) == generation.fingerprint
    await rebuild(pool, RULESET, lambda: NOW)
    assert await all_tables(pool) == caught_up
    assert (await the_generation(pool)).provenance_hash == generation.provenance_hash
