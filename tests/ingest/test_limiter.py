"""The client's rate limit and the shared pause, on a clock that only sleeping moves."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.limiter import Limiter


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


async def _turns(limiter: Limiter, clock: Clock, count: int) -> list[float]:
    times = []
    for _ in range(count):
        await limiter.turn()
        times.append(clock.now_s - 1000.0)
    return times


@given(per_minute=st.integers(1, 8), count=st.integers(1, 40))
async def test_no_minute_has_more_requests_than_the_limit(per_minute: int, count: int) -> None:
    clock = Clock()
    times = await _turns(Limiter(per_minute, clock=clock, sleep=clock.sleep), clock, count)
    for place, sent in enumerate(times[per_minute:]):
        assert sent - times[place] >= 60.0
    assert times == sorted(times)


async def test_the_first_requests_do_not_wait_for_each_other() -> None:
    clock = Clock()
    times = await _turns(Limiter(5, clock=clock, sleep=clock.sleep), clock, 6)
    assert times[4] < 0.1
    assert times[5] == pytest.approx(61.0)


async def test_a_large_limit_still_stays_under_a_hundred_a_second() -> None:
    clock = Clock()
    times = await _turns(Limiter(50_000, clock=clock, sleep=clock.sleep), clock, 101)
    assert times[100] > 1.0


async def test_no_limit_never_waits() -> None:
    clock = Clock()
    assert await _turns(Limiter(0, clock=clock, sleep=clock.sleep), clock, 200) == [0.0] * 200


async def test_requests_of_a_run_that_was_killed_a_moment_ago_count() -> None:
    clock = Clock()
    limiter = Limiter(5, clock=clock, sleep=clock.sleep)
    limiter.remember([10.0, 70.0, 30.0, -5.0])
    times = await _turns(limiter, clock, 4)
    assert times[2] < 0.1
    assert times[3] == pytest.approx(31.0)


async def test_a_pause_holds_every_worker_back_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    limiter = Limiter(0, clock=clock, sleep=clock.sleep)
    with caplog.at_level(logging.WARNING, "ingest"):
        for _ in range(8):
            limiter.pause(12.5, "429")
    sent: list[float] = []

    async def worker() -> None:
        await limiter.turn()
        sent.append(clock.now_s)

    await asyncio.gather(*(worker() for _ in range(8)))
    assert sent == [1012.5] * 8
    assert limiter.waited_s == 12.5
    assert [(record.message, vars(record)["wait_s"]) for record in caplog.records] == [("ingest.paused", 12.5)]


async def test_a_pause_that_comes_while_a_turn_waits_is_kept_too() -> None:
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.now_s += seconds
        if clock.now_s < 1011:
            limiter.pause(20.0, "429")

    limiter = Limiter(0, clock=clock, sleep=sleep)
    limiter.pause(10.0, "429")
    await limiter.turn()
    assert clock.now_s == 1030.0
