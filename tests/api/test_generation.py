"""Law 5: an answer comes from one generation, however many statements it takes and whatever is swapped meanwhile."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from api.errors import ForeignProjection, GenerationChanging, NothingProjected, QueryTimedOut, TooBusy, UnknownSymbol
from api.generation import Generation, Projection
from sql.connect import Role, open_pool
from tests.api.market import GENERATION_ID, KnownBar, KnownSplit, june, project, swap
from tests.api.served import Client, served

OTHER_ID = uuid.UUID("00000000-0000-0000-0000-00000000000b")
# Everything a bar shows differs between the two: price, volume, split, number of bars, name of the rule.
BLUE = [KnownBar("TWO", june(day), 1.0, 1.0, 1.0, 1.0, 10.0, failed_rules=1) for day in (5, 6)]
GREEN = [KnownBar("TWO", june(day), 8.0, 8.0, 8.0, 8.0, 20.0, failed_rules=1) for day in (5, 6, 9)]
BLUE_RULES = [(0, "blue_rule", 0.5, None)]
GREEN_RULES = [(0, "green_rule", 0.5, None)]
GREEN_SPLIT = [KnownSplit("TWO", "half", june(30), 1.0, 2.0)]


@pytest.fixture
async def two_generations(database_url: str, projector: asyncpg.Connection) -> AsyncIterator[str]:
    """Yield a warehouse whose live generation is blue, with a green one beside it to be swapped in."""
    await project(projector, bars=BLUE, splits=[], rules=BLUE_RULES)
    await project(
        projector,
        schema="projection_next",
        generation_id=OTHER_ID,
        bars=GREEN,
        splits=GREEN_SPLIT,
        rules=GREEN_RULES,
    )
    yield database_url


async def _closes(connection: asyncpg.Connection) -> set[float]:
    return {row["close"] for row in await connection.fetch("SELECT close FROM projection.bar")}


async def test_a_swap_within_an_answer_makes_it_be_read_again(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    seen = []

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[uuid.UUID, set[float]]:
        seen.append(generation.generation_id)
        if len(seen) == 1:
            await swap(projector)
        return generation.generation_id, await _closes(connection)

    assert await Projection(read_pool).read(read) == (OTHER_ID, {8.0})
    assert seen == [GENERATION_ID, OTHER_ID]


async def test_a_swap_and_its_rollback_within_an_answer_are_noticed_too(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    answers: list[tuple[uuid.UUID, set[float]]] = []

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[uuid.UUID, set[float]]:
        if not answers:
            await swap(projector)
        answers.append((generation.generation_id, await _closes(connection)))
        if len(answers) == 1:
            await swap(projector)
        return answers[-1]

    assert await Projection(read_pool).read(read) == (GENERATION_ID, {1.0})
    # The first attempt did mix them, though the generation was the same before and after.
    assert answers[0] == (GENERATION_ID, {8.0})
    assert len(answers) == 2


async def test_a_catch_up_within_an_answer_neither_shows_nor_disturbs(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    attempts = 0

    async def read(connection: asyncpg.Connection, generation: Generation) -> tuple[int, set[float]]:
        nonlocal attempts
        attempts += 1
        async with projector.transaction():
            await projector.execute("UPDATE projection.generation SET checkpoint = checkpoint + 1")
            await projector.execute("UPDATE projection.bar SET close = 5")
        return generation.checkpoint, await _closes(connection)

    assert await Projection(read_pool).read(read) == (2, {1.0})
    assert attempts == 1


async def test_reading_is_given_up_when_every_attempt_meets_a_swap(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    attempts = 0

    async def read(connection: asyncpg.Connection, generation: Generation) -> None:
        nonlocal attempts
        attempts += 1
        await swap(projector)

    with pytest.raises(GenerationChanging):
        await Projection(read_pool).read(read)
    assert 1 < attempts < 100


async def test_a_refusal_is_proved_like_an_answer(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    attempts = 0

    async def read(connection: asyncpg.Connection, generation: Generation) -> uuid.UUID:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await swap(projector)
            raise UnknownSymbol("TWO")
        return generation.generation_id

    assert await Projection(read_pool).read(read) == OTHER_ID
    attempts = 1

    async def refuse(connection: asyncpg.Connection, generation: Generation) -> None:
        raise UnknownSymbol("TWO")

    with pytest.raises(UnknownSymbol):
        await Projection(read_pool).read(refuse)


async def test_reading_goes_on_through_a_swap_to_tables_of_another_shape(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    await projector.execute("ALTER TABLE projection_next.bar ADD COLUMN note text DEFAULT 'new'")
    projection = Projection(read_pool)
    swap_now = False

    async def read(connection: asyncpg.Connection, generation: Generation) -> int:
        nonlocal swap_now
        if swap_now:
            swap_now = False
            await swap(projector)
        return len(await connection.fetchrow("SELECT * FROM projection.bar"))

    width = await projection.read(read)
    swap_now = True
    assert await projection.read(read) == width + 1


async def test_what_reads_a_generation_cannot_write(two_generations: str, read_pool: asyncpg.Pool) -> None:
    async def read(connection: asyncpg.Connection, generation: Generation) -> None:
        await connection.execute("CREATE TEMP TABLE scratch (n int)")

    with pytest.raises(asyncpg.PostgresError):
        await Projection(read_pool).read(read)


async def test_a_query_that_takes_too_long_is_ended(two_generations: str) -> None:
    async def read(connection: asyncpg.Connection, generation: Generation) -> None:
        await connection.execute("SELECT pg_sleep(30)")

    async with open_pool(two_generations, Role.READ, statement_timeout_s=0.1) as pool:
        with pytest.raises(QueryTimedOut):
            await Projection(pool).read(read)


async def test_a_dropped_projection_is_nothing_projected(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    async def read(connection: asyncpg.Connection, generation: Generation) -> int:
        return generation.checkpoint

    assert await Projection(read_pool).read(read) == 2
    await projector.execute("DROP SCHEMA projection CASCADE")
    with pytest.raises(NothingProjected):
        await Projection(read_pool).read(read)


async def test_readers_in_a_loop_see_one_whole_generation_or_the_other_through_many_swaps(
    two_generations: str, projector: asyncpg.Connection
) -> None:
    blue = (str(GENERATION_ID), [(1.0, 10.0, ("blue_rule",))] * 2)
    green = (str(OTHER_ID), [(4.0, 40.0, ("green_rule",))] * 3)
    seen: list[object] = []
    done = asyncio.Event()

    async def read(client: Client) -> None:
        while not done.is_set():
            answer = await client.ask("/api/v1/historical/TWO")
            assert answer.status == 200, answer.body
            bars = [(bar["close"], bar["volume"], tuple(bar["failed_rules"])) for bar in answer.json["bars"]]
            assert answer.json["count"] == len(bars)
            assert answer.json["end"] == str(june(6 if len(bars) == 2 else 9))
            seen.append((answer.json["generation"]["generation_id"], bars))

    async def write() -> None:
        for _ in range(40):
            await swap(projector)
            # Swaps fall into answers, but every reader gets to finish some.
            enough = len(seen) + 16
            while len(seen) < enough:
                await asyncio.sleep(0.001)
        done.set()

    async with served(two_generations) as client, asyncio.TaskGroup() as group:
        group.create_task(write())
        for _ in range(8):
            group.create_task(read(client))
    assert all(answer in (blue, green) for answer in seen)
    assert blue in seen
    assert green in seen


async def test_rows_that_are_still_fetched_stay_those_of_one_generation(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    statement = "SELECT * FROM projection.series_of(NULL, '', 'ZZZ', '-infinity', 'infinity')"
    projection = Projection(read_pool)
    async with projection.rows(statement, ahead=1) as (generation, rows):
        first = await anext(rows)
        await swap(projector)
        rest = [row async for row in rows]
    assert generation.generation_id == GENERATION_ID
    assert {row["generation_id"] for row in (first, *rest)} == {GENERATION_ID}
    assert [row["ticker"] for row in (first, *rest)] == ["HALT", "JUNK", "TWO"]
    async with projection.looking() as look:
        assert (await look()).generation_id == OTHER_ID


async def test_a_plan_of_the_generation_before_is_not_believed(
    two_generations: str, projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    """What a plan made during a swap would do: ask the function of the other generation."""
    left_behind = "SELECT * FROM projection_next.series_of(NULL, '', 'ZZZ', '-infinity', 'infinity')"
    projection = Projection(read_pool)
    with pytest.raises(GenerationChanging):
        await projection.row(left_behind)
    with pytest.raises(GenerationChanging):
        async with projection.rows(left_behind, ahead=1):
            pass
    await swap(projector)
    with pytest.raises(ForeignProjection):
        await projection.row("SELECT * FROM projection.no_such_function()")


async def test_long_answers_leave_connections_to_others(two_generations: str, read_pool: asyncpg.Pool) -> None:
    statement = "SELECT * FROM projection.series_of(NULL, '', 'ZZZ', '-infinity', 'infinity')"
    async with open_pool(two_generations, Role.READ, size=8) as pool, AsyncExitStack() as stack:
        projection = Projection(pool, wait_s=0.2)
        for _ in range(4):
            await stack.enter_async_context(projection.rows(statement, ahead=1))
        with pytest.raises(TooBusy, match="4 long answers are being made"):
            await stack.enter_async_context(projection.rows(statement, ahead=1))
        assert (await projection.identity()).generation_id == GENERATION_ID
        await stack.aclose()
        async with projection.rows(statement, ahead=1):
            pass
