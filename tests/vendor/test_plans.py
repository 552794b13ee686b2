"""What a subscription includes: history, the current day, calls per minute, routes."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.fake_polygon import BASIC, FakePolygon, Plan, SyntheticMarket
from tests.fake_polygon.sessions import NEW_YORK

RANGE = "/v2/aggs/ticker/BCPC/range/1/day/{}/{}"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/{}"
OLD = "Your plan doesn't include this data timeframe."
TODAY = "Attempted to request today's data before end of day."


class Clock:
    """An instant that tests move."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2024, 9, 17, 15, tzinfo=UTC))  # a Tuesday, 11:00 in New York


@pytest.fixture
async def vendor(clock: Clock) -> AsyncIterator[FakePolygon]:
    market = SyntheticMarket(7, ["BCPC", "TENX"], date(2021, 1, 4), last=date(2024, 12, 31))
    async with FakePolygon(market, clock=clock) as server:
        yield server


async def asked(client: aiohttp.ClientSession, url: str, **query: str) -> tuple[int, Any]:
    async with client.get(url, params=query) as response:
        return response.status, await response.json(content_type=None)


def first_and_last(reply: Any) -> tuple[str, str]:
    days = [str(datetime.fromtimestamp(row["t"] / 1000, NEW_YORK).date()) for row in reply["results"]]
    return min(days), max(days)


async def test_a_range_older_than_the_plan_is_refused_and_a_straddling_one_silently_cut(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    vendor.plan = Plan(history_years=2)
    status, reply = await asked(client, vendor.url + RANGE.format("2022-01-03", "2022-09-16"))
    assert (status, reply["status"]) == (403, "NOT_AUTHORIZED")
    assert reply["message"].startswith(OLD)
    status, reply = await asked(client, vendor.url + RANGE.format("2022-01-03", "2023-09-15"))
    assert (status, reply["status"]) == (200, "OK")
    assert first_and_last(reply) == ("2022-09-19", "2023-09-15")
    assert (await asked(client, vendor.url + GROUPED.format("2022-09-16")))[0] == 403
    assert (await asked(client, vendor.url + GROUPED.format("2022-09-19")))[0] == 200
    assert (await asked(client, vendor.url + "/v1/open-close/BCPC/2022-09-16"))[0] == 403


async def test_the_current_day_is_refused_until_the_next_one_on_an_end_of_day_plan(
    vendor: FakePolygon, client: aiohttp.ClientSession, clock: Clock
) -> None:
    vendor.plan = BASIC
    clock.now = datetime(2024, 9, 17, 23, tzinfo=UTC)  # 19:00 in New York, after the close
    for path in (GROUPED.format("2024-09-17"), RANGE.format("2024-09-17", "2024-09-18")):
        status, reply = await asked(client, vendor.url + path)
        assert status == 403
        assert reply["message"].startswith(TODAY)
    status, reply = await asked(client, vendor.url + RANGE.format("2024-09-12", "2024-09-17"))
    assert (status, first_and_last(reply)) == (200, ("2024-09-12", "2024-09-16"))
    clock.now = datetime(2024, 9, 18, 5, tzinfo=UTC)
    status, reply = await asked(client, vendor.url + GROUPED.format("2024-09-17"))
    assert (status, reply["resultsCount"]) == (200, 2)


async def test_a_plan_with_the_current_day_shows_a_bar_that_grows(
    vendor: FakePolygon, client: aiohttp.ClientSession, clock: Clock
) -> None:
    volumes = []
    for _ in range(3):
        _, reply = await asked(client, vendor.url + GROUPED.format("2024-09-17"), adjusted="false")
        volumes.append(reply["results"][0]["v"])
        clock.now += timedelta(hours=1)
    assert volumes == sorted(set(volumes))
    assert (await asked(client, vendor.url + GROUPED.format("2024-09-18")))[1]["resultsCount"] == 0


async def test_a_delayed_plan_sees_the_market_late_and_says_so(
    vendor: FakePolygon, client: aiohttp.ClientSession, clock: Clock
) -> None:
    clock.now = datetime(2024, 9, 17, 13, 40, tzinfo=UTC)  # ten minutes after the open
    _, reply = await asked(client, vendor.url + GROUPED.format("2024-09-17"))
    assert (reply["status"], reply["resultsCount"]) == ("OK", 2)
    vendor.plan = Plan(delay_s=15 * 60)
    _, reply = await asked(client, vendor.url + GROUPED.format("2024-09-17"))
    assert (reply["status"], reply["resultsCount"]) == ("DELAYED", 0)


async def test_the_sixth_call_in_a_minute_is_refused_until_the_minute_is_over(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    seconds = 1000.0
    market = vendor.market
    async with FakePolygon(
        market, plan=Plan(calls_per_minute=5, retry_after=True), monotonic=lambda: seconds
    ) as strict:
        url = strict.url + GROUPED.format("2024-03-11")
        assert [(await asked(client, url))[0] for _ in range(6)] == [200] * 5 + [429]
        seconds += 59
        async with client.get(url) as response:
            reply = await response.json()
            assert (response.status, reply["status"]) == (429, "ERROR")
            assert reply["error"].startswith("You've exceeded the maximum requests per minute, please wait")
            assert 1 <= int(response.headers["Retry-After"]) <= 2
        seconds += 1.5
        assert (await asked(client, url))[0] == 200
        strict.plan = Plan()
        assert [(await asked(client, url))[0] for _ in range(10)] == [200] * 10


async def test_a_429_says_nothing_of_when_unless_the_plan_has_it(
    vendor: FakePolygon, client: aiohttp.ClientSession
) -> None:
    vendor.plan = Plan(calls_per_minute=1)
    await asked(client, vendor.url + GROUPED.format("2024-03-11"))
    async with client.get(vendor.url + GROUPED.format("2024-03-11")) as response:
        assert response.status == 429
        assert "Retry-After" not in response.headers


async def test_routes_can_be_refused_or_not_be_there(vendor: FakePolygon, client: aiohttp.ClientSession) -> None:
    vendor.plan = Plan(refused=frozenset({"grouped"}), absent=frozenset({"stocks_splits", "stocks_dividends"}))
    status, reply = await asked(client, vendor.url + GROUPED.format("2024-03-11"))
    assert (status, reply["status"]) == (403, "NOT_AUTHORIZED")
    assert reply["message"].startswith("You are not entitled to this data.")
    for path in ("/stocks/v1/splits", "/stocks/v1/dividends"):
        async with client.get(vendor.url + path) as response:
            assert (response.status, response.content_type) == (404, "text/plain")
    assert (await asked(client, vendor.url + "/v3/reference/splits"))[0] == 200


@pytest.mark.parametrize(
    ("today", "oldest"), [(date(2024, 2, 29), date(2022, 2, 28)), (date(2025, 1, 6), date(2023, 1, 6))]
)
def test_the_history_window_rolls_with_the_day(today: date, oldest: date) -> None:
    assert Plan(history_years=2).oldest(today) == oldest
