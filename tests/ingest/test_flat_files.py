"""Whole runs over flat files, from a folder and from a bucket that checks signatures, into a real archive."""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from archive.append import append_responses
from archive.payload import Endpoint, Payload, Transfer
from archive.read import archive_head, read_payloads
from archive.runs import latest_run
from archive.verify import verify_archive
from ingest.backfill import plan_backfill
from ingest.endpoints import grouped
from ingest.errors import AnotherRunUnderWay
from ingest.flat.run import KIND, SourceRefused, run_flat_files
from ingest.flat.settings import BucketKeys, FlatFilesSettings
from ingest.flat.source import parse_source
from ingest.period import Period
from ingest.report import Ending, RunReport
from ingest.settings import VendorKey
from ingest.stop import Stop
from ingest.universe import WHOLE_MARKET, universe_of
from sql.errors import InvalidSetting
from tests.fake_s3 import FakeS3
from tests.flat_payloads import flat_bar, flat_file, zipped
from tests.ingest.conftest import NOW, QUICK, noon
from tests.payloads import RUN_ID, bar, body, respond

KEY_ID, SECRET = "flat-key-id-012345", "flat-secret-543210"
FIRST, LAST = dt.date(2024, 6, 24), dt.date(2024, 6, 28)
SESSIONS = Period(FIRST, LAST).sessions()
# Friday's session has settled; that it has no file is believed a day later.
FRIDAY_NIGHT = dt.datetime(2024, 6, 29, 1, 0, tzinfo=dt.UTC)
NAMES = ("AAPL", "BCPC", "BCpC")
PATIENT = msgspec.structs.replace(QUICK, silence_s=60.0, total_s=60.0)

Facts = list[tuple[int, Transfer]]
_HOW: dict[str, Any] = {"now": noon, "patience": QUICK}


def key_of(session: dt.date) -> str:
    """Return the key of a session's file in the vendor's bucket."""
    return f"us_stocks_sip/day_aggs_v1/{session:%Y/%m}/{session}.csv.gz"


def file_of(session: dt.date) -> bytes:
    """Return a session's file of three tickers, different each day."""
    return flat_file([flat_bar(name, session, 10.0 + session.day, 1e6 + session.day) for name in NAMES])


def settings_of(source: str, secret: str = SECRET, region: str = "us-east-1") -> FlatFilesSettings:
    """Return settings for a source, with the keys that the bucket of the tests knows."""
    return FlatFilesSettings(parse_source(source), BucketKeys(VendorKey(KEY_ID), VendorKey(secret), region))


