"""The heat map of coverage on the home page: what its cells say, going through them, and what is in the address."""

import re

from playwright.async_api import Locator, Page, expect

from tests.api.page.conftest import PHONE, OpenPage

_YEARS = "from=2016-01&to=2017-12&order=longest"
_STOPS = "[...document.querySelectorAll('.heat a')].filter((each) => each.tabIndex === 0).length"
_FIRST_MS = 20_000
_IS_STUCK = "(each) => each.getBoundingClientRect().left >= each.closest('.heat').getBoundingClientRect().left"


def _heat(page: Page) -> Locator:
    return page.get_by_role("grid", name="Coverage by symbol and month")


async def _goto(page: Page, query: str) -> None:
    """Show a heat map; the first answer of a server may take its time, since home asks for much at once."""
    await page.goto(f"/?{query}")
    await expect(_heat(page)).to_be_visible(timeout=_FIRST_MS)


def _controls(page: Page) -> Locator:
    return page.get_by_role("search", name="Coverage")


def _month(page: Page, symbol: str, month: str) -> Locator:
    return _heat(page).get_by_role("link", name=re.compile(f"^{symbol} {month}: "))


async def test_each_month_says_what_it_is_made_of_and_leads_to_its_days(page: Page, market_data: object) -> None:
    await _goto(page, f"{_YEARS}&find=IBM")
    hole = _month(page, "IBM", "2016-09")
    await expect(hole).to_have_accessible_name("IBM 2016-09: 20 of 21 bars, 1 missing (vendor hole)")
    await expect(hole).to_have_text("✕")
    await expect(_month(page, "IBM", "2016-10")).to_have_text("✓")
    await expect(_month(page, "IBM", "2017-06")).to_have_accessible_name(re.compile("nothing expected"))
    await hole.hover()
    await expect(page.locator("#heat-line")).to_have_text("IBM 2016-09: 20 of 21 bars, 1 missing (vendor hole)")
    await hole.click()
    await expect(page).to_have_url("/symbol/IBM?start=2016-09-01&end=2016-09-30")
    await page.go_back()
    await expect(hole).to_be_visible()


async def test_arrow_keys_lead_through_the_months_from_a_single_tab_stop(page: Page) -> None:
    await _goto(page, "from=2017-07&to=2017-12&order=longest")
    first = _heat(page).locator("tbody tr").first
    await expect(first).to_be_visible()
    assert await page.evaluate(_STOPS) == 1
    await first.locator("td a").last.focus()
    await page.keyboard.press("Home")
    symbol = first.get_by_role("rowheader").get_by_role("link")
    await expect(symbol).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await expect(symbol).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowDown")
    second = _heat(page).locator("tbody tr").nth(1).locator("td a").first
    await expect(second).to_be_focused()
    await expect(page.locator("#heat-line")).to_have_text(await second.get_attribute("aria-label") or "")
    await page.keyboard.press("Control+End")
    last = _heat(page).locator("tbody tr").last.locator("td a").last
    await expect(last).to_be_focused()
    assert await page.evaluate(_STOPS) == 1
    address = await last.get_attribute("href") or ""
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(address)


async def test_what_is_shown_is_in_the_address(open_page: OpenPage) -> None:
    page = await open_page(refusals=True)
    await _goto(page, f"{_YEARS}")
    await expect(_heat(page).locator("thead tr").last.locator("th")).to_have_count(24)
    await _controls(page).get_by_label("Symbol or name").fill("MSFT")
    await expect(_heat(page).get_by_role("rowheader")).to_have_text(["MSFT"])
    await expect(page).to_have_url(f"/?{_YEARS}&find=MSFT")
    await _controls(page).get_by_label("From").fill("2016-07")
    await expect(_heat(page).locator("thead tr").last.locator("th")).to_have_count(18)
    await _controls(page).get_by_label("Order").select_option("by symbol")
    await expect(page).to_have_url(re.compile("from=2016-07.*order=symbol"))
    await page.go_back()
    await expect(_controls(page).get_by_label("Order")).to_have_value("longest")
    await _controls(page).get_by_label("Symbol or name").fill("no such symbol")
    await expect(page.get_by_text("No symbol with bars has “no such symbol” in it")).to_be_visible()
    await _controls(page).get_by_label("From").fill("1990-01")
    await expect(page.get_by_role("alert")).to_contain_text("leads to 336 months; 120 is the most")


async def test_pages_of_symbols_follow_on_one_another_and_a_phone_scrolls_inside(
    open_page: OpenPage, market_data: object
) -> None:
    page = await open_page(viewport=PHONE)
    await _goto(page, "order=symbol")
    rows = _heat(page).get_by_role("rowheader")
    await expect(rows).to_have_count(40)
    await expect(rows.first).to_have_text("A")
    assert await page.locator(".heat").evaluate("(each) => each.scrollLeft > 0")
    assert await rows.first.evaluate(_IS_STUCK)
    await page.get_by_role("button", name="Next 40 symbols").click()
    await expect(rows.first).not_to_have_text("A")
    await page.get_by_role("button", name="First symbols").click()
    await expect(rows.first).to_have_text("A")
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
