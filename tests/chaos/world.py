"""A warehouse and a vendor in which a story takes place: runs are started, disturbed, killed, counted, and made good.

It knows when to kill and what was asked and archived since; what that may be is the test's to say.
"""

import asyncio
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from sql.connect import Role, open_pool
from tests.chaos.forks import Ended, Forks, Running
from tests.chaos.scenario import Goal, Moment, Place, Stage
from tests.fake_polygon import FakePolygon, Plan
from tests.fake_polygon.server import LoggedRequest

KEY = "sk-chaos-0123456789"
# What is said in 50 ms at this speed is part of every body.
_A_DRIP = 2_000
_A_WHILE_S, _LONGER_S = 1.5, 4.0
_GLANCE_S = 0.002
_ARCHIVED = "SELECT count(*) FROM archive.payload"
_FINISHED = "SELECT count(*) FROM archive.run WHERE phase = 'finished'"
_BARS_ARCHIVED = """
    SELECT request, headers
    FROM archive.payload
    WHERE endpoint IN ('range', 'grouped') AND http_status = 200 AND transfer = 'complete'
"""
_UNASSESSED = """
    SELECT count(*) FROM archive.payload LEFT JOIN archive.assessment USING (archive_seq) WHERE outcome IS NULL
"""
_BARS = "SELECT ticker, session FROM projection.bar"


class Done(msgspec.Struct, frozen=True):
    """How a stage went: what the vendor was asked, how many payloads it left and how many of them unassessed."""

    stage: Stage
    requests: tuple[LoggedRequest, ...]
    archived: int
    unassessed: int
    ended: Ended

    @property
    def was_killed(self) -> bool:
        """Whether it did not end by itself."""
        return self.ended.code < 0

    @property
    def answered(self) -> int:
        """How many answers the vendor sent to their last byte, but for those that nobody waited for any more."""
        return sum(request.finished for request in self.requests) - self.ended.said.count("did not answer in time")


