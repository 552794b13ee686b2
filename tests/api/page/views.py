"""The views of the page as tests walk through them: their addresses, and when one is there to be looked at.

Whatever a view waits for, it says so in a text that ends with "…".
"""

import re

import msgspec
from playwright.async_api import Page, expect

_WAITING = re.compile("…$")


class View(msgspec.Struct, frozen=True):
    """A view under a name; `shows` is a text in it that comes last."""

    name: str
    address: str
    shows: str | None = None


HOME = View("home", "/")
SYMBOL = View("symbol", "/symbol/AAPL?session=2016-06-01", "payload")
AUDIT = View("audit", "/audit/2016-06-01?kind=flagged", "it adds up")
RULES = View("rules", "/rules")
DRY_RUN = View("dry-run", "/rules/dry-run")
MISSING = View("missing", "/symbol/NOSUCH")
VIEWS = (HOME, SYMBOL, AUDIT, RULES, DRY_RUN)


async def look_at(page: Page, view: View) -> None:
    """Go to a view and return when its answers are there."""
    await page.goto(view.address)
    await settled(page, view)


async def settled(page: Page, view: View) -> None:
    """Return when everything that a view asked for is shown."""
    await expect(page.locator("main h1").first).to_be_visible()
    if view.shows is not None:
        await expect(page.locator("main").get_by_text(view.shows).first).to_be_visible()
    await expect(page.locator("main").get_by_text(_WAITING).filter(visible=True)).to_have_count(0)
