"""The frame of the page in a browser: finding a symbol, the theme, the key, a server that is away, and hostile data."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from playwright.async_api import Browser, Page, Route, expect

from api.access.key import make_key
from api.access.policy import OPEN, Access
from api.access.store import add_key
from project.rebuild import catch_up_or_build
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_pool
from tests.api.access.test_gate import KEYED
from tests.api.market import NOW, project
from tests.api.page.conftest import PHONE, WIDE, OpenPage
from tests.api.page.views import View, look_at
from tests.api.served import served
from tests.payloads import archive_all, bar, grouped_response
from tests.project.tickers_payloads import listed, tickers_response

MARKUP = "<img src=x onerror=alert(1)>"
TURNED = "\u202eAB\u2066C"
LONG = "W" * 10_000
SESSION = dt.date(2026, 11, 20)
WAIT_S = 10
# Where it was left but for what the browser moves to keep the same lines in sight, when those above them grow.
LEFT_AT = "Math.abs(scrollY - 500) < 100"


@asynccontextmanager
async def at(browser: Browser, url: str, access: Access = OPEN) -> AsyncIterator[Page]:
    """Yield a page at a server of its own; what its console says is the test's affair."""
    async with served(url, access=access) as client:
        context = await browser.new_context(base_url=client.origin, viewport=WIDE, accept_downloads=True)
        yield await context.new_page()
        await context.close()


@pytest.mark.usefixtures("market_data")
async def test_a_symbol_is_found_with_the_keyboard_alone(page: Page) -> None:
    await page.goto("/audit")
    await expect(page).to_have_title("Audit · Market data warehouse")
    search = page.get_by_role("dialog", name="Find a symbol")
    box = search.get_by_role("combobox", name="Symbol or name")
    options = search.get_by_role("option")
    await page.get_by_role("link", name="Rules", exact=True).focus()
    await page.keyboard.press("/")
    await expect(box).to_be_focused()
    await expect(options).to_have_count(12)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="Rules", exact=True)).to_be_focused()

    await page.keyboard.press("Control+k")
    await page.keyboard.type("aap")
    await expect(options.first).to_contain_text("AAP")
    first = await options.all_inner_texts()
    await page.keyboard.press("ArrowUp")
    await expect(options.last).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowDown")
    await expect(box).to_have_attribute("aria-activedescendant", "found-0")
    assert all(text.startswith("AAP") for text in first[:2])
    await page.keyboard.type("qqqqqq")
    await expect(search.get_by_text("No symbol and no name has this in it.")).to_be_visible()
    await expect(box).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("Enter")
    await expect(box).to_be_focused()

    # Enter does not wait for what is shown: the best match of what stands there is opened.
    await box.fill("")
    await page.keyboard.type("aapl")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url("/symbol/AAPL")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("AAPL")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("/")
    await expect(options).to_have_text(["AAPL"])
    await expect(search.get_by_text("Opened here lately.")).to_be_visible()


async def test_the_list_of_keys_can_silence_the_single_ones(page: Page) -> None:
    await page.goto("/audit")
    await page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    await expect(keys.get_by_role("rowheader", name="/")).to_be_visible()
    await keys.get_by_label("Single characters are shortcuts").uncheck()
    await keys.get_by_role("button", name="Close").click()
    await page.keyboard.press("/")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog", name="Find a symbol")).to_be_visible()


