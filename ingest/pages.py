"""One request with all its pages: the next one is followed only on the configured host, and only so far.

It knows neither what is on the pages nor why they were asked for.
"""

import datetime as dt

import msgspec

from archive.payload import Request
from ingest.endpoints import next_page
from ingest.errors import NotAnAnswer
from ingest.fetch import Fetcher

# The whole market's dividends, 5,000 a page, fit several times over.
_MOST_PAGES = 2_000


class Pages(msgspec.Struct, frozen=True):
    """What all pages of a request have together."""

    pages: int = 0
    row_count: int = 0
    first_session: dt.date | None = None
    last_session: dt.date | None = None


async def fetch_pages(fetcher: Fetcher, request: Request) -> Pages:
    """Fetch a request and every page after it.

    Raises: as Fetcher.fetch; ForeignHost; NotAnAnswer when the pages lead in a circle or never end.
    """
    seen: set[str] = set()
    firsts: list[dt.date] = []
    lasts: list[dt.date] = []
    row_count = 0
    page: Request | None = request
    while page is not None:
        if page.target in seen or len(seen) == _MOST_PAGES:
            raise NotAnAnswer(request, f"its pages do not end: page {len(seen) + 1} would be {page.target}", 1)
        seen.add(page.target)
        found = await fetcher.fetch(page)
        row_count += found.row_count
        firsts += [found.first_session] if found.first_session else []
        lasts += [found.last_session] if found.last_session else []
        page = next_page(page, found.next_url, fetcher.base_url) if found.next_url else None
    return Pages(len(seen), row_count, min(firsts, default=None), max(lasts, default=None))
