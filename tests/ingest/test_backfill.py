"""Whole backfills against a real vendor and a real archive: what is asked for, what is kept, how a run ends."""

import asyncio
import datetime as dt
import uuid

import asyncpg
import msgspec
import pytest

from archive.append import append_responses
from archive.payload import Response, Transfer
from archive.runs import latest_run
from archive.verify import verify_archive
from ingest.assessments import catch_up_assessments
from ingest.backfill import plan_backfill
from ingest.endpoints import range_bars
from ingest.errors import AnotherRunUnderWay, MissingKey
from ingest.period import Period
from ingest.report import Ending
from ingest.stop import Stop
from ingest.universe import WHOLE_MARKET, universe_of
from sql.connect import Role, open_pool
from sql.errors import DatabaseError
from tests.fake_polygon import FakePolygon, Plan, SyntheticMarket
from tests.ingest.conftest import FIRST, KEY, LAST, NOW, QUICK, Warehouse

SESSIONS = Period(FIRST, LAST).sessions()
FRIDAY_NIGHT = dt.datetime(2024, 6, 29, 1, 0, tzinfo=dt.UTC)
BEYOND_PLAN = '{"status": "NOT_AUTHORIZED", "message": "Your plan doesn\'t include this data timeframe."}'
NOT_YET = '{"status": "NOT_AUTHORIZED", "message": "Attempted to request today\'s data before end of day."}'


async def test_a_universe_is_one_request_a_symbol_and_two_lists(warehouse: Warehouse) -> None:
    report = await warehouse.backfill("AAPL,BCpC,BCPC")
    assert warehouse.vendor.counts == {"stocks_splits": 1, "stocks_dividends": 1, "range": 3}
    assert [each.subject for each in report.outcomes if each.endpoint == "range"] == ["AAPL", "BCpC", "BCPC"]
    assert {each.ending for each in report.outcomes} <= {Ending.ANSWERED, Ending.EMPTY}
    assert report.failures() == {}
    paths = sorted(request.path for request in warehouse.vendor.requests if request.kind == "range")
    assert [path.split("/")[4] for path in paths] == ["AAPL", "BCPC", "BCpC"]


async def test_the_whole_market_is_one_request_a_session_and_two_lists(warehouse: Warehouse) -> None:
    first = dt.date(2024, 6, 3)
    report = await warehouse.backfill("all", first=first)
    sessions = Period(first, LAST).sessions()
    assert warehouse.vendor.counts == {"stocks_splits": 1, "stocks_dividends": 1, "grouped": len(sessions)}
    assert report.already_have == {"market": 0}
    # What the market's answers cover, nobody asks for by symbol.
    again = await warehouse.backfill("AAPL,SPY", first=first)
    assert again.planned == 0


async def test_a_second_run_has_nothing_to_do_and_sends_nothing(warehouse: Warehouse) -> None:
    await warehouse.backfill("AAPL,MSFT")
    before = len(warehouse.vendor.requests)
    report = await warehouse.backfill("AAPL,MSFT", settings=warehouse.settings(key=None))
    assert (report.planned, report.requests, report.outcomes) == (0, 0, ())
    assert report.already_have == {"AAPL": len(SESSIONS), "MSFT": len(SESSIONS)}
    assert len(warehouse.vendor.requests) == before


async def test_only_what_is_missing_is_asked_for(warehouse: Warehouse) -> None:
    await warehouse.backfill("AAPL", first=dt.date(2024, 3, 1), last=dt.date(2024, 3, 28))
    await warehouse.backfill("AAPL,MSFT", first=dt.date(2024, 3, 1))
    ranges = [request.path for request in warehouse.vendor.requests if request.kind == "range"]
    assert ranges == [
        "/v2/aggs/ticker/AAPL/range/1/day/2024-03-01/2024-03-28",
        "/v2/aggs/ticker/AAPL/range/1/day/2024-04-01/2024-06-28",
        "/v2/aggs/ticker/MSFT/range/1/day/2024-03-01/2024-06-28",
    ]
    # AAPL's lists were fresh already.
    assert [r.query.get("ticker") for r in warehouse.vendor.requests if r.kind == "stocks_splits"] == ["AAPL", "MSFT"]


