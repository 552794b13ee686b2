"""What a reading finds is remembered once it is proved, and not before: a swap may have fallen into it."""

import uuid

import asyncpg
import pytest

from api.errors import UnknownSymbol
from api.generation import Projection
from api.overview.memory import SessionsKey, memory_of
from api.overview.reading import Reading, read_remembering
from tests.api.market import GENERATION_ID, june, project, swap

OTHER = uuid.UUID("00000000-0000-0000-0000-00000000000b")


def _key(reading: Reading) -> SessionsKey:
    return SessionsKey(reading.state, june(5), june(6))


async def test_of_a_reading_that_a_swap_fell_into_nothing_is_remembered(
    projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    await project(projector)
    await project(projector, schema="projection_next", generation_id=OTHER)
    projection = Projection(read_pool)
    tries: list[SessionsKey] = []

    async def read(reading: Reading) -> None:
        if not tries:
            await swap(projector)
        tries.append(_key(reading))
        reading.keep(reading.memory.qualities, _key(reading), [])
        assert reading.get(reading.memory.qualities, _key(reading)) == []

    await read_remembering(projection, read)
    first, *_, last = tries
    assert (first.state.generation_id, last.state.generation_id) == (GENERATION_ID, OTHER)
    kept = memory_of(projection).qualities
    assert (kept.get(first), kept.get(last)) == (None, [])


async def test_of_a_reading_that_is_refused_nothing_is_remembered(
    projector: asyncpg.Connection, read_pool: asyncpg.Pool
) -> None:
    await project(projector)
    projection = Projection(read_pool)

    async def read(reading: Reading) -> None:
        reading.keep(reading.memory.qualities, _key(reading), [])
        raise UnknownSymbol("NOPE")

    with pytest.raises(UnknownSymbol):
        await read_remembering(projection, read)
    assert memory_of(projection).qualities.weight == 0


async def test_each_projection_has_a_memory_of_its_own(read_pool: asyncpg.Pool) -> None:
    one, other = Projection(read_pool), Projection(read_pool)
    assert memory_of(one) is memory_of(one)
    assert memory_of(one) is not memory_of(other)
