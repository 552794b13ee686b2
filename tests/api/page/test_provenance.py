"""The panels of a symbol: where a bar comes from, its gaps, and what was believed at an instant."""

import csv
import datetime as dt
import re
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from project.decide.decide import decide_on_bar
from project.decide.decisions import Decision, Verb
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.api.page.conftest import PHONE
from tests.api.served import served
from tests.payloads import archive_all, bar, range_response

DAY, DAY_BEFORE = "2016-06-30", "2016-06-29"


def _story(page: Page) -> Locator:
    return page.get_by_role("region", name="Where the bar comes from")


def _cells(within: Locator, table: str, name: str) -> Locator:
    """Return the cells of the row of a table that begins with a name."""
    rows = within.get_by_role("table", name=table).get_by_role("row")
    return rows.filter(has=within.page.get_by_role("cell", name=name, exact=True)).get_by_role("cell")


@pytest.mark.usefixtures("market_data")
async def test_a_restated_bar_tells_its_story_by_keyboard(page: Page) -> None:
    await page.goto(f"/symbol/AAPL?start=2016-06-01&end={DAY}&session={DAY}")
    story = _story(page)
    await expect(story.get_by_role("heading", level=2)).to_have_text(f"AAPL on {DAY}")
    told = await (await page.request.get(f"/api/v1/audit/AAPL/{DAY}")).json()
    old, new = told["said"]
    await expect(story.get_by_text(f"superseded by payload {new['archive_seq']}")).to_be_visible()
    for said in (old, new):
        await expect(story.get_by_text(said["raw"], exact=True)).to_be_visible()
    sent = "Each field as it was sent, and as it is in the bar"
    volume = ["volume", "35,836,356", "35119400 ≠ differs −2.00 %", "3.5836356e+07 = same"]
    await expect(_cells(story, sent, "volume")).to_have_text(volume)
    await expect(_cells(story, sent, "open").nth(2)).to_have_text("94.440002 ≠ differs +0.000002")
    await expect(story.get_by_text("Score: 1 − 0 = 1.00; at least 0.85: the rules validate it.")).to_be_visible()
    await expect(story.get_by_role("link", name="2016-06-30 22:00 UTC")).to_have_attribute(
        "href", f"/symbol/AAPL?start=2016-06-01&end={DAY}&session={DAY}&known_at=2016-06-30T22%3A00%3A00Z"
    )
    facts = story.get_by_role("group").filter(has_text=f"Facts of payload {old['archive_seq']}")
    await facts.get_by_text("Facts of payload").click()
    await expect(facts).to_contain_text(f"/v2/aggs/grouped/locale/us/market/stocks/{DAY}?adjusted=false")
    async with page.expect_download() as download:
        await story.get_by_role("link", name=f"payload {old['archive_seq']}").first.click()
    assert old["raw"].encode() in Path(await (await download.value).path()).read_bytes()

    before = story.get_by_role("link", name=f"Previous: {DAY_BEFORE}")
    await before.press("Enter")
    await expect(story.get_by_role("heading", level=2)).to_have_text(f"AAPL on {DAY_BEFORE}")
    await expect(story.get_by_role("link", name="Previous: 2016-06-28")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(story).to_be_hidden()
    await expect(page).to_have_url(f"/symbol/AAPL?start=2016-06-01&end={DAY}")
    chart = page.get_by_role("application")
    await chart.press("Enter")
    await expect(story.get_by_role("heading", level=2)).to_be_focused()
    await story.get_by_role("button", name="Close").press("Enter")
    await expect(chart).to_be_focused()


@pytest.mark.usefixtures("market_data")
async def test_the_chart_follows_to_a_session_out_of_sight(page: Page) -> None:
    await page.goto("/symbol/AAPL?start=2016-06-01&end=2016-06-30&session=2016-06-01")
    chart = page.get_by_role("application")
    await expect(chart).to_have_attribute("aria-label", re.compile("2016-06-01 to 2016-06-30"))
    await _story(page).get_by_role("link", name="Previous: 2016-05-31").click()
    moved = "start=2016-05-16&end=2016-06-15&session=2016-05-31"
    await expect(chart).to_have_attribute("aria-label", re.compile("2016-05-16 to 2016-06-15"))
    await expect(page).to_have_url(f"/symbol/AAPL?{moved}")
    await page.go_back()
    await expect(chart).to_have_attribute("aria-label", re.compile("2016-06-01 to 2016-06-30"))


@pytest.mark.usefixtures("market_data")
async def test_what_became_no_bar_says_why(page: Page) -> None:
    await page.goto("/symbol/AAPL?session=1985-09-27")
    story = _story(page)
    await expect(story.get_by_text("1985-09-27 is no session of the exchange.")).to_be_visible()
    await expect(story.get_by_text("not_a_session, the exchange has no session on its date")).to_be_visible()
    await expect(_cells(story, "Each field as it was sent", "high")).to_have_text(["high", "–", "16"])
    await page.get_by_role("link", name="Payloads asked for 2017-11-08").click()
    await expect(story.get_by_text("Missing: the vendor's answers leave it out.")).to_be_visible()
    await expect(story.get_by_text("• silent", exact=True).first).to_be_visible()


@pytest.mark.usefixtures("market_data")
async def test_gaps_are_sifted_by_class_paged_saved_and_found_on_the_chart(page: Page, tmp_path: Path) -> None:
    told = await (await page.request.get("/api/v1/gaps/KO?limit=1000")).json()
    holes = [gap["first"] for gap in told["gaps"] if gap["kind"] == "vendor_hole"]
    closed = [gap["first"] for gap in told["gaps"] if gap["kind"] == "no_trade"]
    await page.goto("/symbol/KO?gaps=vendor_hole")
    gaps = page.get_by_role("region", name="Gaps")
    rows = gaps.get_by_role("row")
    await expect(rows).to_have_count(1 + len(holes))
    first = dt.date.fromisoformat(holes[0])
    await gaps.get_by_role("button", name=f"Chart around the gap of {first}").click()
    around = f"start={first - dt.timedelta(30)}&end={first + dt.timedelta(30)}"
    await expect(page).to_have_url(f"/symbol/KO?gaps=vendor_hole&{around}")
    await gaps.get_by_role("link", name=f"Payloads asked for {first}").click()
    await expect(_story(page).get_by_role("heading", level=2)).to_have_text(f"KO on {first}")
    await gaps.get_by_role("button", name=f"no trade {len(closed)}").click()
    await expect(gaps.get_by_role("table", name="Gaps: no trade")).to_be_visible()
    await expect(rows).to_have_count(1 + 25)
    await expect(gaps.get_by_text("halted, or nobody traded")).to_be_visible()
    while len(closed) + 1 > await rows.count():
        shown = await rows.count()
        await gaps.get_by_role("button", name="Show more").click()
        await expect(rows).to_have_count(min(shown + 25, len(closed) + 1))
    await expect(gaps.get_by_role("button", name="Show more")).to_have_count(0)
    async with page.expect_download() as download:
        await gaps.get_by_role("link", name="as CSV").click()
    await (await download.value).save_as(tmp_path / "gaps.csv")
    with (tmp_path / "gaps.csv").open(newline="") as file:
        assert [row["first"] for row in csv.DictReader(file)] == closed


@pytest.mark.usefixtures("market_data")
async def test_as_known_at_goes_from_change_to_change_and_back_to_now(page: Page) -> None:
    told = await (await page.request.get("/api/v1/revisions?symbol=AAPL&order=asc")).json()
    first = told["revisions"][0]
    await page.goto("/symbol/AAPL")
    known = page.get_by_role("region", name="As known at")
    slider = known.get_by_role("slider")
    await expect(slider).to_have_attribute("aria-valuetext", "now: what is believed today")
    await slider.press("Home")
    said = f"{first['known_from'][:10]} {first['known_from'][11:16]} UTC: 1 bar stated that was restated later"
    await expect(slider).to_have_attribute("aria-valuetext", said)
    await expect(known.get_by_text(said)).to_be_visible()
    await expect(page).to_have_url(f"/symbol/AAPL?known_at={first['known_from'].replace(':', '%3A')}")
    together = [row for row in told["revisions"] if row["restated_at"] == first["restated_at"]]
    await known.get_by_text("Any instant").click()
    change = known.get_by_role("row").filter(has_text=f"{len(together)} bars restated")
    at = f"{first['restated_at'][:10]} {first['restated_at'][11:16]} UTC"
    await change.get_by_role("button", name=at).click()
    await expect(slider).to_have_attribute("aria-valuetext", re.compile(f"^{at}: {len(together)} bars restated"))
    await known.get_by_label("Instant (UTC)").fill("2016-06-05T12:00:00")
    await expect(known.get_by_text("2016-06-05 12:00 UTC, as since 2016-06-03 22:00 UTC")).to_be_visible()
    await expect(page).to_have_url("/symbol/AAPL?known_at=2016-06-05T12%3A00%3A00Z")
    await known.get_by_role("button", name="Back to now").click()
    await expect(page).to_have_url("/symbol/AAPL")
    await expect(slider).to_have_attribute("aria-valuetext", "now: what is believed today")

    await page.goto("/symbol/ABCD")
    await expect(known.get_by_text("Of ABCD, nothing was ever restated")).to_be_visible()
    await expect(slider).to_have_count(0)


async def test_the_sum_counts_a_group_once_and_a_person_stands_above_it(
    browser: Browser, database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    broken = dt.date(2024, 3, 13)
    rows = [bar(dt.date(2024, 3, 12)), bar(broken, (20.0, 19.0, 21.0, 20.0)), bar(dt.date(2024, 3, 14))]
    hostile = 'he said "<b>no</b>" & so on'
    later = dt.datetime(2024, 7, 1, 7, 0, tzinfo=dt.UTC)
    await archive_all(ingest_pool, [range_response("AAPL", rows)])
    await catch_up_or_build(project_pool, read_ruleset(DEFAULT_RULES), lambda: later)
    accept = Decision(Verb.ACCEPT, "AAPL", broken, None, hostile, "kim", later)
    await decide_on_bar(ingest_pool, project_pool, accept, lambda: later)
    async with served(database_url, lambda: later) as client, await browser.new_context(viewport=PHONE) as context:
        page = await context.new_page()
        await page.goto(f"{client.origin}/symbol/AAPL?session={broken}")
        story = _story(page)
        await expect(story.get_by_text("overridden by a person")).to_be_visible()
        verdicts = "Verdict of each rule"
        high = ["high_brackets", "✕ failed", "2", "−0.50"]
        await expect(_cells(story, verdicts, "high_brackets")).to_have_text(high)
        await expect(_cells(story, verdicts, "low_brackets").last).to_have_text("0 ohlcv once only")
        await expect(story.get_by_text("Score:")).to_contain_text(
            "1 − 0.50 (high_brackets) − 0.20 (large_gap) = 0.30; below 0.85: the rules do not validate it. "
            "A person's decision stands above that: validated."
        )
        await expect(story.get_by_text(f"by kim, 2024-07-01 07:00 UTC, because: {hostile}")).to_be_visible()
