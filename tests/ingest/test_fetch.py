"""One request against a vendor that misbehaves in every way it is known to: what is archived, what is asked again."""

import asyncio
import datetime as dt
import gzip
import json
import logging
from collections.abc import Callable

import msgspec
import pytest

from archive.append import open_archiver
from archive.payload import Payload, Transfer
from archive.runs import latest_run
from ingest.assess import Assessment
from ingest.assessments import open_assessment_log
from ingest.endpoints import range_bars
from ingest.errors import InvalidKey, NotArchived
from ingest.exchange import open_exchange
from ingest.fetch import Fetcher
from ingest.limiter import Limiter
from ingest.report import Ending, RunReport, StepOutcome
from ingest.settings import VendorKey
from ingest.stop import Stop
from tests.fake_polygon import FakePolygon
from tests.ingest.conftest import FIRST, KEY, LAST, NOW, QUICK, Warehouse, noon
from tests.payloads import RUN_ID

PATH = "/v2/aggs/"


def bars_of(report: RunReport) -> StepOutcome:
    """Return how the one step for bars ended."""
    (outcome,) = (each for each in report.outcomes if each.endpoint == "range")
    return outcome


async def bar_payloads(warehouse: Warehouse) -> list[Payload]:
    return [each for each in await warehouse.payloads() if each.response.request.endpoint == "range"]


async def test_a_response_is_archived_byte_for_byte(warehouse: Warehouse) -> None:
    body = json.dumps({"ticker": "AAPL", "status": "OK", "results": [], "odd": "é \\u00e9 1.0e+07"}).encode()
    warehouse.vendor.fail_next(200, body=body, path=PATH)
    report = await warehouse.backfill()
    assert bars_of(report).ending is Ending.EMPTY
    (payload,) = await bar_payloads(warehouse)
    response = payload.response
    assert response.body == body
    assert (response.http_status, response.transfer, response.source) == (200, Transfer.COMPLETE, "polygon")
    assert response.fetched_at == NOW
    assert (response.request.ticker, response.request.from_date, response.request.to_date) == ("AAPL", FIRST, LAST)


async def test_a_compressed_answer_is_archived_decompressed_with_its_headers(warehouse: Warehouse) -> None:
    report = await warehouse.backfill()
    (payload,) = await bar_payloads(warehouse)
    assert bars_of(report).row_count == len(json.loads(payload.response.body)["results"]) > 100
    headers = {name.lower(): value for name, value in payload.response.headers}
    assert headers["content-encoding"] == "gzip"
    assert int(headers["content-length"]) < len(payload.response.body)


async def test_what_is_sent_asks_for_gzip_and_carries_the_key_in_a_header_only(warehouse: Warehouse) -> None:
    await warehouse.backfill()
    for request in warehouse.vendor.requests:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["Accept-Encoding"] == "gzip"
        assert not request.key_in_query


