"""The view of the rules: rulesets, generations and how two differ; the dry run of edits that stand in the address."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, Page, expect

from archive.calendar import exchange_calendar
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, parse_ruleset, read_ruleset
from sql.connect import open_owner
from tests.api.page.conftest import Shoot
from tests.api.served import served
from tests.payloads import archive_all, bar, range_response
from tests.processes import children_running

SESSIONS = exchange_calendar().between(dt.date(2024, 1, 2), dt.date(2024, 2, 29))
LIVE = read_ruleset(DEFAULT_RULES)
WIDER = parse_ruleset(
    DEFAULT_RULES.read_text()
    .replace("limit = 0.10", "limit = 0.2")
    .replace("corporate_action = ", "# corporate_action = ")
    .replace("validated_from = 0.85", "validated_from = 0.9")
)


@pytest.fixture
async def twice_built(
    browser: Browser, database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> AsyncIterator[Page]:
    """Yield a page of a small warehouse that was built by WIDER first and then by the shipped rules."""
    await archive_all(ingest_pool, [range_response("A", [bar(day, 10.0) for day in SESSIONS])])
    for ruleset in (WIDER, LIVE):
        await rebuild(project_pool, ruleset, lambda: dt.datetime(2024, 3, 1, tzinfo=dt.UTC))
    async with served(database_url) as client:
        context = await browser.new_context(base_url=client.origin, locale="en-US")
        page = await context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        await context.close()
    assert wrong == []


async def test_rulesets_and_generations_are_told_of_and_any_two_compared(twice_built: Page, shoot: Shoot) -> None:
    page = twice_built
    await page.goto("/rules")
    generations = page.get_by_role("group", name="Generations").get_by_role("row")
    await expect(generations).to_have_text([re.compile("State"), re.compile("live"), re.compile("previous")])
    await expect(generations.nth(1)).to_contain_text(LIVE.hash[:12])
    rulesets = page.get_by_role("group", name="Rulesets ever used").get_by_role("row")
    await expect(rulesets).to_have_count(3)
    await expect(rulesets.nth(2)).to_contain_text(WIDER.hash[:12])
    await shoot(page, "rules")
    await page.get_by_role("button", name="Compare").click()
    await expect(page).to_have_url(re.compile(f"/rules/{WIDER.hash}\\?against={LIVE.hash}$"))
    await expect(page.get_by_role("listitem").filter(has_text="instead of")).to_have_text(
        [
            "A bar is validated from a score of 0.85 on instead of 0.9.",
            "The threshold limit of large_gap is 0.1 instead of 0.2.",
        ]
    )
    changed = page.get_by_role("group", name="Differences").get_by_role("row").nth(1)
    await expect(changed).to_have_text(re.compile(r"\(all\)\s*validated_from\s*0\.9\s*0\.85"))
    await shoot(page, "rules-compared")
    await page.get_by_label("Against").select_option("none")
    await expect(page).to_have_url(re.compile(f"/rules/{WIDER.hash}$"))
    await expect(page.get_by_role("group", name="Differences")).to_have_count(0)
    await page.go_back()
    await expect(page.get_by_role("group", name="Differences")).to_be_visible()
    await page.get_by_role("link", name="All rulesets").click()
    await rulesets.nth(1).get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Ruleset {LIVE.hash[:12]}")
    gap = page.get_by_role("group", name="Its rules").get_by_role("row").filter(has_text="large_gap")
    await expect(gap).to_contain_text("limit 0.1")
    await expect(gap).to_contain_text("0.2")


async def test_edited_rules_are_tried_and_the_command_that_applies_them_is_told(
    page: Page, market_data: Path, shoot: Shoot
) -> None:
    await page.goto("/rules")
    await page.get_by_role("link", name="Dry run: try other rules").click()
    gap = page.get_by_role("group", name="large_gap")
    await gap.get_by_label("limit").fill("-1")
    await expect(gap).to_contain_text("must be a number of at least 0")
    run = page.get_by_role("button", name="Dry run", exact=True)
    await expect(run).to_be_disabled()
    await gap.get_by_label("limit").fill("0.05")
    await expect(gap).to_contain_text("was 0.1")
    await page.get_by_label("corporate_action").uncheck()
    await expect(page).to_have_url(re.compile(r"/rules/dry-run\?large_gap\.limit=0\.05&corporate_action=off$"))
    await expect(page.get_by_text("2 edited")).to_be_visible()
    await run.click()
    await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    report = page.get_by_role("heading", name="What would change")
    await expect(report).to_be_focused(timeout=60_000)
    await expect(page.get_by_text("over the budget")).to_be_visible()
    failing = page.get_by_role("group", name="By rule").get_by_role("row")
    await expect(failing.filter(has_text="corporate_action")).to_contain_text(re.compile(r"[1-9]\d*\s*0\s*0"))
    command = page.get_by_role("region", name="Command")
    await expect(command).to_have_text(
        re.compile(r"^project --rebuild --rules rules-\w{12}\.toml --max-change 1\.\d%$")
    )
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name=re.compile(r"Download rules-\w{12}\.toml")).click()
    saved = parse_ruleset(Path(await (await downloading.value).path()).read_text())
    assert saved.hash[:12] in await command.inner_text()
    assert {use.name: use.limits for use in saved.rules}["large_gap"] == {"limit": 0.05}
    assert "corporate_action" not in {use.name for use in saved.rules}
    await shoot(page, "dry-run")
    await gap.get_by_label("penalty").fill("0.1")
    await expect(page.get_by_text("edited since")).to_be_visible()
    await page.get_by_role("group", name="Some of the bars").get_by_role("link").first.click()
    await expect(page).to_have_url(re.compile(r"/symbol/[^?]+\?session=\d{4}-\d\d-\d\d$"))


async def test_an_address_holds_the_edits_and_a_dry_run_can_be_cancelled(twice_built: Page, database_url: str) -> None:
    page = twice_built
    base = WIDER.hash[:12]
    await page.goto(f"/rules/dry-run?base={base}&large_gap.limit=0.3&volume_window=30&move_bounded=off&colour=red")
    await expect(page.get_by_label("Begin with")).to_have_value(WIDER.hash)
    await expect(page.get_by_role("group", name="large_gap").get_by_label("limit")).to_have_value("0.3")
    await expect(page.get_by_label("volume's median")).to_have_value("30")
    await expect(page.get_by_label("move_bounded")).not_to_be_checked()
    await expect(page.get_by_role("alert")).to_contain_text("colour")
    await page.get_by_label("Begin with").select_option("live")
    await expect(page.get_by_label("validated from")).to_have_value("0.85")
    await expect(page.get_by_text("3 edited")).to_be_visible()
    run, cancel = (page.get_by_role("button", name=name, exact=True) for name in ("Dry run", "Cancel"))
    async with open_owner(database_url) as owner, owner.transaction():
        await owner.execute("LOCK TABLE projection.bar IN ACCESS EXCLUSIVE MODE")
        await run.click()
        await cancel.click()
        await expect(run).to_be_focused()
        await expect(cancel).to_be_hidden()
        for child in children_running("api.replay.child"):
            child.wait(timeout=30)
    await run.click()
    await expect(page.get_by_text("within the budget")).to_be_visible(timeout=60_000)
    await expect(page.get_by_text("No bar would change in any way.")).to_be_visible()
    await expect(page.get_by_role("region", name="Command")).to_have_text(re.compile(r"\.toml$"))