async def test_lists_of_actions_are_fetched_again_once_another_session_has_settled(warehouse: Warehouse) -> None:
    await warehouse.backfill("AAPL")
    # Monday's session settles at 00:30 UTC on Tuesday.
    tuesday = dt.datetime(2024, 7, 2, 0, 30, tzinfo=dt.UTC)
    report = await warehouse.backfill("AAPL", now=lambda: tuesday)
    assert [each.endpoint for each in report.outcomes][:2] == ["splits", "dividends"]


async def test_sessions_are_looked_at_again_after_one_five_and_thirty_more(warehouse: Warehouse) -> None:
    await warehouse.backfill("AAPL")
    tuesday = dt.datetime(2024, 7, 2, 0, 30, tzinfo=dt.UTC)
    report = await warehouse.backfill("AAPL", now=lambda: tuesday)
    (looked,) = (each for each in report.outcomes if each.endpoint == "range")
    assert (looked.first_session, looked.last_session) == (SESSIONS[-30], LAST)
    assert (await warehouse.backfill("AAPL", now=lambda: tuesday)).planned == 0
    # Sixty sessions later nothing is due any more but the lists.
    autumn = dt.datetime(2024, 10, 1, tzinfo=dt.UTC)
    assert [each.endpoint for each in (await warehouse.backfill("AAPL", now=lambda: autumn)).outcomes][2:] == ["range"]
    assert (await warehouse.backfill("AAPL", now=lambda: autumn)).planned == 0


async def test_a_bar_fetched_before_its_session_settled_is_fetched_again(warehouse: Warehouse) -> None:
    friday_evening = dt.datetime(2024, 6, 28, 23, 0, tzinfo=dt.UTC)
    await warehouse.backfill("AAPL", now=lambda: friday_evening)
    report = await warehouse.backfill("AAPL")
    (bars,) = (each for each in report.outcomes if each.endpoint == "range")
    assert bars.last_session == LAST
    assert (await warehouse.backfill("AAPL")).planned == 0


async def test_pages_are_followed_to_the_last(warehouse: Warehouse) -> None:
    warehouse.vendor.vendor.page_rows = {"range": 50, "stocks_dividends": 1}
    report = await warehouse.backfill("AAPL,MSFT")
    bars = {each.subject: each for each in report.outcomes if each.endpoint == "range"}
    assert bars["AAPL"].pages == 3
    assert (bars["AAPL"].first_session, bars["AAPL"].last_session) == (FIRST, LAST)
    assert (await warehouse.backfill("AAPL,MSFT")).planned == 0


async def test_a_run_that_was_killed_between_two_pages_goes_on_after_the_first(warehouse: Warehouse) -> None:
    warehouse.vendor.vendor.page_rows = {"range": 50}
    warehouse.vendor.fail_next(400, path=lambda path: False)
    cursor_calls = 0

    def second_page(path: str) -> bool:
        nonlocal cursor_calls
        cursor_calls += "/ticker/" in path
        return "/ticker/" in path and cursor_calls > 1

    warehouse.vendor.fail_next(400, path=second_page, times=99)
    report = await warehouse.backfill("AAPL")
    assert list(report.failures()) == ["AAPL"]
    plan = await plan_backfill(warehouse.pool, universe_of(["AAPL"]), Period(FIRST, LAST), NOW)
    (step,) = plan.steps
    first_page = (await warehouse.payloads())[2]
    rows = msgspec.json.decode(first_page.response.body)["results"]
    assert step.request.from_date is not None
    assert step.request.from_date > dt.datetime.fromtimestamp(rows[-1]["t"] / 1000, dt.UTC).date()
    assert step.request.to_date == LAST