@pytest.fixture
async def bucket() -> AsyncIterator[FakeS3]:
    """Yield a bucket with the files of a week."""
    async with FakeS3({key_of(session): file_of(session) for session in SESSIONS}, {KEY_ID: SECRET}) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of a week, all in one place."""
    for session in SESSIONS:
        (tmp_path / f"{session}.csv.gz").write_bytes(file_of(session))
    return tmp_path


async def _run(
    pool: asyncpg.Pool, source: object, first: dt.date = FIRST, last: dt.date = LAST, **how: Any
) -> RunReport:
    settings = source if isinstance(source, FlatFilesSettings) else settings_of(str(source))
    return await run_flat_files(pool, settings, period=Period(first, last), **(_HOW | how))


async def _payloads(pool: asyncpg.Pool) -> list[Payload]:
    return [payload async for payload in read_payloads(pool, 0, await archive_head(pool))]


async def _facts(pool: asyncpg.Pool) -> Facts:
    return [(each.response.http_status, each.response.transfer) for each in await _payloads(pool)]


def _endings(report: RunReport) -> dict[str, Ending]:
    return {outcome.subject.removeprefix("market "): outcome.ending for outcome in report.outcomes}


async def test_each_session_of_a_bucket_is_one_signed_request_and_its_exact_bytes(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    report = await _run(ingest_pool, bucket.url)
    assert report.failures() == {}
    assert (report.requests, report.retries, report.left_to_ask) == (5, 0, 0)
    assert set(_endings(report).values()) == {Ending.ANSWERED}
    assert bucket.counts == dict.fromkeys(map(key_of, SESSIONS), 1)
    payloads = {payload.response.request.from_date: payload.response for payload in await _payloads(ingest_pool)}
    for session in SESSIONS:
        response = payloads[session]
        assert response.body == file_of(session)
        assert (response.source, response.request.endpoint, response.request.ticker) == (
            "massive_flat",
            "grouped",
            None,
        )
        assert response.request.to_date == session
        assert response.request.target == f"/{key_of(session)}"
        assert (response.http_status, response.transfer) == (200, Transfer.COMPLETE)
        assert ("ETag", '"5d41402abc4b2a76"') in response.headers
    assert (await verify_archive(ingest_pool)).first_bad is None


@pytest.mark.parametrize("layout", ["", "%Y/%m/", "us_stocks_sip/day_aggs_v1/%Y/%m/"], ids=["flat", "months", "bucket"])
async def test_a_folder_in_any_layout_gives_its_exact_bytes(
    ingest_pool: asyncpg.Pool, tmp_path: Path, layout: str
) -> None:
    for session in SESSIONS:
        path = tmp_path / f"{session:{layout}}" / f"{session}.csv.gz" if layout else tmp_path / f"{session}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(session))
    (tmp_path / "notes.csv.gz").write_bytes(b"x")
    (tmp_path / "2024-99-99.csv.gz").write_bytes(b"x")
    report = await _run(ingest_pool, tmp_path)
    assert set(_endings(report).values()) == {Ending.ANSWERED}
    for response in [payload.response for payload in await _payloads(ingest_pool)]:
        day = response.request.from_date
        assert day is not None
        assert response.request.target == (f"/{day:{layout}}{day}.csv.gz" if layout else f"/{day}.csv.gz")
        assert (response.body, response.source, response.http_status) == (file_of(day), "massive_flat", 200)
        headers = dict(response.headers)
        assert headers["Content-Length"] == str(len(file_of(day)))
        assert headers["Last-Modified"].endswith(" GMT")
    assert len(await _payloads(ingest_pool)) == 5


async def test_a_second_run_asks_for_nothing_and_needs_no_key(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    await _run(ingest_pool, bucket.url, first=SESSIONS[2])
    await _run(ingest_pool, bucket.url)
    assert bucket.counts == dict.fromkeys(map(key_of, SESSIONS), 1)
    keyless = FlatFilesSettings(parse_source(bucket.url), None)
    report = await _run(ingest_pool, keyless)
    assert (report.planned, report.requests, report.already_have) == (0, 0, {"market": 5})


async def test_without_a_key_nothing_is_asked_and_the_setting_named(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    with pytest.raises(InvalidSetting, match=r"FLAT_FILES_KEY_ID .* FLAT_FILES_SECRET"):
        await _run(ingest_pool, FlatFilesSettings(parse_source(bucket.url), None))
    assert bucket.asked == []
    assert await latest_run(ingest_pool, [KIND]) is None


async def test_what_a_grouped_answer_with_rows_covers_is_not_fetched_as_a_file(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    full, empty, refused, early, broken = SESSIONS
    beyond = b'{"message": "Your plan doesn\'t include this data timeframe."}'
    rows = body([bar(full, ticker="AAPL")])
    before_settled = dt.datetime.combine(early, dt.time(21), dt.UTC)
    answers = [
        respond(grouped(full), rows, fetched_at=NOW),
        respond(grouped(empty), body([]), fetched_at=NOW),
        respond(grouped(refused), beyond, status=403, fetched_at=NOW),
        respond(grouped(early), body([bar(early, ticker="AAPL")]), fetched_at=before_settled),
        respond(grouped(broken), rows[:-9], fetched_at=NOW),
    ]
    await append_responses(ingest_pool, RUN_ID, answers)
    report = await _run(ingest_pool, bucket.url)
    assert set(bucket.counts) == set(map(key_of, (empty, refused, early, broken)))
    assert report.already_have == {"market": 1}


async def test_the_newest_file_comes_first_and_then_several_at_once(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    for session in SESSIONS[:-1]:
        bucket.hang_next(path=str(session))
    running = asyncio.create_task(_run(ingest_pool, bucket.url, patience=PATIENT))
    await _until(lambda: len(bucket.asked) == 5)
    assert bucket.asked[0].path.endswith(key_of(LAST))
    assert await _facts(ingest_pool) == [(200, Transfer.COMPLETE)]
    bucket.go_on.set()
    assert (await running).failures() == {}


async def test_a_file_that_is_not_out_yet_is_no_failure_and_archived_as_such(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    del bucket.objects[key_of(LAST)]
    report = await _run(ingest_pool, bucket.url, now=lambda: FRIDAY_NIGHT)
    assert (_endings(report)[str(LAST)], report.failures(), report.left_to_ask) == (Ending.NOT_YET, {}, 1)
    [missing] = [each.response for each in await _payloads(ingest_pool) if each.response.http_status == 404]
    assert b"<Code>NoSuchKey</Code>" in missing.body
    bucket.objects[key_of(LAST)] = file_of(LAST)
    assert _endings(await _run(ingest_pool, bucket.url)) == {str(LAST): Ending.ANSWERED}


async def test_a_file_that_should_be_there_and_is_not_is_a_failure(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    gone = SESSIONS[1]
    del bucket.objects[key_of(gone)]
    report = await _run(ingest_pool, bucket.url)
    assert report.failures() == {f"market {gone}": "the vendor says no such file: 404: NoSuchKey"}
    assert bucket.counts[key_of(gone)] == 1


@pytest.mark.parametrize(("now", "ending"), [(FRIDAY_NIGHT, Ending.NOT_YET), (NOW, Ending.FAILED)])
async def test_a_file_that_a_folder_lacks_archives_nothing(
    ingest_pool: asyncpg.Pool, folder: Path, now: dt.datetime, ending: Ending
) -> None:
    (folder / f"{LAST}.csv.gz").unlink()
    report = await _run(ingest_pool, folder, now=lambda: now)
    assert _endings(report)[str(LAST)] is ending
    assert list(report.failures().values()) == ["no such file"] * (ending is Ending.FAILED)
    assert len(await _payloads(ingest_pool)) == 4


async def test_a_wrong_secret_costs_one_request_and_names_the_settings(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    wrong = "wrong-secret-999999"
    with pytest.raises(SourceRefused) as raised:
        await _run(ingest_pool, settings_of(bucket.url, secret=wrong))
    assert "FLAT_FILES_KEY_ID, FLAT_FILES_SECRET" in str(raised.value)
    assert "SignatureDoesNotMatch" in str(raised.value)
    assert len(bucket.asked) == 1
    [payload] = await _payloads(ingest_pool)
    assert payload.response.http_status == 403
    # The server repeats the key in body and headers; the archive has it blanked out.
    assert b"<AWSAccessKeyId>******************</AWSAccessKeyId>" in payload.response.body
    assert ("x-echo", "*" * len(KEY_ID)) in payload.response.headers
    run = await latest_run(ingest_pool, [KIND])
    assert run is not None
    assert run.finished_at is not None
    await _require_no_secret(ingest_pool, str(raised.value), wrong)


async def _require_no_secret(pool: asyncpg.Pool, text: str, *more: str) -> None:
    rows = await pool.fetch(
        "SELECT headers::text AS said, request FROM archive.payload"
        " UNION ALL SELECT detail::text, kind FROM archive.run"
        " UNION ALL SELECT message, outcome FROM archive.assessment"
    )
    said = "\n".join([text, *(str(tuple(row)) for row in rows)])
    said += "".join(payload.response.body.decode("latin-1") for payload in await _payloads(pool))
    for secret in (KEY_ID, SECRET, "AWS4-HMAC", "Signature=", *more):
        assert secret not in said


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"region": "eu-central-1"}, "400: AuthorizationHeaderMalformed"),
        ({"url": "flatfilez"}, "404: NoSuchBucket"),
        ({"key_id": "somebody-else-00001"}, "403: InvalidAccessKeyId"),
    ],
    ids=["region", "bucket", "key"],
)
async def test_what_no_file_would_be_given_for_is_asked_once(
    ingest_pool: asyncpg.Pool, bucket: FakeS3, how: dict[str, str], code: str
) -> None:
    source = parse_source(bucket.url.replace("flatfiles", how.get("url", "flatfiles")))
    keys = BucketKeys(VendorKey(how.get("key_id", KEY_ID)), VendorKey(SECRET), how.get("region", "us-east-1"))
    with pytest.raises(SourceRefused, match=code):
        await _run(ingest_pool, FlatFilesSettings(source, keys), now=lambda: FRIDAY_NIGHT)
    assert len(bucket.asked) == 1


async def test_a_plan_that_does_not_reach_back_gives_what_it_may_and_then_stops(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    first = dt.date(2024, 5, 1)
    for session in Period(first, LAST).sessions():
        bucket.objects[key_of(session)] = file_of(session)
        if session < FIRST:
            bucket.denied.add(key_of(session))
    with pytest.raises(SourceRefused, match=r"the file of 2024-06-\d\d .*403: AccessDenied.*--from"):
        await _run(ingest_pool, bucket.url, first=first)
    sessions = [each.response.request.from_date for each in await _payloads(ingest_pool)]
    assert set(SESSIONS) <= set(sessions)
    assert len(sessions) <= len(SESSIONS) + 8


async def test_a_file_denied_before_it_can_be_out_is_taken_as_not_out_yet(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    """A server says AccessDenied of a file that is not there to a key that may not list the bucket."""
    bucket.denied.add(key_of(LAST))
    report = await _run(ingest_pool, bucket.url, now=lambda: FRIDAY_NIGHT)
    assert (_endings(report)[str(LAST)], report.failures()) == (Ending.NOT_YET, {})


@pytest.mark.parametrize(
    ("status", "code", "headers"),
    [(503, "SlowDown", {}), (500, "InternalError", {}), (429, "TooManyRequests", {"Retry-After": "0"})],
)
async def test_a_server_that_is_busy_is_asked_again_and_every_answer_kept(
    ingest_pool: asyncpg.Pool, bucket: FakeS3, status: int, code: str, headers: dict[str, str]
) -> None:
    bucket.fail_next(status, code, times=2, headers=headers, path=str(LAST))
    report = await _run(ingest_pool, bucket.url, first=LAST)
    assert (report.requests, report.retries, report.failures()) == (3, 2, {})
    assert [status for status, _ in await _facts(ingest_pool)] == [status, status, 200]


async def test_a_request_that_the_server_found_too_slow_is_asked_again(
    ingest_pool: asyncpg.Pool, bucket: FakeS3
) -> None:
    bucket.fail_next(400, "RequestTimeout")
    assert (await _run(ingest_pool, bucket.url, first=LAST)).failures() == {}


async def test_a_body_cut_short_is_kept_and_asked_for_again(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    bucket.cut_next()
    report = await _run(ingest_pool, bucket.url, first=LAST)
    assert report.failures() == {}
    assert await _facts(ingest_pool) == [(200, Transfer.CUT_SHORT), (200, Transfer.COMPLETE)]


async def test_a_server_that_never_answers_is_given_up(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    bucket.hang_next(99)
    report = await _run(ingest_pool, bucket.url, first=LAST)
    assert "did not answer in time (asked 4 times)" in report.failures()[f"market {LAST}"]
    assert await _payloads(ingest_pool) == []


BROKEN = {
    "cut": file_of(LAST)[:-12],
    "HTML": b"<html>maintenance</html>",
    "no line": flat_file([]),
    "other columns": zipped(b"symbol,close\nAAPL,1\n"),
    "minutes": flat_file(
        [
            {
                **flat_bar("AAPL", LAST),
                "window_start": str(int(flat_bar("AAPL", LAST)["window_start"]) + 60 * i * 10**9),
            }
            for i in range(390)
        ]
    ),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_file_of_daily_bars_is_a_failure_and_fetched_again_in_the_next_run(
    ingest_pool: asyncpg.Pool, bucket: FakeS3, body: bytes
) -> None:
    bucket.objects[key_of(LAST)] = body
    report = await _run(ingest_pool, bucket.url, first=LAST)
    assert list(report.failures()) == [f"market {LAST}"]
    assert {payload.response.body for payload in await _payloads(ingest_pool)} == {body}
    bucket.objects[key_of(LAST)] = file_of(LAST)
    assert (await _run(ingest_pool, bucket.url, first=LAST)).failures() == {}


async def test_a_broken_file_of_a_folder_is_read_once(ingest_pool: asyncpg.Pool, folder: Path) -> None:
    (folder / f"{LAST}.csv.gz").write_bytes(BROKEN["cut"])
    report = await _run(ingest_pool, folder)
    assert list(report.failures()) == [f"market {LAST}"]
    assert len(await _payloads(ingest_pool)) == 5
    (folder / f"{LAST}.csv.gz").write_bytes(file_of(LAST))
    assert _endings(await _run(ingest_pool, folder)) == {str(LAST): Ending.ANSWERED}


async def test_a_file_that_cannot_be_read_is_a_failure_of_its_own(ingest_pool: asyncpg.Pool, folder: Path) -> None:
    (folder / f"{LAST}.csv.gz").unlink()
    (folder / f"{LAST}.csv.gz").mkdir()
    report = await _run(ingest_pool, folder)
    assert report.failures() == {f"market {LAST}": "its file cannot be read (Is a directory)"}
    assert len(await _payloads(ingest_pool)) == 4


async def test_a_file_stamped_with_another_session_is_kept_warned_of_and_not_fetched_again(
    ingest_pool: asyncpg.Pool, bucket: FakeS3, caplog: pytest.LogCaptureFixture
) -> None:
    """As the vendor's file of 2019-08-12."""
    bucket.objects[key_of(FIRST)] = file_of(SESSIONS[1])
    with caplog.at_level(logging.WARNING, "ingest"):
        report = await _run(ingest_pool, bucket.url, last=FIRST)
    [outcome] = report.outcomes
    assert (outcome.ending, outcome.row_count, outcome.first_session) == (Ending.ANSWERED, 3, None)
    assert [record.msg for record in caplog.records] == ["ingest.file_of_another_session"]
    assert (await _run(ingest_pool, bucket.url, last=FIRST)).planned == 0


