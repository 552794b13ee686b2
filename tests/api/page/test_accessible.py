"""The page for everybody: what axe-core finds, keyboard alone, a narrow phone, no colour, no motion."""

from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Page, expect

from tests.api.page.conftest import PHONE, OpenPage, Shoot
from tests.api.page.views import AUDIT, DRY_RUN, HOME, MISSING, RULES, SYMBOL, VIEWS, View, look_at

_AXE = AXE_FILE_PATH.read_text()
_OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# Rows like those above them: to look at each of thousands of cells takes axe-core ten seconds.
_CONTEXT = {"exclude": [[".heat tbody tr:nth-child(n + 3)"], ["tbody tr:nth-child(n + 11)"]]}
_TITLES = {
    HOME: "Is my data good today?",
    SYMBOL: "AAPL",
    AUDIT: "Audit of 2016-06-01",
    RULES: "Rules",
    DRY_RUN: "Dry run",
    MISSING: "NOSUCH",
}
_LEAST_TARGET_PX = 24
# What a person can act upon and is shown; of a group of radio buttons Tab reaches the chosen one only.
_CONTROLS = """
() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex], [role=slider]")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled && !each.closest("dialog"))
    .filter((each) => !(each.type === "radio" && !each.checked))
"""
_NAME = "`${each.tagName} ${each.id} ${(each.ariaLabel ?? each.textContent).trim().slice(0, 40)}`"
_SMALL = f"""
(least) => ({_CONTROLS})()
    .filter((each) => each.matches("button, select, input:not([type=checkbox], [type=radio]), summary, textarea"))
    .filter((each) => each.getBoundingClientRect().height < least).map((each) => {_NAME})
"""
_WATCH_FOCUS = 'document.addEventListener("focusin", (event) => { event.target.dataset.reached = "yes"; })'
# A field for a date has four places that Tab stops at.
_STOPS = f"""
({_CONTROLS})().filter((each) => each.tabIndex >= 0)
    .reduce((stops, each) => stops + (["date", "month", "datetime-local"].includes(each.type) ? 8 : 1), 2)
"""
_UNREACHED = f"""
({_CONTROLS})().filter((each) => each.tabIndex >= 0 && !each.dataset.reached).map((each) => {_NAME})
"""
_WITHOUT_WORDS = """
[...document.querySelectorAll("main .badge, main .good, main .warn, main .bad")]
    .filter((each) => !each.ariaHidden && !each.closest("svg"))
    .filter((each) => !/[\\p{L}\\d]/u.test(each.textContent)).map((each) => each.outerHTML)
"""
_MOVING = "document.getAnimations().filter((each) => each.effect.getComputedTiming().duration > 0).length"
# The colours in which the candles are drawn, grid and marks among them; and those of the buttons of the first choice.
_INKS = """
() => {
  const drawn = document.querySelector(".symbol-canvas canvas");
  const copy = Object.assign(document.createElement("canvas"), { width: drawn.width, height: drawn.height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(drawn, 0, 0);
  return [...new Set(new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer))];
}
"""
_OTHER_INKS = f"(before) => ({_INKS})().some((ink) => !before.includes(ink))"
_CHOSEN = """
[...document.querySelectorAll("fieldset:first-of-type button")].map((each) => getComputedStyle(each).backgroundColor)
"""
_SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page, a line for each element."""
    await page.evaluate(_AXE)
    found: dict[str, Any] = await page.evaluate("(given) => axe.run(...given)", [_CONTEXT, _OPTIONS])
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


@pytest.mark.parametrize("view", [*VIEWS, MISSING], ids=lambda view: view.name)
async def test_axe_finds_nothing_wide_in_light_nor_on_a_phone_in_the_dark(
    open_page: OpenPage, shoot: Shoot, view: View
) -> None:
    page = await open_page(refusals=view is MISSING)
    await look_at(page, view)
    assert await page.title() == f"{_TITLES[view]} · Market data warehouse"
    assert await violations(page) == []
    await shoot(page, f"{view.name}-light")
    await page.emulate_media(color_scheme="dark")
    await shoot(page, f"{view.name}-dark")
    await page.set_viewport_size(PHONE)
    await shoot(page, f"{view.name}-phone")
    assert await violations(page) == []
    assert await page.evaluate(_SIDEWAYS) == 0
    assert await page.evaluate(_SMALL, _LEAST_TARGET_PX) == []
    assert await page.locator("h1:visible").count() == 1


async def test_axe_finds_nothing_in_the_search(page: Page, shoot: Shoot) -> None:
    await look_at(page, HOME)
    await page.keyboard.press("/")
    await page.keyboard.type("AAPL")
    await expect(page.get_by_role("option", name="AAPL").first).to_be_visible()
    assert await violations(page) == []
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(PHONE)
    await shoot(page, "search-phone")
    assert await violations(page) == []
    assert await page.evaluate(_SIDEWAYS) == 0


@pytest.mark.parametrize("view", [HOME, SYMBOL, RULES], ids=lambda view: view.name)
async def test_tab_reaches_everything(page: Page, view: View) -> None:
    await look_at(page, view)
    await page.evaluate(_WATCH_FOCUS)
    for _ in range(await page.evaluate(_STOPS)):
        await page.keyboard.press("Tab")
    assert await page.evaluate(_UNREACHED) == []


async def test_a_symbol_is_found_and_a_bar_traced_with_the_keyboard_alone(page: Page) -> None:
    await page.goto("/rules")
    await page.keyboard.press("/")
    await page.keyboard.type("AAPL")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url("/symbol/AAPL")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("AAPL")


@pytest.mark.parametrize("forced", ["active", "none"])
async def test_chart_and_choices_are_seen_where_the_system_forces_its_colours(open_page: OpenPage, forced: str) -> None:
    page = await open_page(forced_colors=forced)
    await look_at(page, SYMBOL)
    inks = await page.evaluate(_INKS)
    assert len(inks) > 2
    as_traded, splits, everything = (await page.evaluate(_CHOSEN))[:3]
    assert as_traded == everything != splits
    await page.emulate_media(forced_colors="none" if forced == "active" else "active")
    await page.wait_for_function(_OTHER_INKS, arg=inks)


@pytest.mark.parametrize("view", [HOME, SYMBOL, AUDIT], ids=lambda view: view.name)
async def test_nothing_is_said_by_colour_alone_nor_moves_where_that_is_not_wanted(
    open_page: OpenPage, shoot: Shoot, view: View
) -> None:
    page = await open_page(forced_colors="active", reduced_motion="reduce")
    await look_at(page, view)
    assert await page.evaluate(_WITHOUT_WORDS) == []
    assert await page.evaluate(_MOVING) == 0
    await shoot(page, f"{view.name}-forced-colours")
    cdp = await page.context.new_cdp_session(page)
    await page.emulate_media(forced_colors="none")
    await cdp.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    await shoot(page, f"{view.name}-grey")