async def test_a_next_page_on_another_host_is_refused_and_the_key_never_sent_there(
    warehouse: Warehouse, small_market: SyntheticMarket
) -> None:
    async with FakePolygon(small_market, key=KEY) as foreign:
        warehouse.vendor.vendor.base = foreign.url
        warehouse.vendor.vendor.page_rows = {"range": 50}
        report = await warehouse.backfill("AAPL")
        assert foreign.requests == []
    refused = [each for each in report.outcomes if each.ending is Ending.FAILED]
    assert all(foreign.url.removeprefix("http://") in (each.why or "") for each in refused)
    # What was on the pages that were not followed is asked for on its own.
    assert [each.endpoint for each in report.outcomes][2:] == ["range"] * 3
    assert (len(refused), report.failures(), report.left_to_ask) == (2, {}, 0)


async def test_pages_that_lead_in_a_circle_end(warehouse: Warehouse) -> None:
    target = range_bars("AAPL", FIRST, LAST).target
    body = f'{{"status":"OK","results":[],"next_url":"{warehouse.vendor.url}{target}"}}'
    warehouse.vendor.fail_next(200, body=body, times=99, path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL")
    assert "do not end" in report.failures()["AAPL"]
    assert warehouse.vendor.counts["range"] == 1


async def test_a_vendor_without_the_new_routes_is_asked_on_the_old_ones(warehouse: Warehouse) -> None:
    warehouse.vendor.plan = Plan(absent=frozenset({"stocks_splits", "stocks_dividends"}))
    report = await warehouse.backfill("AAPL,MSFT")
    assert report.failures() == {}
    assert warehouse.vendor.counts["splits"] == 2
    assert warehouse.vendor.counts["dividends"] == 2
    assert (await warehouse.backfill("AAPL,MSFT")).planned == 0


async def test_dates_beyond_the_plan_are_not_asked_for_again(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(403, body=BEYOND_PLAN, path="/ticker/", times=2)
    report = await warehouse.backfill("AAPL,MSFT")
    assert {each.ending for each in report.outcomes if each.endpoint == "range"} == {Ending.BEYOND_PLAN}
    assert list(report.failures()) == ["AAPL", "MSFT"]
    again = await warehouse.backfill("AAPL,MSFT")
    assert (again.planned, list(again.failures())) == (0, ["AAPL", "MSFT"])
    assert again.beyond_plan == {"AAPL": len(SESSIONS), "MSFT": len(SESSIONS)}
    later = NOW + dt.timedelta(minutes=1)
    assert (await warehouse.backfill("AAPL,MSFT", retry_refused=True, now=lambda: later)).failures() == {}


async def test_a_refusal_that_another_symbols_bars_contradict_is_asked_for_again(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(403, body=BEYOND_PLAN, path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL,MSFT", concurrency=1)
    assert (report.failures(), report.beyond_plan, report.left_to_ask) == ({}, {}, 1)
    again = await warehouse.backfill("AAPL,MSFT")
    assert [each.subject for each in again.outcomes] == ["AAPL"]
    assert again.left_to_ask == 0


async def test_ranges_that_a_plan_silently_cuts_cost_one_question_more(
    warehouse: Warehouse, small_market: SyntheticMarket
) -> None:
    a_year_later = dt.datetime(2025, 3, 15, 15, 0, tzinfo=dt.UTC)
    async with FakePolygon(small_market, key=KEY, clock=lambda: a_year_later, plan=Plan(history_years=1)) as vendor:
        late = Warehouse(warehouse.pool, vendor)
        report = await late.backfill("AAPL,MSFT,SPY", now=lambda: a_year_later)
        cut = len(Period(FIRST, dt.date(2024, 3, 14)).sessions())
        assert [each.left_out for each in report.outcomes if each.endpoint == "range"] == [cut, cut, cut, 0]
        assert vendor.counts["range"] == 4
        assert (report.failures(), report.left_to_ask) == ({}, 0)
        assert report.beyond_plan == dict.fromkeys(("AAPL", "MSFT", "SPY"), cut)
        assert (await late.backfill("AAPL,MSFT,SPY", now=lambda: a_year_later)).planned == 0
        # Under another plan they are asked for again, and come.
        vendor.plan = Plan()
        upgraded = late.settings(vendor_plan="advanced")
        grown = await late.backfill("AAPL,MSFT,SPY", settings=upgraded, now=lambda: a_year_later)
        assert (grown.beyond_plan, grown.left_to_ask) == ({}, 0)
        assert {each.first_session for each in grown.outcomes} == {FIRST}


async def test_a_range_that_is_cut_short_once_is_made_whole_in_the_same_run(warehouse: Warehouse) -> None:
    warehouse.vendor.silently_truncate_next(path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL,MSFT")
    cut, rest = (each for each in report.outcomes if each.subject == "AAPL")
    assert cut.left_out > 0
    assert (rest.first_session, rest.left_out) == (FIRST, 0)
    assert report.left_to_ask == 0


async def test_a_symbol_that_was_listed_and_delisted_costs_a_question_for_each_side_once(
    warehouse: Warehouse,
) -> None:
    first, last = dt.date(2023, 11, 1), dt.date(2024, 6, 28)
    report = await warehouse.backfill("AAPL", first=first)
    assert [each.ending for each in report.outcomes if each.endpoint == "range"] == [Ending.ANSWERED, Ending.EMPTY]
    assert (await warehouse.backfill("AAPL", first=first, last=last)).planned == 0


async def test_what_is_for_reference_is_fetched_on_request_and_kept_for_a_month(warehouse: Warehouse) -> None:
    assert "tickers" not in {each.endpoint for each in (await warehouse.backfill("AAPL,BCpC")).outcomes}
    report = await warehouse.backfill("AAPL,BCpC", reference=True)
    assert [each.endpoint for each in report.outcomes] == ["holidays"] + ["tickers"] * 4 + ["ticker_events"] * 2
    assert report.failures() == {}
    assert (await warehouse.backfill("AAPL,BCpC", reference=True)).planned == 0
    market = await warehouse.backfill("all", first=LAST, reference=True)
    assert [each.endpoint for each in market.outcomes if each.endpoint == "tickers"] == ["tickers"] * 2


async def test_a_session_that_the_vendor_silently_leaves_out_is_asked_for_again_later(
    warehouse: Warehouse, small_market: SyntheticMarket
) -> None:
    plan = Plan(same_day=False)
    async with FakePolygon(small_market, key=KEY, clock=lambda: FRIDAY_NIGHT, plan=plan) as vendor:
        late = Warehouse(warehouse.pool, vendor)
        report = await late.backfill("AAPL,MSFT", now=lambda: FRIDAY_NIGHT)
    assert report.failures() == {}
    assert {each.last_session for each in report.outcomes if each.endpoint == "range"} == {dt.date(2024, 6, 27)}
    # Which session that is, one call for the market tells of both.
    assert report.left_to_ask == 1
    (bars,) = (each for each in (await warehouse.backfill("AAPL,MSFT")).outcomes if each.endpoint == "grouped")
    assert (bars.first_session, bars.last_session) == (LAST, LAST)


async def test_a_session_that_is_refused_as_not_out_yet_is_left_out_of_all_further_requests(
    warehouse: Warehouse,
) -> None:
    warehouse.vendor.fail_next(403, body=NOT_YET, times=1, path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL,MSFT,SPY", concurrency=1, now=lambda: FRIDAY_NIGHT)
    ranges = [request.path.rpartition("/")[2] for request in warehouse.vendor.requests if request.kind == "range"]
    assert ranges == ["2024-06-28", "2024-06-27", "2024-06-27", "2024-06-27"]
    assert report.failures() == {}
    assert report.left_to_ask == 1


async def test_a_vendor_that_always_says_not_yet_is_not_asked_session_by_session(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(403, body=NOT_YET, times=99, path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL")
    assert warehouse.vendor.counts["range"] == 3
    assert [each.ending for each in report.outcomes if each.endpoint == "range"] == [Ending.NOT_YET]


async def test_only_a_session_that_is_not_out_yet_is_no_failure(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(403, body=NOT_YET, path="/grouped/")
    report = await warehouse.backfill("all", first=LAST)
    assert [each.ending for each in report.outcomes][-1] is Ending.NOT_YET
    assert report.failures() == {}
    assert (await warehouse.backfill("all", first=LAST)).planned == 1


@pytest.mark.parametrize("unknown_ticker", ["empty", "not_found"])
async def test_an_unknown_symbol_is_named_and_the_others_are_fetched(warehouse: Warehouse, unknown_ticker: str) -> None:
    warehouse.vendor.plan = msgspec.structs.replace(Plan(), unknown_ticker=unknown_ticker)
    report = await warehouse.backfill("NOPE,AAPL")
    assert list(report.failures()) == ["NOPE"]
    assert [each.ending for each in report.outcomes if each.subject == "AAPL"] == [Ending.ANSWERED]
    # It stays wrong until the universe is put right, whether or not it costs a request.
    assert list((await warehouse.backfill("NOPE,AAPL")).failures()) == ["NOPE"]


async def test_an_unknown_symbol_is_named_on_the_evening_of_the_last_session_too(warehouse: Warehouse) -> None:
    report = await warehouse.backfill("NOPE,AAPL", now=lambda: FRIDAY_NIGHT)
    assert list(report.failures()) == ["NOPE"]


async def test_one_symbol_that_fails_does_not_stop_the_others(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(500, times=99, path="/ticker/MSFT/")
    report = await warehouse.backfill("AAPL,MSFT,SPY")
    assert list(report.failures()) == ["MSFT"]
    assert (await warehouse.backfill("AAPL,SPY")).planned == 0
    warehouse.vendor.behave()
    again = await warehouse.backfill("AAPL,MSFT,SPY")
    assert [each.subject for each in again.outcomes] == ["MSFT"]


async def test_a_vendor_that_is_away_is_not_hammered(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(503, times=9999)
    symbols = ",".join(f"SYM{n}" for n in range(60))
    report = await warehouse.backfill(symbols, concurrency=4)
    tried = [each for each in report.outcomes if each.ending is Ending.FAILED]
    assert 10 <= len(tried) < 20
    assert len(report.failures()) == 62
    assert report.stopped_by is not None


async def test_each_run_leaves_its_plan_and_its_result_in_the_ledger(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(500, path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL,MSFT")
    run = await latest_run(warehouse.pool, ["backfill"])
    assert run is not None
    assert run.run_id == report.run_id
    assert run.plan["universe"] == "AAPL,MSFT"
    assert len(run.plan["requests"]) == 4
    assert run.result is not None
    assert (run.result["requests"], run.result["retries"]) == (5, 1)
    assert run.result["body_bytes"] == sum(len(p.response.body) for p in await warehouse.payloads())
    assert [each["subject"] for each in run.result["outcomes"]][2:] == ["AAPL", "MSFT"]
    assert {payload.run_id for payload in await warehouse.payloads()} == {report.run_id}


async def test_a_run_without_a_key_says_so_before_it_begins(warehouse: Warehouse) -> None:
    with pytest.raises(MissingKey):
        await warehouse.backfill(settings=warehouse.settings(key=None))
    assert await latest_run(warehouse.pool, ["backfill"]) is None


async def test_what_was_archived_and_not_assessed_is_assessed_before_the_next_plan(warehouse: Warehouse) -> None:
    request = range_bars("AAPL", FIRST, LAST)
    body = b'{"ticker":"AAPL","status":"OK","results":[{"t":1704171600000},{"t":1719547200000}]}'
    response = Response("polygon", request, NOW, 200, [], Transfer.COMPLETE, body)
    await append_responses(warehouse.pool, uuid.uuid4(), [response] * 70)
    report = await warehouse.backfill("AAPL")
    assert [each.endpoint for each in report.outcomes] == ["splits", "dividends"]
    assert await catch_up_assessments(warehouse.pool) == 0


async def test_two_runs_at_once_are_refused(warehouse: Warehouse, database_url: str) -> None:
    warehouse.vendor.hang_next(path="/stocks/v1/splits")
    patient = msgspec.structs.replace(QUICK, silence_s=60.0, total_s=60.0)
    first = asyncio.create_task(warehouse.backfill(patience=patient))
    while not warehouse.vendor.requests:
        await asyncio.sleep(0.01)
    async with open_pool(database_url, Role.INGEST) as pool:
        second = Warehouse(pool, warehouse.vendor)
        with pytest.raises(AnotherRunUnderWay):
            await second.backfill()
        assert len(warehouse.vendor.requests) == 1
        first.cancel()
        await asyncio.wait([first])
        assert (await second.backfill()).failures() == {}


async def test_a_stop_finishes_what_is_in_flight_and_archives_it(warehouse: Warehouse) -> None:
    stop = Stop()
    warehouse.vendor.slow_next(20_000, path="/ticker/AAPL/")
    run = asyncio.create_task(warehouse.backfill("AAPL,MSFT,SPY", concurrency=1, stop=stop))
    while warehouse.vendor.counts["range"] < 1:
        await asyncio.sleep(0.005)
    stop.request("SIGTERM")
    report = await run
    endings = {each.subject: each.ending for each in report.outcomes}
    assert endings["AAPL"] is Ending.ANSWERED
    assert endings["MSFT"] is endings["SPY"] is Ending.NOT_TRIED
    assert report.stopped_by == "SIGTERM"
    assert warehouse.vendor.counts["range"] == 1
    run_row = await latest_run(warehouse.pool, ["backfill"])
    assert run_row is not None
    assert run_row.result is not None


async def test_a_database_that_goes_away_in_the_middle_is_one_clear_error(
    warehouse: Warehouse, owner: asyncpg.Connection
) -> None:
    warehouse.vendor.slow_next(20_000, path="/ticker/AAPL/")
    run = asyncio.create_task(warehouse.backfill("AAPL,MSFT,SPY"))
    while warehouse.vendor.counts["range"] < 3:
        await asyncio.sleep(0.005)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(DatabaseError, match="run again"):
        await run


async def test_the_key_is_nowhere_in_the_archive(warehouse: Warehouse, owner: asyncpg.Connection) -> None:
    warehouse.vendor.fail_next(500, body=f"<html>{KEY}</html>", path="/ticker/MSFT/")
    warehouse.vendor.fail_next(500, body=f'{{"error":"{KEY}"}}', times=9, path="/ticker/SPY/")
    await warehouse.backfill("AAPL,MSFT,SPY")
    for table in ("payload", "assessment", "run"):
        rows = await owner.fetch(f"SELECT t::text AS line FROM archive.{table} AS t")
        assert rows
        assert not [row for row in rows if KEY in row["line"]]
    for payload in await warehouse.payloads():
        assert KEY.encode() not in payload.response.body
        assert KEY not in str(payload.response.headers)


async def test_the_rate_limit_counts_what_a_run_before_this_one_sent(warehouse: Warehouse) -> None:
    await warehouse.backfill("AAPL,MSFT,SPY")
    stop = Stop()
    settings = warehouse.settings(rate_limit_per_minute=5)
    run = asyncio.create_task(warehouse.backfill("BCPC", settings=settings, stop=stop))
    while await warehouse.pool.fetchval("SELECT count(*) FROM archive.run WHERE phase = 'started'") != 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    stop.request("SIGTERM")
    report = await run
    assert report.requests == 0
    assert {each.ending for each in report.outcomes} == {Ending.NOT_TRIED}


async def test_the_archive_of_a_run_with_every_fault_verifies(warehouse: Warehouse) -> None:
    warehouse.vendor.random_faults(11, 0.3)
    await warehouse.backfill("all", first=dt.date(2024, 6, 3))
    warehouse.vendor.behave()
    await warehouse.backfill("all", first=dt.date(2024, 6, 3))
    assert (await verify_archive(warehouse.pool)).first_bad is None
    plan = await plan_backfill(warehouse.pool, WHOLE_MARKET, Period(dt.date(2024, 6, 3), LAST), NOW)
    assert plan.steps == ()
