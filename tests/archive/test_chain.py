"""The hash chain and its seals: whoever alters, removes or slips in a payload is found out, a superuser too."""

import datetime as dt

import asyncpg
import pytest

from archive.chain import seal_archive
from archive.verify import verify_archive
from tests.payloads import archive_all, bar, range_response

NOW = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)
SESSION = dt.date(2024, 6, 28)

ALTERATIONS = {
    "request": "UPDATE archive.payload SET request = request || '&x=1' WHERE archive_seq = 3",
    "fetched_at": "UPDATE archive.payload SET fetched_at = fetched_at + INTERVAL '1 microsecond' WHERE archive_seq = 3",
    "ticker_to_null": "UPDATE archive.payload SET ticker = NULL WHERE archive_seq = 3",
    "http_status": "UPDATE archive.payload SET http_status = 201 WHERE archive_seq = 3",
    "headers": "UPDATE archive.payload SET headers = '[]' WHERE archive_seq = 3",
    "chain_hash": "UPDATE archive.payload SET chain_hash = sha256('x') WHERE archive_seq = 3",
    "removed": "DELETE FROM archive.payload WHERE archive_seq = 3",
    "swapped_bodies": """
        UPDATE archive.payload AS one
        SET body = other.body, body_bytes = other.body_bytes, body_sha256 = other.body_sha256
        FROM archive.payload AS other
        WHERE one.archive_seq = 3 AND other.archive_seq = 4
    """,
}


async def _archive(pool: asyncpg.Pool, count: int = 5) -> None:
    await archive_all(pool, [range_response(f"T{place}", [bar(SESSION, 10.0 + place)]) for place in range(count)])


async def _as_superuser(owner: asyncpg.Connection, statement: str) -> None:
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(statement)
    await owner.execute("SET session_replication_role = DEFAULT")


async def test_an_untouched_archive_verifies(ingest_pool: asyncpg.Pool) -> None:
    await _archive(ingest_pool)
    assert await seal_archive(ingest_pool, NOW) == 5
    found = await verify_archive(ingest_pool)
    assert (found.payloads, found.seals, found.first_bad, found.problem) == (5, 1, None, None)


@pytest.mark.parametrize("statement", ALTERATIONS.values(), ids=ALTERATIONS)
async def test_an_altered_payload_is_named(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection, statement: str
) -> None:
    await _archive(ingest_pool)
    await _as_superuser(owner, statement)
    found = await verify_archive(ingest_pool)
    assert found.first_bad == 3
    assert found.problem is not None
    assert "payload 3" in found.problem


async def test_a_payload_slipped_in_at_the_end_is_named(ingest_pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    await _archive(ingest_pool)
    columns = """fetched_at, source, endpoint, request, ticker, from_date, to_date, http_status, headers, transfer,
        body, body_bytes, body_sha256, run_id, chain_hash"""
    await _as_superuser(
        owner,
        f"""INSERT INTO archive.payload (archive_seq, {columns})
        SELECT 6, {columns} FROM archive.payload WHERE archive_seq = 2""",
    )
    assert (await verify_archive(ingest_pool)).first_bad == 6


async def test_a_sealed_end_that_was_cut_off_is_missed(ingest_pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    await _archive(ingest_pool)
    await seal_archive(ingest_pool, NOW)
    await _as_superuser(owner, "DELETE FROM archive.payload WHERE archive_seq > 3")
    found = await verify_archive(ingest_pool)
    assert found.first_bad == 4
    assert "a seal says that there were 5" in str(found.problem)


async def test_a_chain_that_was_written_anew_disagrees_with_its_seal(
    ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await _archive(ingest_pool)
    await seal_archive(ingest_pool, NOW)
    other = range_response("T0", [bar(SESSION, 99.0)])
    await _as_superuser(owner, "DELETE FROM archive.payload WHERE archive_seq = 5")
    await archive_all(ingest_pool, [other])
    found = await verify_archive(ingest_pool)
    assert found.first_bad == 5
    assert "sealed" in str(found.problem)


async def test_a_head_is_sealed_once(ingest_pool: asyncpg.Pool) -> None:
    assert await seal_archive(ingest_pool, NOW) is None
    await _archive(ingest_pool, 2)
    assert await seal_archive(ingest_pool, NOW) == 2
    assert await seal_archive(ingest_pool, NOW) is None
    await _archive(ingest_pool, 1)
    assert await seal_archive(ingest_pool, NOW) == 3