async def test_what_a_killed_run_left_unassessed_is_not_fetched_again(
    ingest_pool: asyncpg.Pool, bucket: FakeS3, tamper: Callable[[str], Awaitable[None]]
) -> None:
    await _run(ingest_pool, bucket.url)
    await tamper("DELETE FROM archive.assessment")
    report = await _run(ingest_pool, bucket.url)
    assert (report.planned, report.already_have) == (0, {"market": 5})
    rows = await ingest_pool.fetch(
        "SELECT DISTINCT outcome, row_count, first_session = last_session AS one FROM archive.assessment"
    )
    assert [tuple(row) for row in rows] == [("answer", 3, True)]


async def test_what_a_file_covers_no_backfill_asks_for(
    ingest_pool: asyncpg.Pool, bucket: FakeS3, tamper: Callable[[str], Awaitable[None]]
) -> None:
    bucket.objects[key_of(FIRST)] = file_of(SESSIONS[1])
    await _run(ingest_pool, bucket.url)
    for killed_before in (False, True):
        if killed_before:
            await tamper("DELETE FROM archive.assessment")
        for universe in (WHOLE_MARKET, universe_of(["AAPL", "BCpC"])):
            plan = await plan_backfill(ingest_pool, universe, Period(FIRST, LAST), NOW)
            bars = [step.request for step in plan.steps if step.request.endpoint in (Endpoint.RANGE, Endpoint.GROUPED)]
            assert {(request.from_date, request.to_date) for request in bars} == {(FIRST, FIRST)}