class Clock:
    """What time it is for the vendor."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now


class Commands:
    """Command lines in the environment of one warehouse."""

    def __init__(self, forks: Forks, environ: Mapping[str, str]) -> None:
        self._forks, self._environ = forks, environ

    async def start(self, *words: str) -> Running:
        """Start a command line."""
        return await self._forks.start(self._environ, *words)

    async def succeed(self, *words: str) -> str:
        """Run a command line that must succeed, and return what it said."""
        ended = await self._forks.run({**self._environ, "LOG_LEVEL": "ERROR"}, *words)
        assert ended.code == 0, (words, ended.said)
        return ended.said


class World:
    """One warehouse and one vendor. Get one from `open_world`."""

    def __init__(self, place: Place, vendor: FakePolygon, clock: Clock, pool: asyncpg.Pool, commands: Commands) -> None:
        self.vendor = vendor
        self._place, self._clock, self._pool, self._commands = place, clock, pool, commands

    async def live_through(self, stage: Stage) -> Done:
        """Let a stage happen, and the vendor behave again afterwards."""
        before, archived = len(self.vendor.requests), await self._count(_ARCHIVED)
        self._clock.now = stage.at or self._place.ends_at
        self._misbehave(stage)
        running = await self._commands.start(*_words(stage))
        if await self._came(stage, running, before, archived):
            await asyncio.sleep(stage.moment.delay_s)
            running.kill()
        ended = await running.end()
        self.vendor.behave()
        return Done(
            stage=stage,
            requests=tuple(self.vendor.requests[before:]),
            archived=await self._count(_ARCHIVED) - archived,
            unassessed=await self._count(_UNASSESSED),
            ended=ended,
        )

    async def project_after(self, stage: Stage) -> None:
        """Let the projector have its turn, or part of it."""
        if stage.project == "nothing":
            return
        running = await self._commands.start("project")
        if stage.project == "killed":
            await asyncio.sleep(stage.project_killed_after_s)
            running.kill()
        ended = await running.end()
        assert ended.code in (0, -9), ended.said

    async def make_whole(self, *, retry_refused: bool = False) -> str:
        """Let one run do all that is left, hold it to that, and return the content hash of what is projected."""
        caught_up = await self.one_run(*(("--retry-refused",) if retry_refused else ()))
        assert await self._left_to_ask() == 0
        await self._commands.succeed("archive", "verify")
        rebuilt = await self._project("--rebuild")
        assert caught_up == rebuilt
        return rebuilt

    async def one_run(self, *options: str) -> str:
        """Backfill all that the place wants, and return the content hash of what is projected."""
        self._clock.now = self._place.ends_at
        await self._backfill(*options)
        return await self._project()

    async def answered_requests(self) -> set[str]:
        """Return every request for bars to which the archive holds an answer with nothing wrong about it."""
        good = {request.request_id for request in self.vendor.requests if request.trouble is None}
        rows = await self._pool.fetch(_BARS_ARCHIVED)
        return {row["request"] for row in rows if dict(json.loads(row["headers"]))["X-Request-Id"] in good}

    async def bars(self) -> set[tuple[str, dt.date]]:
        """Return the key of every bar in the projection."""
        return {(row["ticker"], row["session"]) for row in await self._pool.fetch(_BARS)}

    async def _backfill(self, *options: str) -> None:
        goal, nights = self._place.goal, self._place.nights
        await self._commands.succeed(*(_hasty(goal, self._place.ends_at) if nights else _patient(goal)), *options)

    async def _project(self, *options: str) -> str:
        facts = json.loads(await self._commands.succeed("project", *options, "--json"))
        return str(facts["content_hash"])

    async def _left_to_ask(self) -> int:
        """Return how many requests another run would make; at an instant of a story, by making it."""
        if self._place.nights:
            before = len(self.vendor.requests)
            await self._backfill()
            return len(self.vendor.requests) - before
        plan = await self._commands.succeed("ingest", "plan", *_options(self._place.goal), "--json")
        return len(json.loads(plan)["requests"])

    def _misbehave(self, stage: Stage) -> None:
        if stage.storm:
            retry_after = stage.storm % 2
            self.vendor.fail_next(429, times=stage.storm, retry_after=retry_after, path=_from_nth(stage.storm_at))
        if stage.moment.kind == "body":
            self.vendor.slow_next(_A_DRIP, path=_from_nth(stage.moment.after))
        self.vendor.random_faults(stage.seed, stage.rate, stage.kinds)

    async def _came(self, stage: Stage, running: Running, requests: int, archived: int) -> bool:
        """Wait for the moment of a stage; tell whether it came before the run was over."""
        finished = await self._count(_FINISHED)
        # Who is in no hurry waits a minute when told to, and many hangs take long; nobody here waits for that.
        until = time.monotonic() + (_LONGER_S if stage.hasty else _A_WHILE_S)
        while not running.is_over and time.monotonic() < until:
            if await self._is_here(stage.moment, requests, archived, finished):
                return True
            await asyncio.sleep(_GLANCE_S)
        return not running.is_over

    async def _is_here(self, moment: Moment, requests: int, archived: int, finished: int) -> bool:
        match moment.kind:
            case "start":
                return True
            case "requests" | "body":
                return len(self.vendor.requests) >= requests + moment.after
            case "archived":
                return await self._count(_ARCHIVED) >= archived + moment.after
            case "finished":
                return await self._count(_FINISHED) > finished
            case _:
                return False

    async def _count(self, query: str) -> int:
        number: int = await self._pool.fetchval(query)
        return number


@asynccontextmanager
async def open_world(place: Place, database_url: str, forks: Forks, environ: Mapping[str, str]) -> AsyncIterator[World]:
    """Yield an empty warehouse in a database, and the vendor of a place."""
    clock = Clock(place.ends_at)
    plan = Plan(empty_results=place.empty_results)
    vendor = FakePolygon(place.market, key=KEY, plan=plan, clock=lambda: clock.now, page_rows=place.page_rows)
    async with vendor, open_pool(database_url, Role.READ) as pool:
        settings = {
            "DATABASE_URL": database_url,
            "POLYGON_API_KEY": KEY,
            "POLYGON_BASE_URL": vendor.url,
            "RATE_LIMIT_PER_MINUTE": "0",
            "LOG_LEVEL": "DEBUG",
        }
        yield World(place, vendor, clock, pool, Commands(forks, {**environ, **settings}))


def target(request: LoggedRequest) -> str:
    """Return path and sorted query, as the archive has them."""
    query = "&".join(f"{name}={value}" for name, value in sorted(request.query.items()))
    return f"{request.path}?{query}"


def _words(stage: Stage) -> tuple[str, ...]:
    words = _hasty(stage.goal, stage.at) if stage.hasty else _patient(stage.goal)
    return *words, "--concurrency", str(stage.concurrency), *(("--reference",) if stage.reference else ())


def _patient(goal: Goal) -> tuple[str, ...]:
    return "ingest", "backfill", *_options(goal)


def _hasty(goal: Goal, at: dt.datetime | None) -> tuple[str, ...]:
    return "hasty-backfill", goal.universe, str(goal.first), str(goal.last), *((at.isoformat(),) if at else ())


def _options(goal: Goal) -> tuple[str, ...]:
    return "--symbols", goal.universe, "--from", str(goal.first), "--to", str(goal.last)


def _from_nth(number: int) -> Callable[[str], bool]:
    """Return a predicate that holds from its `number`th call on."""
    calls = 0

    def holds(_path: str) -> bool:
        nonlocal calls
        calls += 1
        return calls >= number

    return holds
