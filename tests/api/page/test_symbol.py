"""The view of a symbol, in a real browser at the real market: what its chart says, by mouse, keyboard and address."""

import asyncio
import csv
import datetime as dt
import re
from pathlib import Path

import asyncpg
from playwright.async_api import Browser, Locator, Page, Route, expect

from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.api.page.conftest import OpenPage
from tests.api.served import served
from tests.payloads import archive_all, bar, range_response
from tests.project.tickers_payloads import events_response, listed, tickers_response


def _legend(page: Page) -> Locator:
    return page.get_by_role("region", name="The bar at the cursor")


def _chart(page: Page) -> Locator:
    return page.get_by_role("application")


def _pressed(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True, pressed=True)


def _bars(folder: Path, symbol: str) -> list[dict[str, str]]:
    with (folder / "bars" / f"{symbol}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


async def _expect_bar(page: Page, bar: dict[str, str]) -> None:
    """Expect the legend to say the prices of a bar of the file."""
    prices = " ".join(rf"{name[0].upper()} {float(bar[name]):.2f}\d*" for name in ("open", "high", "low", "close"))
    said = re.compile(rf"{bar['date'][:10]} {prices}".replace(" ", r"\s+"))
    await expect(_legend(page)).to_have_text(said)


async def test_chart_says_bar_by_bar_what_the_file_says(page: Page, market_data: Path) -> None:
    rejected = {"1985-09-27"}
    bars = [bar for bar in _bars(market_data, "AAPL") if bar["date"][:10] not in rejected]
    await page.goto("/symbol/AAPL?adjusted=none")
    await _expect_bar(page, bars[-1])
    await expect(_legend(page)).to_contain_text("validated")
    last_year = [bar for bar in bars if bar["date"][:10] >= "2017-03-27"]
    told = f"{len(last_year)} of {len(bars):,} bars, 2017-03-27 to 2018-03-27"
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile(f"daily, as traded: {told}"))

    await _chart(page).focus()
    await page.keyboard.press("ArrowLeft")
    await _expect_bar(page, bars[-2])
    await page.keyboard.press("Home")
    await _expect_bar(page, bars[0])
    await expect(page).to_have_url(re.compile("start=1980-12-12"))
    await page.keyboard.press("End")
    await _expect_bar(page, bars[-1])
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("session=2018-03-27"))
    await expect(page.get_by_role("heading", name="AAPL on 2018-03-27")).to_be_visible()


async def test_what_comes_later_moves_neither_chart_nor_cursor(page: Page, market_data: Path) -> None:
    bars = _bars(market_data, "AAPL")
    moved = asyncio.Event()

    async def wait(route: Route) -> None:
        await moved.wait()
        await route.continue_()

    await page.route("**/historical/AAPL?*columns=quality_score*", wait)
    await page.goto("/symbol/AAPL?adjusted=none")
    await _expect_bar(page, bars[-1])
    await _chart(page).focus()
    for key in ("Home", "ArrowRight"):
        await page.keyboard.press(key)
    await _expect_bar(page, bars[1])
    moved.set()
    await expect(_chart(page)).not_to_have_attribute("aria-busy", "true")
    await _expect_bar(page, bars[1])
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("bars, 1980-12-12 to"))
    await expect(page).to_have_url(re.compile("start=1980-12-12"))


async def test_what_is_chosen_is_in_the_address_and_comes_back_with_it(page: Page, market_data: Path) -> None:
    await page.goto("/symbol/AAPL?session=2014-06-05")
    await expect(_legend(page)).to_contain_text("C 92.48")
    await page.get_by_role("button", name="As traded").click()
    await expect(_legend(page)).to_contain_text("C 647.35")
    await page.get_by_role("button", name="Log").click()
    await page.get_by_role("button", name="All", exact=True).click()
    await page.get_by_role("button", name="Show as table").click()
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("9,399 of 9,399 bars, 1980-12-12 to"))
    address = "/symbol/AAPL?session=2014-06-05&adjusted=none&scale=log&start=1980-12-12&table=1"
    await expect(page).to_have_url(re.compile(f"{re.escape(address)}$"))

    await page.reload()
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("as traded: 9,399 of 9,399 bars"))
    await expect(_legend(page)).to_contain_text("C 647.35")
    for name in ("As traded", "Log", "All", "Day"):
        await expect(_pressed(page, name)).to_be_visible()
    rows = page.get_by_role("group", name="Bars of AAPL in sight").get_by_role("row")
    await expect(rows).to_have_count(1 + 100)
    await expect(rows.nth(1)).to_contain_text("1980-12-12")

    await page.get_by_role("button", name="Week").click()
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("weekly, as traded: 1,947 of 1,947 bars"))
    await page.go_back()
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("daily, as traded: 9,399 of 9,399 bars"))


