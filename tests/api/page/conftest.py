"""A real browser, Chromium, at a real server of the real market; what the browser says is wrong fails the test."""

import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

from sql.connect import Role, open_owner, open_pool
from sql.migrate import migrate
from tests.api.page import real_market
from tests.api.served import served

_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Yield Chromium; tests that need it are skipped where there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on this machine; on Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable, args=[*_FLAGS], chromium_sandbox=False)
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
async def real_market_url(server_url: str, template: str, market_data: Path) -> AsyncIterator[str]:
    """Yield the URL of a warehouse with the real market; tests do not change it."""
    name = f"real_market_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with open_owner(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    async with open_owner(url) as owner:
        await migrate(owner)
    async with open_pool(url, Role.INGEST) as ingest, open_pool(url, Role.PROJECT) as project:
        await real_market.fill(market_data, ingest, project)
    yield url
    async with open_owner(server_url) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def origin(real_market_url: str) -> AsyncIterator[str]:
    """Yield the origin of a server of the real market, on the morning after its newest session."""
    async with served(real_market_url, lambda: real_market.NOW) as client:
        yield client.origin


@pytest.fixture
async def page(browser: Browser, origin: str) -> AsyncIterator[Page]:
    """Yield a page of a fresh browser profile; `page.goto("/symbol/AAPL")` is of our server.

    At the end no error may stand on its console and no request may have gone to anybody else.
    """
    context = await browser.new_context(base_url=origin, viewport={"width": 1280, "height": 900}, locale="en-US")
    page = await context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda asked: None if asked.url.startswith((origin, "data:", "blob:")) else wrong.append(asked.url)
    )
    yield page
    await context.close()
    assert wrong == []
