"""Reading the archive: in commit order, within bounds, and never a body that is not the archived one."""

import datetime as dt
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from archive.errors import DamagedPayload, UnknownPayload
from archive.payload import Response
from archive.read import archive_head, read_payload, read_payloads, read_payloads_about
from tests.payloads import archive_all, grouped_response, range_response, splits_response

JAN_2, JAN_3, JAN_4 = (dt.date(2024, 1, day) for day in (2, 3, 4))

Tamper = Callable[[str], Awaitable[None]]


async def test_the_head_of_an_empty_archive_is_0(read_pool: asyncpg.Pool) -> None:
    assert await archive_head(read_pool) == 0
    assert [payload async for payload in read_payloads(read_pool, 0, 10)] == []


async def test_payloads_come_in_order_after_one_number_up_to_another(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", b"%d" % number) for number in range(1, 101)])
    for after, upto, expected in [
        (0, 100, range(1, 101)),
        (0, 1, [1]),
        (31, 34, [32, 33, 34]),
        (99, 500, [100]),
        (100, 100, []),
        (5, 4, []),
    ]:
        found = [payload async for payload in read_payloads(read_pool, after, upto)]
        assert [payload.archive_seq for payload in found] == list(expected)
        assert [payload.response.body for payload in found] == [b"%d" % number for number in expected]


async def test_a_number_that_is_not_there_is_named(read_pool: asyncpg.Pool, three: list[Response]) -> None:
    with pytest.raises(UnknownPayload, match="payload 4 is not in the archive") as caught:
        await read_payload(read_pool, 4)
    assert caught.value.archive_seq == 4


async def test_a_damaged_body_is_never_read(read_pool: asyncpg.Pool, three: list[Response], tamper: Tamper) -> None:
    await tamper(
        "UPDATE archive.payload SET body = set_byte(body, length(body) - 1, 255 - get_byte(body, length(body) - 1))"
        " WHERE archive_seq = 3"
    )
    with pytest.raises(DamagedPayload) as caught:
        await read_payload(read_pool, 3)
    assert caught.value.archive_seq == 3
    payloads = read_payloads(read_pool, 0, 3)
    assert [(await anext(payloads)).response for _ in range(2)] == three[:2]
    with pytest.raises(DamagedPayload, match="payload 3 is damaged"):
        await anext(payloads)


async def test_payloads_about_a_session_are_those_whose_asked_dates_include_it(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    responses = [
        range_response("BCpC", [], JAN_2, JAN_3),
        range_response("BCPC", [], JAN_3, JAN_4),
        grouped_response(JAN_3, []),
        grouped_response(JAN_4, []),
        splits_response([]),
    ]
    await archive_all(ingest_pool, responses)

    async def about(session: dt.date, ticker: str | None = None) -> list[int]:
        return [payload.archive_seq async for payload in read_payloads_about(read_pool, session, ticker)]

    assert await about(JAN_2) == [1]
    assert await about(JAN_3) == [1, 2, 3]
    assert await about(JAN_3, "BCpC") == [1, 3]  # the case of a ticker counts; the whole market may hold any
    assert await about(JAN_4, "BCpC") == [4]
    assert await about(JAN_4, "AAPL") == [4]
