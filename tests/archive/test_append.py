"""The one write: durable when it returns, in the order handed in, and all or nothing for what shares a transaction."""

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.append import append_responses, open_archiver
from archive.payload import Endpoint, Request, Response, Transfer
from archive.read import archive_head, read_payload, read_payloads
from sql.errors import CONNECTION_LOST
from tests.payloads import FETCHED_AT, RUN_ID, archive_all, range_response

_WAITS_FOR_LOCK = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
_APPEND_UNTIL_KILLED = """
import asyncio, sys
from archive.append import open_archiver
from sql.connect import Role, open_pool
from tests.payloads import RUN_ID, range_response

async def main():
    async with open_pool(sys.argv[1], Role.INGEST) as pool, open_archiver(pool, RUN_ID) as archiver:
        number = 0
        while True:
            number += 1
            seq = await archiver.append(range_response("AAPL", b"%d" % number))
            print(seq, number, flush=True)

asyncio.run(main())
"""


async def test_a_payload_is_committed_when_append_returns(ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        for number in range(1, 4):
            assert await archiver.append(range_response("AAPL", b"body")) == number
            assert await archive_head(read_pool) == number


async def test_appends_are_flushed_to_disk_before_they_return(ingest_pool: asyncpg.Pool) -> None:
    assert await ingest_pool.fetchval("SHOW synchronous_commit") == "on"


async def test_everything_of_a_response_comes_back(ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    response = Response(
        source="polygon",
        request=Request(Endpoint.RANGE, "/v2/x?a=1", "BCpC", dt.date(2024, 1, 2), dt.date(2024, 1, 3)),
        fetched_at=dt.datetime(2024, 7, 1, 12, 0, 0, 123456, tzinfo=dt.UTC),
        http_status=429,
        headers=[("Retry-After", "7"), ("X-Two", "a"), ("X-Two", "b"), ("X-Name", "Zürich")],
        transfer=Transfer.CUT_SHORT,
        body=b'{"half":',
    )
    await archive_all(ingest_pool, [response])
    payload = await read_payload(read_pool, 1)
    assert payload.response == response
    assert (payload.archive_seq, payload.run_id) == (1, RUN_ID)


async def test_what_a_request_does_not_name_stays_unknown(ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    response = Response("polygon", Request(Endpoint.HOLIDAYS, "/v1/x"), FETCHED_AT, 200, [], Transfer.COMPLETE, b"[]")
    await archive_all(ingest_pool, [response])
    assert (await read_payload(read_pool, 1)).response == response


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.binary(max_size=5000), min_size=1, max_size=5))
async def test_every_body_comes_back_byte_for_byte(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, bodies: list[bytes]
) -> None:
    numbers = await archive_all(ingest_pool, [range_response("AAPL", body) for body in bodies])
    payloads = [payload async for payload in read_payloads(read_pool, numbers[0] - 1, numbers[-1])]
    assert [payload.response.body for payload in payloads] == bodies
    assert [payload.archive_seq for payload in payloads] == numbers


async def test_responses_are_archived_in_the_order_in_which_they_were_handed_in(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        numbers = await asyncio.gather(*(archiver.append(range_response("AAPL", b"%d" % n)) for n in range(150)))
    assert numbers == list(range(1, 151))
    payloads = [payload async for payload in read_payloads(read_pool, 0, 150)]
    assert [payload.response.body for payload in payloads] == [b"%d" % n for n in range(150)]


async def test_responses_that_wait_together_share_a_transaction(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        await asyncio.gather(*(archiver.append(range_response("AAPL", b"")) for _ in range(40)))
    assert await owner.fetchval("SELECT count(DISTINCT xmin::text) FROM archive.payload") < 10


async def test_leaving_the_archiver_waits_for_what_was_handed_in(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        tasks = [asyncio.create_task(archiver.append(range_response("AAPL", b""))) for _ in range(100)]
        await asyncio.sleep(0)  # each has handed in, none is committed
    assert await archive_head(read_pool) == 100
    assert [await task for task in tasks] == list(range(1, 101))


async def test_a_caller_that_gives_up_takes_nobody_with_it(ingest_pool: asyncpg.Pool) -> None:
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        tasks = [asyncio.create_task(archiver.append(range_response("AAPL", b""))) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        # What was handed in before it gave up is archived all the same.
        assert [await tasks[0], await tasks[2]] == [1, 3]


async def test_a_response_that_the_database_refuses_is_reported_and_leaves_no_gap(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    good = range_response("AAPL", b"")
    bad = msgspec.structs.replace(good, request=Request(Endpoint.RANGE, "/v2/x?apiKey=secret"))
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        assert await archiver.append(good) == 1
        with pytest.raises(asyncpg.CheckViolationError, match="request_holds_no_key"):
            await archiver.append(bad)
        assert await archiver.append(good) == 2
    assert await archive_head(read_pool) == 2


async def test_a_response_that_the_database_refuses_fails_alone(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool
) -> None:
    """Those that would have shared its transaction are archived, in the order in which they were handed in."""
    responses = [range_response("AAPL", b"%d" % number) for number in range(40)]
    for place in (7, 21, 22):
        hidden = Request(Endpoint.RANGE, "/v2/x?apiKey=secret")
        responses[place] = msgspec.structs.replace(responses[place], request=hidden)
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        ends = await asyncio.gather(*map(archiver.append, responses), return_exceptions=True)
    assert [n for n, end in enumerate(ends) if isinstance(end, asyncpg.CheckViolationError)] == [7, 21, 22]
    assert [end for end in ends if not isinstance(end, BaseException)] == list(range(1, 38))
    payloads = [payload async for payload in read_payloads(read_pool, 0, await archive_head(read_pool))]
    assert [int(payload.response.body) for payload in payloads] == [n for n in range(40) if n not in (7, 21, 22)]


async def test_a_lost_connection_fails_what_is_under_way_and_the_next_append_takes_another(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    async with open_archiver(ingest_pool, RUN_ID) as archiver:
        assert await archiver.append(range_response("AAPL", b"")) == 1
        async with owner.transaction():
            await owner.execute("SELECT archive.lock_append()")
            under_way = asyncio.create_task(archiver.append(range_response("AAPL", b"")))
            while not await owner.fetchval(_WAITS_FOR_LOCK):
                await asyncio.sleep(0.01)
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            with pytest.raises(CONNECTION_LOST):
                await under_way
        assert await archiver.append(range_response("AAPL", b"")) == 2


@pytest.mark.parametrize("target", ["/v2/x?apiKey=secret", "/v2/x?a=1&apiKey=secret", "/v2/x?APIKEY=secret"])
async def test_no_request_with_a_key_in_it_is_ever_archived(ingest_pool: asyncpg.Pool, target: str) -> None:
    response = msgspec.structs.replace(range_response("AAPL", b""), request=Request(Endpoint.RANGE, target))
    with pytest.raises(asyncpg.CheckViolationError, match="request_holds_no_key"):
        await append_responses(ingest_pool, RUN_ID, [response])


async def test_a_process_that_is_killed_loses_nothing_that_append_returned_for(
    database_url: str, read_pool: asyncpg.Pool
) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _APPEND_UNTIL_KILLED, database_url], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    returned = [process.stdout.readline().split() for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    returned += [line.split() for line in process.communicate()[0].splitlines() if len(line.split()) == 2]
    assert len(returned) >= 25
    for seq, number in returned:
        assert (await read_payload(read_pool, int(seq))).response.body == number.encode()
