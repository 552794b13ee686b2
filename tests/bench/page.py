"""The page in a real browser: how soon it is painted, drawn and at rest, beside a bare page of the same server.

Each view is opened so many times, each time in a fresh browser profile: nothing is kept, everything is fetched. The
symbol has 20 years of daily bars. Chromium has to be installed. The warehouse is made from a seed, untimed, in an
embedded PostgreSQL.

bare     a page of plain text, which the browser shows as it comes
home     how good the data is
symbol   20 years of daily bars as candlesticks
audit    a session, raw against cleaned
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Mapping
from itertools import chain
from statistics import median
from typing import Any

import msgspec
from playwright.async_api import Browser, async_playwright

from sql.connect import Role, open_pool
from tests.api.page.conftest import CHROMIUM, FLAGS, WIDE
from tests.bench.api import serving
from tests.bench.made_archive import LAST, Market, archive_all
from tests.bench.projector import Rebuild, run_projector
from tests.bench.served import embedded_server

_BARE = "/static/vendor/README.md"
_YEAR = 252
_FIRST_PAINT_WANTED_MS, _DRAWN_WANTED_MS, _BYTES_WANTED = 1000.0, 1000.0, 300_000
_DRAWN = "chart-drawn"
_REST_MS = 30_000

_WATCH = """
globalThis.seen = { lcp: 0, shift: 0, blocked: 0 };
const watch = (type, note) => new PerformanceObserver((list) => list.getEntries().forEach(note))
    .observe({ type, buffered: true });
