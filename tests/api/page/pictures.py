"""The README's pictures of the page: `python -m tests.api.page.pictures` makes them anew in ops/pictures.

They show a market made of a seed, in a temporary warehouse, on a day that does not pass; no real data, and nothing that
differs from one run to the next but the fonts of the machine. Chromium has to be installed.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

import msgspec
from playwright.async_api import Browser, ViewportSize, async_playwright

from sql.connect import Role, open_owner, open_pool
from sql.embedded import release_embedded, start_embedded
from sql.migrate import migrate
from tests.api.page import made_market
from tests.api.page.conftest import CHROMIUM, FLAGS
from tests.api.page.nights import NOW
from tests.api.page.views import View, look_at
from tests.api.served import served

FOLDER = Path(__file__).parents[3] / "ops" / "pictures"
_SIZE: ViewportSize = {"width": 1280, "height": 800}
_DRAWN = "performance.getEntriesByName('chart-drawn').length"


class Picture(msgspec.Struct, frozen=True):
    """A view as it is taken."""

    view: View
    scheme: Literal["light", "dark"]


PICTURES = (
    Picture(View("symbol", "/symbol/NFLX?session=2018-03-23&start=2017-09-01&end=2018-03-27", "payload"), "light"),
    Picture(View("home", "/"), "dark"),
)


async def take_all(folder: Path) -> list[Path]:
    """Take the pictures into a folder and return their files."""
    with tempfile.TemporaryDirectory(prefix="warehouse-pictures-", ignore_cleanup_errors=True) as name:
        url = start_embedded(Path(name))
        try:
            async with open_owner(url) as owner:
                await migrate(owner)
            async with open_pool(url, Role.INGEST) as ingest, open_pool(url, Role.PROJECT) as project:
                await made_market.fill(ingest, project)
            async with served(url, lambda: NOW) as client, async_playwright() as playwright:
                executable = next(filter(None, map(shutil.which, CHROMIUM)))
                browser = await playwright.chromium.launch(
                    executable_path=executable, args=[*FLAGS], chromium_sandbox=False
                )
                taken = [await _take(browser, client.origin, picture, folder) for picture in PICTURES]
                await browser.close()
        finally:
            release_embedded(Path(name))
    return taken


async def _take(browser: Browser, origin: str, picture: Picture, folder: Path) -> Path:
    context = await browser.new_context(
        base_url=origin, viewport=_SIZE, color_scheme=picture.scheme, reduced_motion="reduce", locale="en-US"
    )
    page = await context.new_page()
    await look_at(page, picture.view)
    if picture.view.name == "symbol":
        await page.wait_for_function(_DRAWN)
    await page.evaluate("scrollTo(0, 0)")
    await page.evaluate("() => document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
    file = folder / f"{picture.view.name}.png"
    await page.screenshot(path=file, animations="disabled", caret="hide")
    await context.close()
    return file


def main() -> int:
    """Take the pictures and say where they are."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.api.page.pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to (default ops/pictures)")
    asked = parser.parse_args()
    if not any(map(shutil.which, CHROMIUM)):
        parser.error("Chromium is not installed; on Debian: apt-get install chromium")
    asked.folder.mkdir(parents=True, exist_ok=True)
    for file in asyncio.run(take_all(asked.folder)):
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
