"""One small market for the tests of the fake vendor, and a client that speaks HTTP to it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import aiohttp
import pytest

from tests.fake_polygon import SyntheticMarket

FIRST, LAST = date(2024, 1, 2), date(2024, 12, 31)


@pytest.fixture(scope="session")
def market() -> SyntheticMarket:
    """Return a year of a few symbols, corporate actions among them."""
    return SyntheticMarket(7, ("AAPL", "MSFT", "SPY", "BCPC", "BCpC", "TENX", "DLST", "NEWN", "OLDN"), FIRST, last=LAST)


@pytest.fixture
def now() -> datetime:
    """Return the instant at which the tests take place: a Monday morning after the market's last session."""
    return datetime(2025, 1, 6, 12, tzinfo=UTC)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session that sends the right key, and gives up quickly."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer test-key"}, timeout=timeout) as session:
        yield session
