"""The memory of answers: what it gives is what would be made anew, at every moment, and it stays within its bound."""

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from api.errors import DatabaseUnreachable
from api.etag import ANSWER_OF
from api.generation import Generation
from api.memory import Looks, Memory
from api.warehouse import Warehouse
from tests.api.market import KnownBar, june, project, swap
from tests.api.served import Client, served

OTHER_ID = uuid.UUID("00000000-0000-0000-0000-00000000000b")
NOW = dt.datetime(2026, 11, 22, 3, 7, tzinfo=dt.UTC)


def generation(checkpoint: int) -> Generation:
    """Return a state of the projection."""
    return Generation(uuid.UUID(int=1), checkpoint, "rules", "calendar", "content", NOW, NOW)


class Fixed:
    """A projection that is in one state until it is told another, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.state = generation(1)
        self.looks = 0
        self.fails = False
        self.may_see = asyncio.Event()
        self.may_see.set()

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Callable[[], Awaitable[Generation]]]:
        """Yield what returns the state, once it is let; to end takes a while."""
        yield self.look
        await asyncio.sleep(0)

    async def look(self) -> Generation:
        """Return the state that there was when the look began."""
        self.looks += 1
        seen = self.state
        await self.may_see.wait()
        if self.fails:
            raise DatabaseUnreachable
        return seen


class Counting:
    """An application that answers with how often it was asked."""

    def __init__(self, size: int = 10, status: int = 200, marks: bool = True) -> None:
        self.asked = 0
        self.size, self.status, self.marks = size, status, marks

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        """Answer in two pieces."""
        self.asked += 1
        if self.marks:
            scope[ANSWER_OF] = scope["state"]["warehouse"].projection.state
        headers = [(b"etag", b'"tag"'), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": str(self.asked).encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"x" * self.size})


class Asked:
    """A memory before an application, and what it is asked."""

    def __init__(self, app: Counting, most_bytes: int = 100_000) -> None:
        self.projection = Fixed()
        self.now = NOW
        self.memory = Memory(app, most_bytes)
        self.warehouse = Warehouse(self.projection, lambda: self.now)  # type: ignore[arg-type]

    async def ask(
        self, path: str = "/a", query: str = "", method: str = "GET", **headers: str
    ) -> tuple[int, bytes, str | None]:
        """Return status and body of the answer, and what the scope says of the memory."""
        sent = []
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "state": {"warehouse": self.warehouse},
        }

        async def send(message) -> None:  # type: ignore[no-untyped-def]
            sent.append(message)

        await self.memory(scope, None, send)  # type: ignore[arg-type]
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]), scope.get("cache")  # type: ignore[return-value]


async def test_an_answer_that_stands_is_not_made_again() -> None:
    app = Counting()
    asked = Asked(app)
    assert await asked.ask() == (200, b"1" + b"x" * 10, "miss")
    assert await asked.ask() == (200, b"1" + b"x" * 10, "hit")


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/b"},
        {"query": "start=2014-06-05"},
        {"method": "HEAD"},
        {"accept": "text/csv"},
        {"accept_encoding": "gzip"},
        {"host": "elsewhere"},
    ],
)
async def test_whatever_an_answer_depends_on_makes_it_another(other: dict[str, str]) -> None:
    app = Counting()
    asked = Asked(app)
    await asked.ask()
    assert (await asked.ask(**other))[2] == "miss"
    assert app.asked == 2


async def test_a_change_of_the_projection_or_the_quarter_of_the_hour_ends_an_answer() -> None:
    asked = Asked(Counting())
    await asked.ask()
    asked.projection.state = generation(2)
    assert (await asked.ask())[2] == "miss"
    asked.now += dt.timedelta(minutes=7, seconds=59)
    assert (await asked.ask())[2] == "hit"
    asked.now += dt.timedelta(seconds=1)
    assert (await asked.ask())[2] == "miss"


async def test_an_answer_made_while_the_projection_changed_is_not_given_again() -> None:
    asked = Asked(Counting())
    original = asked.memory.app

    async def slow(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await original(scope, receive, send)
        asked.projection.state = generation(2)

    asked.memory.app = slow
    await asked.ask()
    asked.memory.app = original
    assert (await asked.ask())[2] == "miss"
    assert (await asked.ask())[2] == "hit"


@pytest.mark.parametrize(
    "app", [Counting(status=404), Counting(marks=False), Counting(size=50_000)], ids=["refused", "unmarked", "large"]
)
async def test_refusals_unmarked_and_large_answers_are_not_kept(app: Counting) -> None:
    asked = Asked(app)
    await asked.ask()
    await asked.ask()
    assert app.asked == 2


async def test_the_memory_stays_within_its_bound_and_forgets_what_was_used_longest_ago() -> None:
    app = Counting(size=9_000)
    asked = Asked(app)
    for number in range(50):
        await asked.ask(f"/{number}")
        await asked.ask("/0")
    assert asked.memory.kept.weight <= 100_000
    assert (await asked.ask("/0"))[2] == "hit"
    assert (await asked.ask("/1"))[2] == "miss"


async def test_what_callers_write_counts_as_well() -> None:
    asked = Asked(Counting(size=0))
    for number in range(50):
        await asked.ask(query=f"{number}{'x' * 9_000}")
    assert asked.memory.kept.weight <= 100_000
    assert (await asked.ask(query=f"0{'x' * 9_000}"))[2] == "miss"
    assert (await asked.ask(query=f"49{'x' * 9_000}"))[2] == "hit"


async def test_a_memory_of_nothing_looks_at_nothing() -> None:
    asked = Asked(Counting(), most_bytes=0)
    await asked.ask()
    assert (await asked.ask())[1][:1] == b"2"


async def test_what_is_not_kept_is_asked_for_without_a_look() -> None:
    asked = Asked(Counting(marks=False))
    await asked.ask()
    await asked.ask()
    assert asked.projection.looks == 0


@pytest.mark.parametrize(
    ("held", "status"), [('"tag"', 304), ('W/"tag"', 304), ('"other", "tag"', 304), ('"other"', 200)]
)
async def test_who_holds_a_kept_answer_is_told_that_it_stands(held: str, status: int) -> None:
    asked = Asked(Counting())
    await asked.ask()
    found = await asked.ask(if_none_match=held)
    assert (found[0], found[2]) == (status, "hit")
    assert bool(found[1]) == (status == 200)


async def test_a_part_of_an_answer_is_not_given_for_the_whole() -> None:
    app = Counting()
    asked = Asked(app)
    await asked.ask(range="bytes=0-1")
    await asked.ask()
    assert app.asked == 2


async def test_those_who_wait_share_a_look_that_began_after_they_asked() -> None:
    projection = Fixed()
    projection.may_see.clear()
    looks = Looks(projection)  # type: ignore[arg-type]
    early = looks.next()
    await asyncio.sleep(0)
    projection.state = generation(2)
    late = [looks.next() for _ in range(5)]
    late[0].cancel()
    projection.may_see.set()
    assert (await early).checkpoint == 1
    assert [(await each).checkpoint for each in late[1:]] == [2] * 4
    assert projection.looks == 2
    assert (await looks.next()).checkpoint == 2


async def test_who_asks_while_the_connection_is_given_back_is_looked_for_too() -> None:
    looks = Looks(Fixed())  # type: ignore[arg-type]
    await looks.next()
    await asyncio.wait_for(looks.next(), 5)
    assert (await asyncio.wait_for(looks.next(), 5)).checkpoint == 1


async def test_a_look_that_fails_leaves_the_answer_to_the_route_and_the_next_one_sees_again() -> None:
    app = Counting()
    asked = Asked(app)
    await asked.ask()
    asked.projection.fails = True
    assert (await asked.ask())[1][:1] == b"2"
    asked.projection.fails = False
    assert (await asked.ask())[2] == "hit"


async def test_no_answer_is_stale_once_a_swap_is_acknowledged(database_url: str, projector: asyncpg.Connection) -> None:
    """Many ask all the time, so that the memory is always warm; whoever asks after the commit gets the new bars."""
    one = [KnownBar("TWO", june(5), 1.0, 1.0, 1.0, 1.0, 10.0)]
    two = [KnownBar("TWO", june(5), 2.0, 2.0, 2.0, 2.0, 10.0)]
    await project(projector, bars=one, splits=[])
    await project(projector, schema="projection_next", generation_id=OTHER_ID, bars=two, splits=[])
    done = False

    async def keep_asking(client: Client) -> None:
        while not done:
            await client.ask("/api/v1/historical/TWO")

    async with served(database_url) as client:
        asking = [asyncio.create_task(keep_asking(client)) for _ in range(4)]
        expected = 1.0
        try:
            for _ in range(60):
                await swap(projector)
                expected = 3.0 - expected
                bars = (await client.ask("/api/v1/historical/TWO")).json["bars"]
                assert bars[0]["close"] == expected
        finally:
            done = True
            await asyncio.gather(*asking)


async def test_no_answer_is_stale_once_a_bar_was_restated(database_url: str, projector: asyncpg.Connection) -> None:
    await project(projector)
    async with served(database_url) as client:
        for checkpoint in range(3, 20):
            assert (await client.ask("/api/v1/historical/BCPC")).status == 200
            async with projector.transaction():
                await projector.execute("UPDATE projection.bar SET close = $1 WHERE ticker = 'BCPC'", float(checkpoint))
                await projector.execute("UPDATE projection.generation SET checkpoint = $1", checkpoint)
            bars = (await client.ask("/api/v1/historical/BCPC")).json["bars"]
            assert bars[0]["close"] == float(checkpoint)