async def test_known_faults_are_marked_and_told(page: Page, market_data: Path) -> None:
    await page.goto("/symbol/AAPL?start=1985-09-24&end=1985-09-30")
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("4 of 9,399 bars.*marks: 1 rejected"))
    await _chart(page).focus()
    await page.keyboard.press("ArrowLeft")
    await expect(_legend(page)).to_contain_text("1985-09-27 no bar")
    await expect(_legend(page)).to_contain_text("rejected row: not a session")
    toggle = page.get_by_role("button", name=re.compile("^rejected"))
    await expect(toggle).to_have_text(re.compile(r"rejected\s+1$"))
    await toggle.click()
    await expect(toggle).to_have_attribute("aria-pressed", "false")
    await expect(page).to_have_url(re.compile("hide=rejected"))

    await page.goto("/symbol/AAPL?session=2014-06-09&start=2014-06-02&end=2014-06-12")
    await expect(_legend(page)).to_contain_text("split 7 for 1")
    await expect(_legend(page)).to_contain_text("validated (corporate action)")
    await page.goto("/symbol/AAPL?session=2000-09-29")
    await expect(_legend(page)).to_contain_text(re.compile(r"not validated: large gap −\d\d\.\d\d\s%"))
    await page.goto("/symbol/AAPL?start=1981-08-01&end=1981-08-31")
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("1 missing"))


async def test_the_mouse_reads_and_opens_bars_and_the_theme_may_change(page: Page, market_data: Path) -> None:
    bars = _bars(market_data, "KO")
    await page.goto("/symbol/KO?adjusted=none&start=2017-03-01")
    await expect(_legend(page)).to_contain_text("2017-03-31")
    box = await _chart(page).bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    await page.mouse.move(*middle)
    await expect(_legend(page)).not_to_contain_text("2017-03-31")
    session = str(await _legend(page).locator("strong").text_content())
    await _expect_bar(page, next(bar for bar in bars if bar["date"].startswith(session)))
    await page.get_by_role("button", name=re.compile("^Theme")).click()
    await page.mouse.move(*middle)
    await expect(_legend(page)).to_contain_text(session)
    await page.mouse.click(*middle)
    await expect(page).to_have_url(re.compile(f"session={session}"))
    await page.mouse.wheel(0, 600)
    await expect(page).to_have_url(re.compile("start=(?!2017-03-01)"))


async def test_unknown_symbol_names_those_near(open_page: OpenPage, market_data: Path) -> None:
    page = await open_page(refusals=True)
    await page.goto("/symbol/aapl")
    await expect(page.get_by_role("alert")).to_contain_text("symbol aapl is not known here")
    await page.get_by_role("link", name="AAPL", exact=True).click()
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("^Chart of AAPL"))


async def test_slashed_and_untidy_addresses_are_answered(open_page: OpenPage) -> None:
    page = await open_page(refusals=True)
    await page.goto("/symbol/A%2FB")
    await expect(page.get_by_role("alert")).to_have_count(1)
    await expect(page.get_by_role("heading", name="Did you mean")).to_be_visible()
    await page.goto("/symbol/AAPL?timeframe=constructor&adjusted=toString&gaps=constructor")
    await expect(_chart(page)).to_have_attribute("aria-label", re.compile("^Chart of AAPL, daily, adjusted for splits"))
    await expect(page.get_by_role("table", name="Gaps of every class")).to_be_visible()


async def test_names_rejections_and_what_is_projected_while_the_view_is_open(
    browser: Browser, database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    days = [dt.date(2024, 3, day) for day in (11, 12, 13, 14)]
    later = dt.datetime(2024, 7, 1, 13, 0, tzinfo=dt.UTC)
    rules = read_ruleset(DEFAULT_RULES)
    answers = [
        range_response("OLD", [bar(day, 10.0, 1e6) for day in days[:2]]),
        range_response("NEW", [bar(day, 10.0, 1e6) for day in days[2:]]),
        range_response("BAD", [bar(days[0], 10.0, 1e6) | {"o": '"ten"'}]),
        tickers_response([listed("NEW", composite_figi="BBGN")]),
        events_response("NEW", [("NEW", str(days[2])), ("OLD", "2012-05-18")], composite_figi="BBGN", name="Nova"),
    ]
    await archive_all(ingest_pool, answers)
    await catch_up_or_build(project_pool, rules, lambda: later)
    async with served(database_url, lambda: later) as client, await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(f"{client.origin}/symbol/BAD")
        rejected = page.get_by_role("table", name="Rows that were rejected")
        await expect(rejected.get_by_role("row").last).to_contain_text("not_a_number_open")
        await page.goto(f"{client.origin}/symbol/NEW")
        await page.get_by_role("link", name="OLD", exact=True).click()
        await expect(page.get_by_role("note")).to_contain_text("From 2024-03-13 on it was NEW.")
        await expect(_legend(page)).to_contain_text(re.compile(r"2024-03-12\s.*C\s+10\.00", re.DOTALL))

        restated = range_response("OLD", [bar(days[1], 12.5, 1e6)], days[1], days[1], fetched_at=later)
        await archive_all(ingest_pool, [restated])
        await catch_up_or_build(project_pool, rules, lambda: later)
        for name in ("As traded", "Splits"):
            await page.get_by_role("button", name=name, exact=True).click()
            await expect(_legend(page)).to_contain_text("C 12.50" if name == "Splits" else "C 12.5")
            await expect(_legend(page)).to_contain_text("restated 2024-07-01 13:00 UTC")
