"""Home: whether the data is good, in what numbers, what changed, and what ran; on a real ledger and on bad days."""

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
from playwright.async_api import Browser, Page, Route, expect

from archive.runs import finish_run, start_run
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.api.market import NOW
from tests.api.overview.conftest import archived
from tests.api.page.conftest import PHONE
from tests.api.served import served
from tests.payloads import archive_all

_DAY = dt.timedelta(days=1)


@asynccontextmanager
async def _home_of(browser: Browser, url: str, now: Callable[[], dt.datetime]) -> AsyncIterator[Page]:
    """Yield home of a warehouse of its own, on a phone; what is not well is answered with 503, which consoles show."""
    async with served(url, now) as client:
        context = await browser.new_context(base_url=client.origin, viewport=PHONE)
        page = await context.new_page()
        await page.clock.install()
        await page.goto("/")
        yield page
        await context.close()


async def _fill(ingest: asyncpg.Pool, project: asyncpg.Pool) -> None:
    await archive_all(ingest, archived())
    await catch_up_or_build(project, read_ruleset(DEFAULT_RULES), lambda: NOW)


async def _ran(ingest: asyncpg.Pool, kind: str, at: dt.datetime, result: object) -> None:
    run_id = await start_run(ingest, kind, {}, at)
    await finish_run(ingest, run_id, kind, result, at + dt.timedelta(minutes=1))


async def test_the_first_verdict_is_by_the_clock_of_the_server(page: Page) -> None:
    await page.route("**/api/v1/changes", lambda route: asyncio.Event().wait())
    await page.goto("/")
    await expect(page.get_by_role("region", name="Verdict").get_by_role("status")).to_contain_text("Good:")


async def test_home_says_whether_the_data_is_good_in_numbers_with_their_trend(page: Page) -> None:
    await page.goto("/")
    verdict = page.get_by_role("region", name="Verdict")
    await expect(verdict.get_by_role("status")).to_contain_text(re.compile("Good:|Look here:"))
    await verdict.get_by_text(re.compile("checks? passed")).click()
    await expect(verdict.locator("details li").first).to_be_visible()
    cards = page.locator(".home-numbers > li")
    for name in ("Newest session", "Last nightly", "Validated", "Restated", "Rejected", "Last backup"):
        await expect(cards.filter(has=page.get_by_role("heading", name=name)).locator(".value")).to_have_text(
            re.compile(r"\w")
        )
    await expect(
        page.get_by_role("img", name=re.compile(r"^Bars validated, \d+ sessions from .+: .+ %"))
    ).to_be_visible()
    await expect(
        page.get_by_role("img", name=re.compile("^The last .+ nightlies, oldest first: .*complete"))
    ).to_be_visible()
    changed = page.locator(".home-changes")
    await expect(changed.get_by_role("heading", name="What changed since the last nightly")).to_be_visible()
    await expect(changed).to_contain_text("payloads came")


async def test_the_gaps_of_the_whole_market_are_counted_after_everything_else(page: Page) -> None:
    answered: list[str] = []
    before: list[str] = []
    go_on = asyncio.Event()

    async def slowly(route: Route) -> None:
        before.extend(answered)
        await go_on.wait()
        await route.continue_()

    page.on("requestfinished", lambda request: answered.append(urlsplit(request.url).path))
    await page.route("**/api/v1/gaps?*", slowly)
    await page.goto("/")
    await expect(page.get_by_role("grid", name="Coverage")).to_be_visible()
    gaps = page.locator(".home-numbers > li").filter(has=page.get_by_role("heading", name="Gaps"))
    await expect(gaps.locator(".range")).to_contain_text("Bars missing")
    await expect(gaps.locator(".value")).to_have_text("…")
    go_on.set()
    await expect(gaps).to_contain_text("not fetched yet")
    asked = {"/fresh", *(f"/api/v1/{name}" for name in ("status", "changes", "runs", "quality", "coverage"))}
    assert asked <= set(before)


async def test_runs_are_sifted_by_kind_and_opened_by_their_address(page: Page) -> None:
    await page.goto("/?kind=backup")
    runs = page.locator(".home-runs")
    kind = runs.get_by_label("Kind")
    await expect(kind).to_have_value("backup")
    await expect(runs.locator("tbody tr").first).to_contain_text("backup")
    await expect(runs.get_by_text("nightly", exact=True)).to_have_count(1)  # the choice only
    await kind.select_option("nightly")
    await expect(page).to_have_url(re.compile(r"kind=nightly$"))
    await runs.locator("tbody").first.get_by_role("link").first.click()
    title = runs.get_by_role("heading", name=re.compile(r"^nightly of \d{4}"))
    await expect(title).to_be_focused()
    await expect(runs.get_by_role("table", name="How its parts ended")).to_be_visible()
    await page.reload()
    await expect(title).to_be_visible()
    await runs.get_by_role("button", name="Close").click()
    await expect(title).to_have_count(0)


async def test_an_empty_warehouse_says_how_to_begin(browser: Browser, database_url: str) -> None:
    async with _home_of(browser, database_url, lambda: NOW) as page:
        await expect(page.get_by_role("status").filter(has_text="there is no data yet")).to_be_visible()
        await expect(page.get_by_text("ops up").first).to_be_visible()
        await expect(page.locator(".home-runs")).to_contain_text("Nothing ran yet")
        await expect(page.get_by_role("heading", name="In numbers")).to_have_count(0)


async def test_a_failed_backup_and_a_night_that_is_missing_are_said_and_mended_without_being_loaded_again(
    browser: Browser, database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await _fill(ingest_pool, project_pool)
    later = NOW + 9 * _DAY
    await _ran(ingest_pool, "backup", later - 20 * _DAY, {"passed": True, "name": "good"})
    await _ran(ingest_pool, "backup", later - _DAY, {"passed": False, "error": "/srv/backups: <b>no space</b> left"})
    async with _home_of(browser, database_url, lambda: later) as page:
        verdict = page.get_by_role("region", name="Verdict")
        await expect(verdict.get_by_role("status")).to_contain_text(
            "Not good: newest session, last nightly, last backup"
        )
        await expect(verdict).to_contain_text("4 sessions behind")
        await expect(verdict).to_contain_text("It failed: /srv/backups: <b>no space</b> left.")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("link", name="Last backup").focus()
        await _ran(ingest_pool, "backup", later - _DAY / 2, {"passed": True, "name": "better"})
        await page.clock.fast_forward("01:05")
        await expect(verdict.get_by_role("status")).to_have_text(
            re.compile(r"Not good: newest session, last nightly\.$")
        )
        await expect(page.locator(".home-runs tbody tr")).to_have_count(3)
        await expect(page.get_by_role("link", name="Last backup")).to_be_focused()
        await expect(page.get_by_role("link", name="Last backup")).to_be_in_viewport()
        await page.goto("/?run=00000000-0000-4000-8000-000000000000")
        await expect(page.locator(".home-runs").get_by_role("alert")).to_contain_text("not in the ledger")