async def test_the_theme_is_kept_and_is_that_of_all_pages(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    await page.goto("/rules")
    theme = page.get_by_role("button", name="Theme:")
    await theme.click()
    light = await page.evaluate(ground)
    await theme.click()
    await expect(theme).to_have_accessible_name("Theme: dark; change to system")
    dark = await page.evaluate(ground)
    assert light != dark
    for target in ("/rules", "/docs"):
        await page.goto(target, wait_until="commit")
        # Before any module has run.
        await _until(page, "document.documentElement.dataset.theme === 'dark'")
        await expect(theme).to_have_accessible_name("Theme: dark; change to system")
        assert await page.evaluate(ground) == dark
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Home").click()
    await expect(page).to_have_url("/")


async def test_links_and_the_history_show_the_view_where_it_was_left(page: Page) -> None:
    await page.set_viewport_size({"width": 600, "height": 300})
    await page.goto("/symbol/AAPL?timeframe=1mo")
    await expect(page).to_have_title("AAPL · Market data warehouse")
    await _until(page, "document.documentElement.scrollHeight > 1000")
    await page.evaluate("scrollTo(0, 500)")
    # A mark that is gone when a page is loaded anew.
    await page.evaluate("window.stillHere = true")
    await page.keyboard.press("Control+k")
    await page.get_by_role("button", name="Close").click()
    await page.evaluate("document.querySelector('nav a[href=\"/audit\"]').click()")
    await expect(page).to_have_title("Audit · Market data warehouse")
    await expect(page.locator("#announced")).to_have_text("Audit · Market data warehouse")
    await expect(page.get_by_role("link", name="Audit", exact=True)).to_have_attribute("aria-current", "page")
    await expect(page.locator("main")).to_be_focused()
    assert await page.evaluate("scrollY") == 0
    await page.go_back()
    await expect(page).to_have_title("AAPL · Market data warehouse")
    await _until(page, LEFT_AT)
    await page.go_forward()
    await expect(page).to_have_title("Audit · Market data warehouse")
    await page.go_back()
    await _until(page, LEFT_AT)
    assert await page.evaluate("window.stillHere")
    await page.reload()
    await _until(page, f"{LEFT_AT} && !window.stillHere")
    await page.goto("/symbol/")
    await expect(page.get_by_role("alert")).to_contain_text("There is no page /symbol/ here.")


async def test_the_frame_fits_a_phone(open_page: OpenPage) -> None:
    page = await open_page(viewport=PHONE, has_touch=True)
    await page.goto("/audit")
    for name in ("Home", "Audit", "Rules", "API"):
        box = await page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 32
        assert box["x"] + box["width"] <= 360
    await page.get_by_role("button", name="Find a symbol").tap()
    search = page.get_by_role("dialog", name="Find a symbol")
    await search.get_by_role("combobox").fill("aapl")
    await expect(search.get_by_role("option").first).to_contain_text("AAPL")
    for place in (search, search.get_by_role("button", name="Close"), search.get_by_role("option").first):
        box = await place.bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= 360
        assert box["height"] >= 32
    await search.get_by_role("option").first.tap()
    await expect(page).to_have_url("/symbol/AAPL")
    await page.goto("/docs")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Market data warehouse")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_a_server_that_is_away_is_said_and_found_again(browser: Browser, origin: str) -> None:
    context = await browser.new_context(base_url=origin, viewport=WIDE)
    page = await context.new_page()
    await page.goto("/audit")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await context.set_offline(True)
    await page.keyboard.press("/")
    notice = page.locator("#notices")
    await expect(page.get_by_text("This page cannot reach its server")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(notice).to_contain_text("The server does not answer.")
    await notice.get_by_role("button", name="Try now").click()
    await expect(notice).to_contain_text("Trying again in 4 s")
    await context.set_offline(False)
    await notice.get_by_role("button", name="Try now").click()
    await expect(notice).to_be_empty()

    # A view that had no answer is shown again by itself.
    await context.set_offline(True)
    await page.evaluate("dispatchEvent(new Event('retry'))")
    await expect(page.locator("main").get_by_text("This page cannot reach its server").first).to_be_visible()
    await context.set_offline(False)
    await notice.get_by_role("button", name="Try now").click()
    await expect(page.locator("main").get_by_text("This page cannot reach its server")).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()

    # What nobody catches is said as well, and goes when it is told to; an answer that nobody waits for is no error.
    await page.evaluate("void Promise.reject(new DOMException('left', 'AbortError'))")
    await page.evaluate("void Promise.reject(new Error('the chart tore'))")
    await expect(notice).to_contain_text("Something in this page went wrong. the chart tore")
    await notice.get_by_role("button", name="Dismiss").click()
    await expect(notice).to_be_empty()
    await context.close()


async def test_a_slow_answer_shows_that_it_is_waited_for(page: Page) -> None:
    go_on = asyncio.Event()

    async def slowly(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await page.goto("/rules")
    await page.route("**/api/v1/symbols?*", slowly)
    await page.keyboard.press("/")
    await page.keyboard.type("aapl")
    await expect(page.get_by_role("progressbar", name="Waiting for the server")).to_be_visible()
    await page.keyboard.press("Enter")
    go_on.set()
    await expect(page).to_have_url("/symbol/AAPL")
    await expect(page.get_by_role("progressbar", name="Waiting for the server")).to_be_hidden()


async def test_a_key_is_asked_for_and_kept_in_the_tab_alone(
    browser: Browser, database_url: str, projector: asyncpg.Connection, tmp_path: Path
) -> None:
    await project(projector)
    key, wrong = make_key(), make_key()
    async with open_pool(database_url, Role.ACCESS, size=1) as pool:
        await add_key(pool, key, "page", 0, NOW)
    asked: list[str] = []
    async with at(browser, database_url, KEYED) as page:
        page.on("request", lambda request: asked.append(request.url))
        await page.goto("/symbol/SEVN")
        dialog = page.get_by_role("dialog", name="This server asks for a key")
        text = dialog.get_by_label("API key")
        await expect(dialog).to_contain_text("this server asks for a key")
        await text.fill("ключ")
        await text.press("Enter")
        await expect(dialog).to_contain_text("letters, digits and signs only")
        await text.fill(wrong.text)
        await text.press("Enter")
        await expect(dialog).to_contain_text("the key is not known here, or was revoked")
        await text.fill(key.text)
        await dialog.get_by_role("button", name="Use it").click()
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("SEVN")
        # Once: a view more, a reload and a file ask for none.
        await page.get_by_role("link", name="Rules", exact=True).click()
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Rules")
        await expect(dialog).to_have_count(0)
        async with page.expect_download() as saved:
            await page.evaluate(
                """async () => {
                  const { save } = await import("/static/page/ask.js");
                  const link = Object.assign(document.createElement("a"), { href: "/api/v1/historical/SEVN.csv" });
                  link.addEventListener("click", save);
                  document.body.append(link);
                  link.click();
                }"""
            )
        download = await saved.value
        await download.save_as(tmp_path / "saved.csv")
        assert download.suggested_filename == "SEVN.csv"
        assert (tmp_path / "saved.csv").read_text().startswith("session,open,")
        assert await page.evaluate("sessionStorage.getItem('warehouse-key')") == key.text
        for held in (
            *asked,
            await page.evaluate("JSON.stringify(localStorage) + document.cookie"),
            await page.content(),
        ):
            assert key.text not in held
        other = await page.context.new_page()
        await other.goto("/symbol/SEVN")
        await expect(other.get_by_role("dialog", name="This server asks for a key")).to_be_visible()
        await other.get_by_role("button", name="Not now").click()
        await expect(other.get_by_role("alert").first).to_contain_text("this server asks for a key")
        await page.get_by_role("button", name="Forget key").click()
        await expect(dialog).to_be_visible()
        assert await page.evaluate("sessionStorage.getItem('warehouse-key')") is None
        await expect(page.get_by_role("button", name="Forget key")).to_be_hidden()


async def test_who_asks_too_often_is_told_when_to_come_back(browser: Browser, market_url: str) -> None:
    async with at(browser, market_url, Access(per_minute=1)) as page:
        await page.goto("/rules")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.goto("/symbol/SEVN")
        await expect(page.get_by_text("more than 1 requests a minute; the next one in").first).to_be_visible()
        await expect(page.get_by_role("button", name="Try again").first).to_be_visible()


async def test_before_anything_is_projected_the_page_says_what_to_run(browser: Browser, database_url: str) -> None:
    async with at(browser, database_url) as page:
        for target in ("/symbol/AAPL", "/rules", "/audit/2016-06-01", "/"):
            await page.goto(target)
            await expect(page.locator("main")).to_contain_text("ops up")


@pytest.fixture
async def hostile_url(database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> str:
    """Return the URL of a warehouse whose tickers, names and rejected rows are meant to do harm."""
    rows = [bar(SESSION, 10.0, 1e6, ticker=ticker) for ticker in (MARKUP, TURNED, LONG, "PLAIN")]
    rows.append(bar(SESSION, 10.0, 1e6, ticker=f"{MARKUP}2") | {"o": json.dumps(MARKUP)})
    named = tickers_response([listed("PLAIN", name=f"{MARKUP} \u202e Corp."), listed(MARKUP, name=LONG)])
    await archive_all(ingest_pool, [grouped_response(SESSION, rows), named])
    await catch_up_or_build(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    return database_url


async def test_what_the_vendor_says_is_text_and_never_more(browser: Browser, hostile_url: str) -> None:
    async with at(browser, hostile_url) as page:
        wrong: list[str] = []
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        await page.set_viewport_size(PHONE)
        await page.goto("/")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        for typed in ("<img", "plain", "www"):
            await page.keyboard.press("Control+k")
            search = page.get_by_role("dialog", name="Find a symbol")
            await search.get_by_role("combobox").fill(typed)
            await expect(search.get_by_role("option").first).to_contain_text(
                typed.upper() if typed != "<img" else MARKUP
            )
            await _holds(page)
            await page.keyboard.press("Escape")
        for symbol in (f"{MARKUP}2", TURNED, LONG):
            await look_at(page, View("symbol", f"/symbol/{quote(symbol, safe='')}"))
            await expect(page.get_by_role("heading", level=1).first).to_contain_text(symbol[:60])
            await _holds(page)
        for target in (
            f"/audit/{SESSION}",
            "/rules",
            f"/symbol/PLAIN?session={quote(MARKUP)}&timeframe={quote(MARKUP)}",
        ):
            await look_at(page, View("any", target))
            await _holds(page)
        assert wrong == []


async def _holds(page: Page) -> None:
    """Nothing became markup, and the page is no wider than the phone."""
    assert await page.evaluate("document.querySelectorAll('img').length") == 0
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], page.url[:80]


async def _until(page: Page, condition: str) -> None:
    """Return when a condition holds; Playwright's own waiting is refused by the page's policy."""
    async with asyncio.timeout(WAIT_S):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.02)
