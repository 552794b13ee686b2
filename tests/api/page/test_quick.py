"""The page is small, stands still, and asks for nothing twice. How long it takes is measured by tests/bench/page.py."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request

from tests.api.page.conftest import PHONE, OpenPage
from tests.api.page.views import SYMBOL, VIEWS, View, look_at

_MOST_BYTES = 300_000
_MOST_SHIFT = 0.1
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WATCH_SHIFTS = """
globalThis.shifted = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def _heard(page: Page) -> list[Request]:
    """Return a list to which each finished request of a page is added."""
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))
    return requests


def _is_data(request: Request) -> bool:
    return urlsplit(request.url).path.startswith(("/api/", "/openapi.json", "/health", "/ready", "/fresh"))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
async def test_a_view_weighs_little_and_asks_for_nothing_twice(page: Page, view: View) -> None:
    requests = _heard(page)
    await look_at(page, view)
    asked = [f"{request.method} {request.url}" for request in requests]
    assert sorted(set(asked)) == sorted(asked)
    files = {request.url: await request.sizes() for request in requests if not _is_data(request)}
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in files.values()) <= _MOST_BYTES, files
    for request in requests:
        response = await request.response()
        assert response is not None
        if not _is_data(request):
            headers = await response.all_headers()
            assert headers["content-encoding"] == "gzip", request.url
            assert headers["content-security-policy"].startswith(_POLICY), request.url
            assert headers["etag"], request.url


async def test_a_file_that_the_browser_has_is_not_sent_again(page: Page) -> None:
    await look_at(page, SYMBOL)
    requests = _heard(page)
    await page.reload()
    await page.wait_for_load_state("networkidle")
    files = [request for request in requests if not _is_data(request)]
    sent = {request.url: (await request.sizes())["responseBodySize"] for request in files}
    assert len(sent) > 5
    assert set(sent.values()) == {0}, sent


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["wide", "phone"])
async def test_nothing_moves_while_answers_come(open_page: OpenPage, viewport: Any) -> None:
    page = await open_page(**({} if viewport is None else {"viewport": viewport}))
    await page.add_init_script(_WATCH_SHIFTS)
    shifted = {}
    for view in VIEWS:
        await look_at(page, view)
        shifted[view.name] = await page.evaluate("shifted")
    assert max(shifted.values()) <= _MOST_SHIFT, shifted


async def test_what_an_address_says_cannot_become_a_script(open_page: OpenPage) -> None:
    page = await open_page(refusals=True)
    await page.goto("/symbol/<img src=x onerror=document.title='broken'>")
    await page.wait_for_load_state("networkidle")
    assert await page.locator("main img").count() == 0
    assert await page.title() != "broken"
