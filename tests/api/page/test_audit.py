"""The audit view on the real market: it adds up, it is sifted and saved, and what it cannot show it says."""

import csv
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Browser, Page, expect

from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.api.page import real_market
from tests.api.served import served
from tests.payloads import archive_all, bar, range_response

DAY, BEFORE, AFTER, CLOSED = "2016-06-01", "2016-05-31", "2016-06-02", "2016-05-29"
_AUDIT_MS = 30_000  # as long as an audit may take on a busy machine


async def _told(page: Page, target: str) -> Any:
    return await (await page.request.get(target)).json()


@pytest.mark.usefixtures("market_data")
async def test_a_session_adds_up_and_leads_to_its_neighbours_by_keyboard(page: Page) -> None:
    told = await _told(page, f"/api/v1/audit/{DAY}")
    await page.goto("/audit?end=2016-06-30")
    await page.get_by_role("link", name=DAY, exact=True).click()
    await expect(page).to_have_title(f"Audit of {DAY} · Market data warehouse")
    sums = page.get_by_text("it adds up")
    await expect(sums).to_have_count(3, timeout=_AUDIT_MS)
    current, superseded, rejected = told["current"], told["superseded"], told["rejected"]
    await expect(sums.first).to_contain_text(
        f"{current:,} + {superseded:,} + {rejected:,} = {told['raw_rows']:,}, it adds up"
    )
    for line in told["checked"]:
        await expect(page.get_by_role("listitem").filter(has_text=line)).to_be_visible()
    await expect(page.get_by_text(told["generation"]["generation_id"])).to_be_visible()
    await page.get_by_role("link", name="2 symbols").click()
    await expect(page.get_by_role("row")).to_have_count(1 + told["missing"])
    await expect(page.get_by_role("heading", name="Differences")).to_be_focused()

    await page.keyboard.press("Shift+ArrowRight")
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Audit of {AFTER}")
    await expect(page).to_have_url(f"/audit/{AFTER}?kind=missing")
    following = page.get_by_role("link", name="Next 2016-06-03")
    await expect(following).to_be_focused()
    await page.get_by_role("link", name=f"Previous {DAY}").press("Enter")
    await expect(page.get_by_role("link", name=f"Previous {BEFORE}")).to_be_focused()


@pytest.mark.usefixtures("market_data")
async def test_differences_are_sifted_sorted_and_saved(page: Page, tmp_path: Path) -> None:
    rows = (await _told(page, f"/api/v1/audit/{DAY}"))["differences"]
    kinds = Counter(row["kind"] for row in rows)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if f"/v1/audit/{DAY}" in request.url else None)
    await page.goto(f"/audit/{DAY}?kind=restated&sort=-symbol")
    symbols = page.get_by_role("rowheader")
    restated = sorted((row["symbol"] for row in rows if row["kind"] == "restated"), reverse=True)
    await expect(symbols).to_have_text(restated, timeout=_AUDIT_MS)
    for kind, number in kinds.items():
        chip = page.get_by_role("button", name=f"{kind} {number}")
        await expect(chip).to_have_attribute("aria-pressed", str(kind == "restated").lower())
    async with page.expect_download() as download:
        await page.get_by_role("link", name=f"Download {kinds['restated']} as CSV").click()
    saved = await download.value
    assert saved.suggested_filename == f"audit-{DAY}-restated.csv"
    await saved.save_as(tmp_path / "saved.csv")
    with (tmp_path / "saved.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    told = [(row["symbol"], row["detail"], str(row["archive_seq"])) for row in rows if row["kind"] == "restated"]
    assert [(line["symbol"], line["detail"], line["archive_seq"]) for line in lines] == told

    await page.get_by_role("group", name="Kind").get_by_role("button", name="any").click()
    gaps = [row["symbol"] for row in rows if "large_gap" in row["failed_rules"]]
    await page.get_by_role("button", name=f"large_gap {len(gaps)}").click()
    await expect(page).to_have_url(f"/audit/{DAY}?sort=-symbol&rule=large_gap")
    await expect(symbols).to_have_count(len(gaps))
    await page.get_by_role("button", name="Symbol", exact=True).click()
    await expect(symbols).to_have_text(sorted(gaps))
    await page.get_by_label("Symbol contains").fill(gaps[0].lower())
    await expect(symbols).to_have_text([gaps[0]])
    await expect(symbols.get_by_role("link")).to_have_attribute("href", f"/symbol/{gaps[0]}?session={DAY}")
    await page.go_back()
    await expect(symbols).to_have_count(len(rows))
    assert len(asked) == 1


async def test_a_date_without_a_session_names_the_nearest(page: Page) -> None:
    await page.goto("/audit/2016-02-30")
    await expect(page.get_by_role("alert")).to_contain_text("2016-02-30 is no date")
    await page.get_by_label("Date").fill(CLOSED)
    await page.get_by_role("button", name="Audit").click()
    await expect(page.get_by_text(f"{CLOSED} is no session")).to_be_visible(timeout=_AUDIT_MS)
    main = page.get_by_role("main")
    await expect(main).to_contain_text("The session before is 2016-05-27. The session after is 2016-05-31.")
    await main.get_by_role("link", name="2016-05-27", exact=True).click()
    await expect(page.get_by_text("it adds up")).to_have_count(3, timeout=_AUDIT_MS)


async def test_a_busy_server_is_asked_again_and_a_failed_audit_is_a_finding(
    browser: Browser,
    database_url: str,
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    tamper: Callable[[str], Awaitable[None]],
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(dt.date.fromisoformat(DAY))])])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: real_market.NOW)
    await tamper("UPDATE projection.bar SET close = 11")
    async with (
        served(database_url, lambda: real_market.NOW) as client,
        await browser.new_context(base_url=client.origin) as context,
    ):
        page = await context.new_page()
        await page.clock.install()
        busy = {"code": "too_busy", "message": "8 audits are being made", "parameter": None}
        await page.route(
            f"**/api/v1/audit/{DAY}",
            lambda route: route.fulfill(status=503, headers={"Retry-After": "3"}, json={"error": busy}),
            times=1,
        )
        await page.goto(f"/audit/{DAY}")
        await expect(page.get_by_text(f"Auditing {DAY}")).to_be_visible()
        await page.clock.fast_forward(3_000)
        finding = page.get_by_role("alert")
        await expect(finding).to_contain_text(f"The audit of {DAY} fails", timeout=_AUDIT_MS)
        await expect(finding).to_contain_text(f"audit {DAY}: AAPL")
        await expect(finding).to_contain_text("project --rebuild")
        await expect(page.get_by_text("it adds up")).to_have_count(0)