TRANSIENT: dict[str, Callable[[FakePolygon], None]] = {
    "500": lambda vendor: vendor.fail_next(500, path=PATH),
    "503 of a proxy": lambda vendor: vendor.fail_next(503, path=PATH),
    "429": lambda vendor: vendor.fail_next(429, path=PATH),
    "html": lambda vendor: vendor.html_next(path=PATH),
    "json cut in the middle": lambda vendor: vendor.cut_json_next(path=PATH),
    "body cut short": lambda vendor: vendor.truncate_next(path=PATH),
    "broken gzip": lambda vendor: vendor.garble_gzip_next(path=PATH),
    "another symbol": lambda vendor: vendor.wrong_symbol_next(path=PATH),
    "connection reset": lambda vendor: vendor.reset_next(times=2, path=PATH),
    "no answer": lambda vendor: vendor.hang_next(path=PATH),
    "a byte at a time": lambda vendor: vendor.slow_next(400, path=PATH),
}
ARCHIVED_AS = {
    "500": "vendor_failed",
    "503 of a proxy": "vendor_failed",
    "429": "throttled",
    "html": "not_an_answer",
    "json cut in the middle": "not_an_answer",
    "body cut short": "not_an_answer",
    "broken gzip": "not_an_answer",
    "another symbol": "not_an_answer",
    "a byte at a time": "not_an_answer",
}


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_what_may_go_better_next_time_is_asked_again_and_archived_each_time(
    warehouse: Warehouse, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    TRANSIENT[fault](warehouse.vendor)
    with caplog.at_level(logging.WARNING, "ingest"):
        report = await warehouse.backfill()
    assert bars_of(report).ending is Ending.ANSWERED
    assert report.failures() == {}
    assert report.retries >= 1
    archived = await warehouse.outcomes()
    assert archived == ["answer", "answer", *([ARCHIVED_AS[fault]] if fault in ARCHIVED_AS else []), "answer"]
    retries = [record for record in caplog.records if record.message == "ingest.retry_scheduled"]
    assert len(retries) == report.retries
    assert vars(retries[0])["subject"] == "AAPL"


async def test_the_part_of_a_body_that_came_is_kept(warehouse: Warehouse) -> None:
    warehouse.vendor.truncate_next(at=0.5, path=PATH)
    await warehouse.backfill()
    cut, whole = await bar_payloads(warehouse)
    assert cut.response.transfer is Transfer.CUT_SHORT
    # What came is the beginning of a gzip stream, kept as it came.
    assert len(cut.response.body) > 500
    assert gzip.compress(b"")[:3] == cut.response.body[:3]
    assert whole.response.transfer is Transfer.COMPLETE


async def test_the_bytes_of_a_broken_gzip_stream_are_kept_as_they_came(warehouse: Warehouse) -> None:
    warehouse.vendor.garble_gzip_next(path=PATH)
    await warehouse.backfill()
    garbled, _ = await bar_payloads(warehouse)
    assert garbled.response.transfer is Transfer.BROKEN_ENCODING
    assert garbled.response.body[:2] == b"\x1f\x8b"
    promised = {name.lower(): value for name, value in garbled.response.headers}["content-length"]
    assert len(garbled.response.body) == int(promised)


async def test_a_fault_that_stays_is_given_up_after_the_bounded_number_of_tries(warehouse: Warehouse) -> None:
    warehouse.vendor.html_next(times=99, path=PATH)
    report = await warehouse.backfill()
    assert warehouse.vendor.counts["range"] == QUICK.attempts
    why = bars_of(report).why or ""
    assert "DOCTYPE" in why
    assert "asked 4 times" in why
    assert report.failures() == {"AAPL": why}
    assert (await warehouse.outcomes()).count("not_an_answer") == QUICK.attempts


@pytest.mark.parametrize(
    ("status", "body", "said", "ending"),
    [
        (400, "bad request", "400", Ending.FAILED),
        (403, '{"message": "You are not entitled to this data."}', "not entitled", Ending.BEYOND_PLAN),
        (403, '{"message": "Your plan doesn\'t include this data timeframe."}', "timeframe", Ending.BEYOND_PLAN),
        (404, '{"message": "Data not found."}', "not found", Ending.FAILED),
        (418, "teapot", "418", Ending.FAILED),
        (301, "moved", "301", Ending.FAILED),
    ],
)
async def test_another_refusal_is_never_asked_again(
    warehouse: Warehouse, status: int, body: str, said: str, ending: Ending
) -> None:
    warehouse.vendor.fail_next(status, body=body, path=PATH)
    report = await warehouse.backfill()
    assert warehouse.vendor.counts["range"] == 1
    assert bars_of(report).ending is ending
    assert said in report.failures()["AAPL"]
    (payload,) = await bar_payloads(warehouse)
    assert payload.response.body == body.encode()


async def test_what_the_archive_refuses_fails_its_request_alone_and_is_never_looked_at(warehouse: Warehouse) -> None:
    good = range_bars("AAPL", FIRST, LAST)
    hidden = msgspec.structs.replace(good, target=f"{good.target}&apiKey=secret")
    async with (
        open_archiver(warehouse.pool, RUN_ID) as archiver,
        open_assessment_log(warehouse.pool) as assessments,
        open_exchange(warehouse.vendor.url, VendorKey(KEY), noon, QUICK) as exchange,
    ):
        fetcher = Fetcher(exchange, archiver, assessments, Limiter(0), Stop(), QUICK)
        refused, answered = await asyncio.gather(fetcher.fetch(hidden), fetcher.fetch(good), return_exceptions=True)
    assert isinstance(refused, NotArchived)
    assert str(refused) == "AAPL: what came for it cannot be archived (CheckViolationError)"
    assert isinstance(answered, Assessment)
    assert answered.row_count > 100
    assert warehouse.vendor.counts["range"] == 2
    assert await warehouse.outcomes() == ["answer"]


async def test_a_refused_key_ends_the_run_after_one_request(warehouse: Warehouse) -> None:
    warehouse.vendor.vendor._key = "another-key"
    with pytest.raises(InvalidKey, match="POLYGON_API_KEY") as caught:
        await warehouse.backfill("AAPL,MSFT,SPY")
    assert KEY not in str(caught.value)
    assert len(warehouse.vendor.requests) == 1
    assert await warehouse.outcomes() == ["bad_key"]
    run = await latest_run(warehouse.pool, ["backfill"])
    assert run is not None
    assert run.result is not None
    assert run.result["stopped_by"] == "a refused key"


async def test_a_key_refused_in_the_middle_lets_what_is_in_flight_finish_and_sends_nothing_more(
    warehouse: Warehouse,
) -> None:
    warehouse.vendor.fail_next(401, path="/ticker/MSFT/")
    with pytest.raises(InvalidKey):
        await warehouse.backfill("AAPL,MSFT,SPY,BCPC,BCpC", concurrency=1)
    assert warehouse.asked() == ["stocks_splits", "stocks_dividends", "range", "range"]
    assert await warehouse.outcomes() == ["answer", "answer", "answer", "bad_key"]


@pytest.mark.parametrize(
    ("retry_after", "waited_s"),
    [
        (None, 0.05),
        ("0.07", 0.05),
        ("1000", 0.1),
        ((NOW + dt.timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.1),
        ("soon", 0.05),
    ],
    ids=["none", "not whole", "longer than the bound", "as a date", "nonsense"],
)
async def test_a_429_pauses_for_what_the_vendor_asks_within_bounds(
    warehouse: Warehouse, retry_after: str | None, waited_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.vendor.fail_next(429, retry_after=retry_after, path=PATH)
    with caplog.at_level(logging.WARNING, "ingest"):
        report = await warehouse.backfill()
    assert bars_of(report).ending is Ending.ANSWERED
    assert [vars(record)["wait_s"] for record in caplog.records if record.message == "ingest.paused"] == [
        pytest.approx(waited_s, abs=0.051)
    ]
    assert report.waited_s >= waited_s * 0.9


async def test_a_503_that_says_when_to_come_back_pauses_too(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.vendor.fail_next(503, retry_after=5, path=PATH)
    with caplog.at_level(logging.WARNING, "ingest"):
        await warehouse.backfill()
    assert [record.message for record in caplog.records] == ["ingest.paused", "ingest.retry_scheduled"]


async def test_a_vendor_that_echoes_the_key_does_not_bring_it_into_the_archive(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(500, body=f'{{"error": "key {KEY} is over its quota"}}', path=PATH)
    await warehouse.backfill()
    failed = (await bar_payloads(warehouse))[0]
    assert failed.response.body == b'{"error": "key ' + b"*" * len(KEY) + b' is over its quota"}'


async def test_redirects_are_not_followed(warehouse: Warehouse, vendor: FakePolygon) -> None:
    vendor.fail_next(302, body="elsewhere", path=PATH)
    report = await warehouse.backfill()
    assert "302" in report.failures()["AAPL"]
    assert vendor.counts["range"] == 1
