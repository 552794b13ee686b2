"""Real market data behind the fake vendor and behind us: the official client cannot tell which of the two it asks."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import massive
import pytest

from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from sql.connect import Role, open_pool
from tests.api.market import NOW
from tests.api.served import served
from tests.fake_polygon import FakePolygon, FolderMarket
from tests.payloads import archive_all
from tests.project.market_files import actions, bars_of

SYMBOLS = ("AAPL", "BRK.A", "GOOG", "SBUX")

_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "cash_amount", "historical_adjustment_factor")


@pytest.fixture(scope="module")
async def clients(market_data: Path, fresh_database_url: str) -> AsyncIterator[tuple[Any, Any]]:
    """Yield the official client twice: at the vendor, and at our server with what the vendor would have sent."""
    async with (
        open_pool(fresh_database_url, Role.INGEST) as ingest_pool,
        open_pool(fresh_database_url, Role.PROJECT) as project_pool,
    ):
        await archive_all(ingest_pool, [*actions(market_data), *(bars_of(market_data, one) for one in SYMBOLS)])
        await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: NOW)
    market = FolderMarket(market_data, SYMBOLS)
    async with FakePolygon(market, clock=lambda: NOW) as vendor, served(fresh_database_url) as ours:
        both = (massive.RESTClient("test-key", base=vendor.url), massive.RESTClient("test-key", base=ours.origin))
        yield both
        for client in both:
            client.client.clear()


def _plain(value: Any) -> Any:
    """Return what a client gives as plain values; the ids of rows are each side's own."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {name: each for name, each in vars(value).items() if name not in ("id", "currency", "frequency")}


def _like(value: Any) -> Any:
    """Return plain values of the vendor, who rounds adjusted prices to four decimals, as ours may be."""
    if isinstance(value, list):
        return [_like(each) for each in value]
    rounded = [name for name in _NUMBERS if value.get(name) is not None]
    return value | {name: pytest.approx(value[name], rel=1e-7, abs=6e-5) for name in rounded}


CALLS: dict[str, Callable[[Any], Any]] = {
    "years": lambda client: list(client.list_aggs("AAPL", 1, "day", "1990-01-01", "2030-01-01", limit=900)),
    "down": lambda client: list(client.list_aggs("AAPL", 1, "day", "2012-01-01", "2015-12-31", sort="desc", limit=99)),
    "as_traded": lambda client: client.get_aggs("GOOG", 1, "day", "2014-03-01", "2014-04-30", adjusted=False),
    "adjusted": lambda client: client.get_aggs("AAPL", 1, "day", "2014-06-01", "2014-06-30"),
    "by_instants": lambda client: client.get_aggs("AAPL", 1, "day", 1388552400000, 1391230799999),
    "a_dot": lambda client: client.get_aggs("BRK.A", 1, "day", dt.date(2014, 2, 7), dt.date(2014, 2, 28)),
    "first_page": lambda client: client.get_aggs("AAPL", 1, "day", "2000-01-01", "2015-12-31", limit=10),
    "none": lambda client: client.get_aggs("AAPL", 1, "day", "2014-01-04", "2014-01-05"),
    "grouped": lambda client: client.get_grouped_daily_aggs("2014-06-05"),
    "grouped_as_traded": lambda client: client.get_grouped_daily_aggs("2014-06-05", adjusted=False),
    "weekend": lambda client: client.get_grouped_daily_aggs("2014-06-07"),
    "previous": lambda client: client.get_previous_close_agg("SBUX"),
    "flat": lambda client: [client.get_daily_open_close_agg("AAPL", "2014-06-06")],
    "splits": lambda client: list(client.list_splits("AAPL", limit=2)),
    "reverse": lambda client: list(client.list_splits("AAPL", reverse_split=True)),
    "since": lambda client: list(client.list_splits("SBUX", execution_date_gte="1990-01-01", sort="execution_date")),
    "dividends": lambda client: list(client.list_dividends("AAPL", ex_dividend_date_lt="2015-01-01", limit=7)),
    "newer_splits": lambda client: list(client.list_stocks_splits("AAPL", execution_date_gt="1990-01-01")),
}


@pytest.mark.parametrize("call", CALLS)
async def test_the_answer_is_the_vendors(clients: tuple[Any, Any], call: str) -> None:
    theirs, ours = [_plain(await asyncio.to_thread(CALLS[call], client)) for client in clients]
    assert ours == _like(theirs)
    assert bool(theirs) == (call not in ("none", "weekend", "reverse"))
