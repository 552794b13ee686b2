"""A real browser, Chromium, at a real server of the real market; what the browser says is wrong fails the test."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright, expect

from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.page import made_market, real_market
from tests.api.page.nights import NOW
from tests.api.served import served

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=760)
_REFUSED = "Failed to load resource: the server responded with a status of 4"
_SHOTS = Path(__file__).parents[3] / "build" / "screenshots"

# No test of ours fails because a machine is busy.
expect.set_options(timeout=30_000)

OpenPage = Callable[..., Awaitable[Page]]
Shoot = Callable[[Page, str], Awaitable[None]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Yield Chromium; tests that need it are skipped where there is none."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(CHROMIUM)} on this machine; on Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable, args=[*FLAGS], chromium_sandbox=False)
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
async def real_market_url(request: pytest.FixtureRequest, server_url: str, template: str) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with the real market, or with a made one where there is none; tests do not change
    it. Tests of what only the real one has ask for `market_data` as well."""
    name = f"real_market_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    async with open_pool(url, Role.INGEST) as ingest, open_pool(url, Role.PROJECT) as project:
        try:
            await real_market.fill(request.getfixturevalue("market_data"), ingest, project)
        except pytest.skip.Exception:
            await made_market.fill(ingest, project)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def origin(real_market_url: str) -> AsyncIterator[str]:
    """Yield the origin of a server of that market, on the morning after its newest session."""
    async with served(real_market_url, lambda: NOW) as client:
        yield client.origin


@pytest.fixture
async def open_page(browser: Browser, origin: str) -> AsyncIterator[OpenPage]:
    """Yield a function that opens a page of a fresh browser profile, wide and light unless told otherwise:
    `await open_page(viewport=PHONE, color_scheme="dark")`; options are those of Playwright's `new_context`.

    At the end no error may stand on the console of any and no request may have gone to anybody else. With
    `refusals=True` the server may have refused what it was asked for, which the browser notes as an error.
    """
    wrong: list[str] = []
    contexts = []

    async def opened(*, refusals: bool = False, **options: Any) -> Page:
        context = await browser.new_context(**{"base_url": origin, "viewport": WIDE, "locale": "en-US", **options})
        contexts.append(context)
        page = await context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if _is_wrong(said, refusals=refusals) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if _is_ours(asked.url, origin) else wrong.append(asked.url))
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert wrong == []


@pytest.fixture
async def page(open_page: OpenPage) -> Page:
    """Return a page of a fresh browser profile; `page.goto("/symbol/AAPL")` is of our server. See `open_page`."""
    return await open_page()


@pytest.fixture(scope="session")
def shoot() -> Shoot:
    """Return a function that keeps a picture of a page, whole, under a name: `await shoot(page, "audit-filtered")`.

    They are there to be looked at: in the folder of PAGE_SHOTS, else in build/screenshots.
    """
    folder = Path(os.environ.get("PAGE_SHOTS", _SHOTS))
    folder.mkdir(parents=True, exist_ok=True)

    async def taken(page: Page, name: str) -> None:
        await page.screenshot(path=folder / f"{name}.png", full_page=True, animations="disabled")

    return taken


def _is_wrong(said: ConsoleMessage, *, refusals: bool) -> bool:
    return said.type in ("error", "warning") and not (refusals and said.text.startswith(_REFUSED))


def _is_ours(url: str, origin: str) -> bool:
    return url.startswith((f"{origin}/", "data:", "blob:"))