watch("largest-contentful-paint", (entry) => { seen.lcp = entry.startTime; });
watch("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.shift += entry.value; });
watch("longtask", (entry) => { seen.blocked += Math.max(0, entry.duration - 50); });
"""
_READ = """
(drawn) => ({
    painted_ms: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
    largest_ms: seen.lcp || null,
    drawn_ms: performance.getEntriesByName(drawn)[0]?.startTime ?? null,
    blocked_ms: seen.blocked,
    shifted: seen.shift,
    file_bytes: performance.getEntries().filter((each) => each.entryType === "navigation"
        || (each.entryType === "resource" && new URL(each.name).pathname.startsWith("/static/")))
        .reduce((sum, each) => sum + each.transferSize, 0),
    answer_bytes: performance.getEntriesByType("resource")
        .filter((each) => new URL(each.name).pathname.startsWith("/api/"))
        .reduce((sum, each) => sum + each.transferSize, 0),
    requests: performance.getEntriesByType("resource").length + 1,
})
"""


class Opened(msgspec.Struct, frozen=True):
    """One opening of a view. Instants are since the navigation began; None is what there was none of.

    `painted_ms` is the first contentful paint, `largest_ms` the largest, `drawn_ms` when the chart was drawn;
    `blocked_ms` is how long tasks took beyond 50 ms; `shifted` is the cumulative layout shift; bytes are as sent, with
    headers: of the page's own files, and of the answers of the API.
    """

    painted_ms: float | None
    largest_ms: float | None
    drawn_ms: float | None
    blocked_ms: float
    shifted: float
    file_bytes: int
    answer_bytes: int
    requests: int


class Measured(msgspec.Struct, frozen=True):
    """Everything that was measured: every opening of each view, in turns."""

    bars: int
    openings: dict[str, list[Opened]]


async def measure(tickers: int, years: int, rounds: int) -> Measured:
    """Return what was measured over a warehouse of so many tickers with so many years of bars."""
    market = Market(tickers, years * _YEAR)
    symbol = market.tickers[0]
    with embedded_server() as server:
        url = await server.new_warehouse()
        print("archiving and projecting …", file=sys.stderr, flush=True)
        async with open_pool(url, Role.INGEST) as pool:
            await archive_all(pool, market.ranges())
        await run_projector(Rebuild(url))
        views = {"bare": _BARE, "home": "/", "symbol": f"/symbol/{symbol}", "audit": f"/audit/{LAST}"}
        with serving(["-m", "tests.bench.api_command"], {"DATABASE_URL": url}) as api:
            return Measured(len(market.sessions), await _open_all(api.origin, views, rounds))


async def _open_all(origin: str, views: Mapping[str, str], rounds: int) -> dict[str, list[Opened]]:
    print("opening …", file=sys.stderr, flush=True)
    openings: dict[str, list[Opened]] = {name: [] for name in views}
    async with async_playwright() as playwright:
        executable = next(filter(None, map(shutil.which, CHROMIUM)))
        browser = await playwright.chromium.launch(executable_path=executable, args=[*FLAGS], chromium_sandbox=False)
        for place in range(rounds + 1):  # the first round, in which the server reads its database, is not counted
            for name, path in views.items():
                opened = await _open(browser, origin + path)
                if place:
                    openings[name].append(opened)
        await browser.close()
    return openings


async def _open(browser: Browser, address: str) -> Opened:
    context = await browser.new_context(viewport=WIDE)
    page = await context.new_page()
    await page.add_init_script(_WATCH)
    await page.goto(address)
    await page.wait_for_load_state("networkidle", timeout=_REST_MS)
    if "/symbol/" in address:
        await page.wait_for_function("(name) => performance.getEntriesByName(name).length", arg=_DRAWN)
    read: dict[str, Any] = await page.evaluate(_READ, _DRAWN)
    await context.close()
    return msgspec.convert(read, Opened)


def show(measured: Measured) -> None:
    """Print what is promised first, then a line for each view: medians, and the worst first paint."""
    middle = {name: _middle(openings) for name, openings in measured.openings.items()}
    symbol = measured.openings["symbol"]
    painted, drawn = _median(symbol, "painted_ms"), _median(symbol, "drawn_ms")
    print(f"symbol, {measured.bars:,} bars: first paint {painted:.0f} ms (wanted < {_FIRST_PAINT_WANTED_MS:g})")
    print(f"symbol, {measured.bars:,} bars: chart drawn {drawn:.0f} ms (wanted < {_DRAWN_WANTED_MS:g})")
    heaviest = max(each.file_bytes for each in chain(*measured.openings.values()))
    print(f"heaviest view without data: {heaviest / 1000:.0f} kB (wanted ≤ {_BYTES_WANTED / 1000:g})")
    print(f"{'':8}{'first paint':>22}{'worst':>9}{'largest':>10}{'drawn':>10}{'blocked':>10}{'shift':>8}", end="")
    print(f"{'files':>9}{'answers':>10}{'requests':>10}")
    for name, (line, ratio, worst) in middle.items():
        against = "" if name == "bare" else f" ({ratio / middle['bare'][1]:.1f} × bare)"
        print(f"{name:8}{_ms(line.painted_ms) + against:>22}{_ms(worst):>9}{_ms(line.largest_ms):>10}", end="")
        print(f"{_ms(line.drawn_ms):>10}{_ms(line.blocked_ms):>10}{line.shifted:>8.3f}", end="")
        print(f"{line.file_bytes / 1000:>6.0f} kB{line.answer_bytes / 1000:>7.0f} kB{line.requests:>10}")
    print(f"median of {len(symbol)} openings, each in a fresh profile")


def _middle(openings: list[Opened]) -> tuple[Opened, float, float]:
    """Return an opening of medians, its first paint, and the worst first paint."""
    fields = {name: _median(openings, name) for name in Opened.__struct_fields__}
    worst = max(each.painted_ms or 0.0 for each in openings)
    return Opened(**fields), fields["painted_ms"] or 0.0, worst  # type: ignore[arg-type]


def _median(openings: list[Opened], name: str) -> float:
    return median(getattr(each, name) or 0.0 for each in openings)


def _ms(value: float | None) -> str:
    return f"{value:.0f} ms" if value else "–"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tickers", type=int, default=500, help="how many tickers there are (default 500)")
    parser.add_argument("--years", type=int, default=20, help="how many years of bars each has (default 20)")
    parser.add_argument("--rounds", type=int, default=9, help="how often each view is opened (default 9)")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    asked = parser.parse_args()
    if not any(map(shutil.which, CHROMIUM)):
        parser.error("Chromium is not installed; on Debian: apt-get install chromium")
    measured = asyncio.run(measure(asked.tickers, asked.years, asked.rounds))
    if asked.json:
        print(msgspec.json.encode(measured).decode())
    else:
        show(measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