async def test_a_stop_lets_what_is_under_way_be_archived(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    stop = Stop()
    bucket.hang_next(1)
    running = asyncio.create_task(_run(ingest_pool, bucket.url, stop=stop, patience=PATIENT))
    await _until(lambda: bool(bucket.asked))
    stop.request("SIGTERM")
    bucket.go_on.set()
    report = await running
    assert report.stopped_by == "SIGTERM"
    assert list(_endings(report).values()) == [Ending.ANSWERED] + [Ending.NOT_TRIED] * 4
    assert await _facts(ingest_pool) == [(200, Transfer.COMPLETE)]


async def test_two_runs_do_not_fetch_at_once(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    bucket.hang_next(1)
    running = asyncio.create_task(_run(ingest_pool, bucket.url, patience=PATIENT))
    await _until(lambda: bool(bucket.asked))
    with pytest.raises(AnotherRunUnderWay):
        await _run(ingest_pool, bucket.url)
    bucket.go_on.set()
    assert (await running).failures() == {}


async def test_the_ledger_and_a_seal_keep_what_was_planned_and_done(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    report = await _run(ingest_pool, bucket.url)
    run = await latest_run(ingest_pool, [KIND])
    assert run is not None
    assert run.result is not None
    assert run.run_id == report.run_id
    assert run.plan["source"] == f"{bucket.url}/us_stocks_sip/day_aggs_v1"
    assert run.plan["requests"] == [f"/{key_of(session)}" for session in reversed(SESSIONS)]
    assert run.result["body_bytes"] == sum(len(file_of(session)) for session in SESSIONS)
    assert await ingest_pool.fetchval("SELECT max(to_seq) FROM archive.seal") == 5


async def test_a_prefix_of_one_s_own_is_where_the_files_are(ingest_pool: asyncpg.Pool) -> None:
    key = f"mirror/my%20days/{LAST:%Y/%m}/{LAST}.csv.gz"
    async with FakeS3({key: file_of(LAST)}, {KEY_ID: SECRET}) as server:
        report = await _run(ingest_pool, f"{server.url}/mirror/my days/", first=LAST)
    assert report.failures() == {}
    [payload] = await _payloads(ingest_pool)
    assert payload.response.request.target == f"/{key}"


async def test_redirects_are_not_followed(ingest_pool: asyncpg.Pool, bucket: FakeS3) -> None:
    async with FakeS3({key_of(LAST): file_of(LAST)}, {KEY_ID: SECRET}) as elsewhere:
        bucket.fail_next(307, "TemporaryRedirect", headers={"Location": f"{elsewhere.url}/{key_of(LAST)}"})
        with pytest.raises(SourceRefused, match="307"):
            await _run(ingest_pool, bucket.url, first=LAST)
        assert elsewhere.asked == []


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():
            await asyncio.sleep(0.01)
