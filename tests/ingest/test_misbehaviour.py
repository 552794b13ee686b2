"""Whole runs against a vendor that misbehaves in one way: what is archived, what is noticed, what is asked again.

How one request meets a fault is in `test_fetch`, what a response is taken for in `test_assess`; all faults at once,
and kills among them, are in `tests/chaos`.
"""

import datetime as dt
import json
import logging
import time

import asyncpg
import msgspec
import pytest

from archive.payload import Transfer
from ingest.period import Period
from ingest.report import Ending, RunReport, StepOutcome
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.fake_polygon import FakePolygon, Plan, SyntheticMarket
from tests.ingest.conftest import FIRST, KEY, LAST, NOW, QUICK, Warehouse

BEFORE_THE_MARKET = dt.date(2023, 11, 1)
SESSIONS = Period(FIRST, LAST).sessions()


def bars_of(report: RunReport, symbol: str) -> list[StepOutcome]:
    """Return how the steps for a symbol's bars ended."""
    return [each for each in report.outcomes if (each.endpoint, each.subject) == ("range", symbol)]


async def projected(pool: asyncpg.Pool) -> tuple[list[dt.date], list[tuple[str, list[str]]]]:
    """Return the sessions of the bars of AAPL, and which rows were rejected and why."""
    await rebuild(pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    bars = await pool.fetch("SELECT session FROM projection.bar WHERE ticker = 'AAPL' ORDER BY session")
    rejected = await pool.fetch("SELECT ticker, reasons FROM projection.rejection")
    return [row["session"] for row in bars], [tuple(row) for row in rejected]


async def test_in_a_storm_of_429_all_workers_wait_together_and_the_log_says_so_once(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    arrivals: list[float] = []

    def of_a_symbol(path: str) -> bool:
        arrivals.append(time.time())
        return "/ticker/" in path

    warehouse.vendor.fail_next(429, times=6, path=of_a_symbol)
    patience = msgspec.structs.replace(QUICK, throttled_s=0.3, longest_pause_s=0.3)
    with caplog.at_level(logging.WARNING, "ingest"):
        report = await warehouse.backfill("AAPL,MSFT,SPY,BCPC,BCpC", concurrency=3, patience=patience)
    assert report.failures() == {}
    assert (await warehouse.outcomes()).count("throttled") == 6
    pauses = [record.created for record in caplog.records if record.message == "ingest.paused"]
    assert 0 < len(pauses) < 6
    for paused_at in pauses:
        # Only what the other two workers had sent already may still arrive.
        assert sum(paused_at < arrival < paused_at + 0.29 for arrival in arrivals) <= 2
    assert report.waited_s >= 0.29 * len(pauses)


async def test_a_storm_that_does_not_end_ends_the_run(warehouse: Warehouse) -> None:
    warehouse.vendor.fail_next(429, times=999)
    report = await warehouse.backfill("AAPL,MSFT,SPY")
    assert len(warehouse.vendor.requests) == QUICK.attempts * 5
    assert len(report.failures()) == 5


async def test_a_slow_loris_is_hung_up_on_what_it_dripped_is_kept_and_the_others_are_fetched(
    warehouse: Warehouse,
) -> None:
    warehouse.vendor.slow_next(400, times=99, path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL,MSFT,SPY", concurrency=2)
    assert list(report.failures()) == ["AAPL"]
    dripped = [each.response for each in await warehouse.payloads() if each.response.request.ticker == "AAPL"]
    assert [each.transfer for each in dripped] == [Transfer.CUT_SHORT] * QUICK.attempts
    assert all(0 < len(each.body) < 1_000 for each in dripped)


async def test_a_list_that_goes_on_elsewhere_is_no_list_and_the_key_is_never_sent_there(
    warehouse: Warehouse, small_market: SyntheticMarket
) -> None:
    warehouse.vendor.vendor.page_rows = {"stocks_dividends": 1}
    async with FakePolygon(small_market, key=KEY) as foreign:
        host = foreign.url.removeprefix("http://")
        warehouse.vendor.foreign_next_url(host, path="/stocks/v1/dividends")
        report = await warehouse.backfill("AAPL,MSFT")
        assert foreign.requests == []
    assert host in report.failures()["dividends of the universe"]
    again = await warehouse.backfill("AAPL,MSFT")
    assert (again.planned, again.left_to_ask, again.failures()) == (1, 0, {})


@pytest.mark.parametrize("results", ["absent", "null", "list"])
async def test_an_answer_without_results_settles_what_it_was_asked_for_in_every_form(
    warehouse: Warehouse, results: str
) -> None:
    warehouse.vendor.plan = msgspec.structs.replace(Plan(), empty_results=results)
    report = await warehouse.backfill("AAPL", first=BEFORE_THE_MARKET)
    assert [each.ending for each in bars_of(report, "AAPL")] == [Ending.ANSWERED, Ending.EMPTY]
    empty = (await warehouse.payloads())[-1].response.body
    assert json.loads(empty).get("results", "absent") == {"absent": "absent", "null": None, "list": []}[results]
    assert (await warehouse.backfill("AAPL", first=BEFORE_THE_MARKET)).planned == 0


async def test_delayed_data_is_taken_as_it_comes(warehouse: Warehouse, project_pool: asyncpg.Pool) -> None:
    warehouse.vendor.plan = Plan(delay_s=15 * 60)
    report = await warehouse.backfill("AAPL")
    assert (report.retries, report.left_to_ask, report.failures()) == (0, 0, {})
    assert b'"DELAYED"' in (await warehouse.payloads())[-1].response.body
    assert (await projected(project_pool))[0] == SESSIONS


async def test_a_bar_of_an_open_session_is_replaced_by_the_one_that_settled(
    warehouse: Warehouse, small_market: SyntheticMarket, project_pool: asyncpg.Pool
) -> None:
    # 11:00 in New York on the last session, of a vendor without delay.
    friday_morning = dt.datetime(2024, 6, 28, 15, tzinfo=dt.UTC)
    async with FakePolygon(small_market, key=KEY, clock=lambda: friday_morning) as vendor:
        report = await Warehouse(warehouse.pool, vendor).backfill("AAPL", now=lambda: friday_morning)
    assert bars_of(report, "AAPL")[0].last_session == LAST
    assert report.left_to_ask == 1
    assert (await warehouse.backfill("AAPL")).left_to_ask == 0
    assert (await projected(project_pool))[0] == SESSIONS
    final = small_market.bars("AAPL", NOW).records()[-1]
    row = await project_pool.fetchrow("SELECT close, volume FROM projection.bar WHERE session = $1", LAST)
    assert tuple(row) == (final.close, final.volume)
    [old] = await project_pool.fetch("SELECT session FROM projection.bar_revision WHERE session = $1", LAST)
    assert old["session"] == LAST


@pytest.mark.parametrize(
    ("why", "ending", "asked_again"),
    [
        ("not_yet", Ending.NOT_YET, True),
        ("beyond_plan", Ending.BEYOND_PLAN, False),
        ("not_entitled", Ending.BEYOND_PLAN, False),
    ],
)
async def test_of_the_three_403_only_not_yet_is_asked_again_by_itself(
    warehouse: Warehouse, why: str, ending: Ending, asked_again: bool
) -> None:
    warehouse.vendor.forbid_next(why, path="/grouped/")
    report = await warehouse.backfill("all", first=LAST)
    assert [each.ending for each in report.outcomes if each.endpoint == "grouped"] == [ending]
    assert (await warehouse.backfill("all", first=LAST)).planned == asked_again
    later = NOW + dt.timedelta(minutes=1)
    whole = await warehouse.backfill("all", first=LAST, retry_refused=True, now=lambda: later)
    assert (whole.left_to_ask, whole.failures()) == (0, {})
    assert warehouse.vendor.counts["grouped"] == 2


@pytest.mark.parametrize("at", [0.2, 0.7], ids=["its oldest rows", "its newest rows"])
async def test_a_range_that_lacks_an_end_is_noticed_recorded_and_made_whole(
    warehouse: Warehouse, project_pool: asyncpg.Pool, at: float, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.vendor.shorten_next(at=at, path="/ticker/AAPL/")
    with caplog.at_level(logging.INFO, "ingest"):
        report = await warehouse.backfill("AAPL")
    cut, rest = bars_of(report, "AAPL")
    assert cut.left_out == rest.row_count > 10
    assert [vars(each)["left_out"] for each in caplog.records if each.message == "ingest.range_cut_short"] == [
        cut.left_out
    ]
    assert (report.left_to_ask, (await projected(project_pool))[0]) == (0, SESSIONS)


async def test_a_row_from_outside_the_range_settles_nothing_and_becomes_no_bar(
    warehouse: Warehouse, project_pool: asyncpg.Pool
) -> None:
    later = dt.date(2024, 3, 1)
    warehouse.vendor.out_of_range_next(path="/ticker/AAPL/")
    report = await warehouse.backfill("AAPL", first=later)
    assert bars_of(report, "AAPL")[0].first_session == later
    assert await projected(project_pool) == (Period(later, LAST).sessions(), [("AAPL", ["outside_range"])])
    (rest,) = bars_of(await warehouse.backfill("AAPL"), "AAPL")
    assert (rest.first_session, rest.last_session) == (FIRST, dt.date(2024, 2, 29))


async def test_the_market_of_another_date_is_no_answer_and_asked_for_again(warehouse: Warehouse) -> None:
    warehouse.vendor.out_of_range_next(path="/grouped/")
    report = await warehouse.backfill("all", first=LAST)
    assert (report.retries, report.failures()) == (1, {})
    assert (await warehouse.outcomes())[-2:] == ["not_an_answer", "answer"]


async def test_a_row_of_another_symbol_becomes_no_bar_of_either(
    warehouse: Warehouse, project_pool: asyncpg.Pool
) -> None:
    warehouse.vendor.stray_symbol_next(path="/ticker/AAPL/")
    assert (await warehouse.backfill("AAPL")).left_to_ask == 0
    assert await projected(project_pool) == (SESSIONS, [("AAPLX", ["other_ticker"])])
    assert await project_pool.fetchval("SELECT count(DISTINCT ticker) FROM projection.bar") == 1


@pytest.mark.parametrize("fault", ["truncate", "cut_json", "html", "reset", "garble_gzip"])
async def test_a_list_whose_second_page_breaks_is_asked_for_until_it_is_whole(warehouse: Warehouse, fault: str) -> None:
    warehouse.vendor.vendor.page_rows = {"stocks_dividends": 1}
    pages = 0

    def second_page_on(path: str) -> bool:
        nonlocal pages
        pages += "dividends" in path
        return "dividends" in path and pages >= 2

    getattr(warehouse.vendor, f"{fault}_next")(times=99, path=second_page_on)
    report = await warehouse.backfill("AAPL,MSFT")
    assert list(report.failures()) == ["dividends of the universe"]
    warehouse.vendor.behave()
    again = await warehouse.backfill("AAPL,MSFT")
    assert (again.planned, again.failures(), again.left_to_ask) == (1, {}, 0)
