"""Verification: an archive that was altered, thinned or swollen is told from a whole one; the first bad is named."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from archive.chain import seal_archive
from archive.payload import Response
from archive.sample import Sample
from archive.verify import Verification, verify_archive
from tests.payloads import FETCHED_AT, archive_all, range_response

Tamper = Callable[[str], Awaitable[None]]

ALTERED = "payload 2 was altered, or is not the one that followed payload 1"


async def test_an_empty_archive_is_whole(read_pool: asyncpg.Pool) -> None:
    verification = await verify_archive(read_pool)
    assert (verification.head, verification.payloads, verification.first_bad) == (0, 0, None)


async def test_a_whole_archive_is_counted(read_pool: asyncpg.Pool, three: list[Response]) -> None:
    verification = await verify_archive(read_pool)
    assert (verification.head, verification.payloads, verification.seals) == (3, 3, 0)
    assert verification.body_bytes == sum(len(response.body) for response in three)
    assert (verification.first_bad, verification.problem) == (None, None)


ALTERATIONS = {
    "body = set_byte(body, 10, 255 - get_byte(body, 10))": "payload 2 is damaged: ",
    "body = ''": "payload 2 is damaged: ",
    "body = (SELECT body FROM archive.payload WHERE archive_seq = 1)": "payload 2 is damaged: ",
    "(body, body_bytes, body_sha256) = (SELECT body, body_bytes, body_sha256 FROM archive.payload"
    " WHERE archive_seq = 1)": ALTERED,
    "body_sha256 = sha256('')": "payload 2 is damaged: SHA-256 is ",
    "body_bytes = 1 + body_bytes": "payload 2 is damaged: its frame holds ",
    "fetched_at = fetched_at + interval '1 microsecond'": ALTERED,
    "source = 'other'": ALTERED,
    "endpoint = 'grouped'": ALTERED,
    "request = request || ' '": ALTERED,
    "ticker = 'bcpc'": ALTERED,
    "ticker = NULL": ALTERED,
    "from_date = from_date - 1": ALTERED,
    "to_date = NULL": ALTERED,
    "http_status = 404": ALTERED,
    "headers = '[]'": ALTERED,
    "transfer = 'cut_short'": ALTERED,
    "run_id = gen_random_uuid()": ALTERED,
    "chain_hash = sha256('')": ALTERED,
}


async def test_a_payload_of_which_anything_was_altered_is_named(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, tamper: Tamper
) -> None:
    await archive_all(ingest_pool, [range_response("BCpC", b'{"results":[1]}' * n) for n in (1, 2, 3)])
    await tamper("CREATE TABLE good AS SELECT * FROM archive.payload WHERE archive_seq = 2")
    for change, problem in ALTERATIONS.items():
        await tamper(f"UPDATE archive.payload SET {change} WHERE archive_seq = 2")
        verification = await verify_archive(read_pool)
        assert verification.first_bad == 2, change
        assert verification.problem is not None
        assert verification.problem.startswith(problem), change
        assert "\n" not in verification.problem
        await tamper("DELETE FROM archive.payload WHERE archive_seq = 2")
        await tamper("INSERT INTO archive.payload SELECT * FROM good")
    assert (await verify_archive(read_pool)).problem is None


async def test_every_column_of_a_payload_is_covered(owner: asyncpg.Connection) -> None:
    columns = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'archive.payload'::regclass AND attnum > 0"
    )
    altered = {text.partition(" ")[0] for text in ALTERATIONS if not text.startswith("(")}
    assert {row["attname"] for row in columns} - {"archive_seq"} == altered


@pytest.mark.parametrize("seq", [1, 2])
async def test_a_missing_payload_is_named(
    read_pool: asyncpg.Pool, three: list[Response], tamper: Tamper, seq: int
) -> None:
    await tamper(f"DELETE FROM archive.payload WHERE archive_seq = {seq}")
    verification = await verify_archive(read_pool)
    assert (verification.first_bad, verification.problem) == (seq, f"payload {seq} is missing")


async def test_payloads_that_were_moved_up_over_a_removed_one_are_noticed(
    read_pool: asyncpg.Pool, three: list[Response], tamper: Tamper
) -> None:
    await tamper("DELETE FROM archive.payload WHERE archive_seq = 2")
    await tamper("UPDATE archive.payload SET archive_seq = 2 WHERE archive_seq = 3")
    assert (await verify_archive(read_pool)).problem == ALTERED


async def test_a_payload_that_was_slipped_in_is_noticed(
    read_pool: asyncpg.Pool, three: list[Response], tamper: Tamper
) -> None:
    await tamper("UPDATE archive.payload SET archive_seq = 4 WHERE archive_seq = 3")
    columns = "fetched_at, source, endpoint, request, ticker, from_date, to_date, http_status, headers, transfer"
    columns += ", body, body_bytes, body_sha256, run_id, chain_hash"
    await tamper(
        f"INSERT INTO archive.payload (archive_seq, {columns}) SELECT 3, {columns} FROM archive.payload"
        " WHERE archive_seq = 2"
    )
    assert (await verify_archive(read_pool)).first_bad == 3


async def test_a_seal_notices_that_the_newest_payloads_were_removed(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, three: list[Response], tamper: Tamper
) -> None:
    assert await seal_archive(ingest_pool, FETCHED_AT) == 3
    await tamper("DELETE FROM archive.payload WHERE archive_seq > 1")
    verification = await verify_archive(read_pool)
    assert verification.first_bad == 2
    assert verification.problem == "payload 2 is missing: a seal says that there were 3"


async def test_a_seal_notices_that_the_whole_chain_was_forged(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, three: list[Response], tamper: Tamper
) -> None:
    """A forger who removes everything and appends another history has a chain that is right in itself."""
    await seal_archive(ingest_pool, FETCHED_AT)
    await tamper("DELETE FROM archive.payload")
    await archive_all(ingest_pool, [range_response("AAPL", b"forged")] * 3)
    verification = await verify_archive(read_pool)
    assert verification.first_bad == 3
    assert verification.problem == "payload 3, or one before it, is not what was sealed"


class _BusyPool:
    """A pool in whose every pause between two queries another process appends and seals a payload."""

    def __init__(self, readers: asyncpg.Pool, writers: asyncpg.Pool) -> None:
        self._readers, self._writers = readers, writers

    async def fetch(self, *query: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._readers.fetch(*query)
        await self._append_and_seal()
        return rows

    async def fetchval(self, *query: object) -> object:
        value: object = await self._readers.fetchval(*query)
        await self._append_and_seal()
        return value

    async def _append_and_seal(self) -> None:
        await archive_all(self._writers, [range_response("AAPL", b"")])
        await seal_archive(self._writers, FETCHED_AT)


async def test_payloads_that_are_appended_and_sealed_meanwhile_are_no_alarm(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, three: list[Response]
) -> None:
    assert (await verify_archive(_BusyPool(read_pool, ingest_pool))).problem is None
    assert (await verify_archive(read_pool)).payloads > 5


ALL_BODIES = Sample(100, 0)
ONE_OF_MANY = Sample(5, 3)
MANY = 40


@pytest.fixture
async def many(ingest_pool: asyncpg.Pool) -> list[int]:
    """Return the two payloads of a fresh archive of forty whose bodies ONE_OF_MANY reads."""
    await archive_all(ingest_pool, [range_response(f"T{n}", b'{"results":[]}' * n) for n in range(1, MANY + 1)])
    read = [number for number in range(1, MANY + 1) if _reads(ONE_OF_MANY, number)]
    assert len(read) == 2
    return read


async def test_a_sample_of_a_whole_archive_finds_no_fault(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, many: list[int]
) -> None:
    await seal_archive(ingest_pool, FETCHED_AT)
    found = await verify_archive(read_pool, ONE_OF_MANY)
    body_bytes = sum(len(b'{"results":[]}') * n for n in many)
    assert found == Verification(MANY, MANY, body_bytes, 1, None, None, 2, 5, 3)
    assert (await verify_archive(read_pool)).sampled == MANY


async def test_a_sample_of_an_empty_archive_finds_no_fault(read_pool: asyncpg.Pool) -> None:
    found = await verify_archive(read_pool, ONE_OF_MANY)
    assert (found.head, found.payloads, found.sampled, found.problem) == (0, 0, 0, None)


async def test_an_altered_body_is_seen_by_a_sample_that_reads_it_and_by_no_other(
    read_pool: asyncpg.Pool, many: list[int], tamper: Tamper
) -> None:
    await tamper(f"UPDATE archive.payload SET body = set_byte(body, 10, 7) WHERE archive_seq = {many[1]}")
    seen = await verify_archive(read_pool, ONE_OF_MANY)
    assert (seen.first_bad, seen.sampled) == (many[1], 1)
    assert seen.problem is not None
    assert seen.problem.startswith(f"payload {many[1]} is damaged: ")
    blind = [seed for seed in range(50) if not _reads(Sample(5, seed), many[1])]
    assert (await verify_archive(read_pool, Sample(5, blind[0]))).problem is None
    assert (await verify_archive(read_pool)).first_bad == many[1]


async def test_the_first_of_several_bad_payloads_is_named(
    read_pool: asyncpg.Pool, many: list[int], tamper: Tamper
) -> None:
    later = many[0] + 1
    await tamper(f"UPDATE archive.payload SET headers = '[]' WHERE archive_seq = {later}")
    await tamper(f"UPDATE archive.payload SET body = '' WHERE archive_seq = {many[0]}")
    assert (await verify_archive(read_pool, ONE_OF_MANY)).first_bad == many[0]


# What a sample that reads not one of the bodies in question sees all the same: (what was done, what is said of it).
SEEN_WITHOUT_BODIES = {
    "UPDATE archive.payload SET headers = '[]' WHERE archive_seq = {bad}": "payload {bad} was altered",
    "UPDATE archive.payload SET body_sha256 = sha256('') WHERE archive_seq = {bad}": "payload {bad} was altered",
    "UPDATE archive.payload SET body_bytes = body_bytes + 1 WHERE archive_seq = {bad}": "payload {bad} was altered",
    "UPDATE archive.payload SET chain_hash = sha256('') WHERE archive_seq = {bad}": "payload {bad} was altered",
    "DELETE FROM archive.payload WHERE archive_seq = {bad}": "payload {bad} is missing",
    "DELETE FROM archive.payload WHERE archive_seq >= {bad}": "payload {bad} is missing: a seal says that there",
    "INSERT INTO archive.payload SELECT 41, fetched_at, source, endpoint, request, ticker, from_date, to_date,"
    " http_status, headers, transfer, body, body_bytes, body_sha256, run_id, chain_hash FROM archive.payload"
    " WHERE archive_seq = {bad}": "payload 41 was altered, or is not the one that followed payload 40",
}


@pytest.mark.parametrize(("statement", "problem"), SEEN_WITHOUT_BODIES.items())
async def test_everything_but_a_body_is_seen_by_every_sample(
    ingest_pool: asyncpg.Pool,
    read_pool: asyncpg.Pool,
    many: list[int],
    tamper: Tamper,
    statement: str,
    problem: str,
) -> None:
    await seal_archive(ingest_pool, FETCHED_AT)
    bad = next(number for number in range(2, MANY) if number not in many)
    await tamper(statement.format(bad=bad))
    found = await verify_archive(read_pool, ONE_OF_MANY)
    assert found.problem is not None
    assert found.problem.startswith(problem.format(bad=bad))
    assert found.first_bad == int(problem.format(bad=bad).split()[1])


async def test_a_sample_notices_by_a_seal_that_a_superuser_rewrote_the_chain(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, many: list[int], tamper: Tamper
) -> None:
    """Payload 20 and everything after it are appended again, another body among them: the new chain is right."""
    await seal_archive(ingest_pool, FETCHED_AT)
    await tamper("CREATE TABLE kept AS SELECT * FROM archive.payload WHERE archive_seq >= 20")
    await tamper(
        "UPDATE kept SET (body, body_bytes, body_sha256) = (SELECT body, body_bytes, body_sha256"
        " FROM archive.payload WHERE archive_seq = 1) WHERE archive_seq = 20"
    )
    await tamper("DELETE FROM archive.payload WHERE archive_seq >= 20")
    await tamper(
        "SELECT archive.append_payload(fetched_at, source, endpoint, request, ticker, from_date, to_date, http_status,"
        " headers, transfer, body, body_bytes, body_sha256, run_id) FROM (SELECT * FROM kept ORDER BY archive_seq) AS k"
    )
    for sample in (ONE_OF_MANY, ALL_BODIES, None):
        found = await verify_archive(read_pool, sample)
        assert (found.first_bad, found.problem) == (40, "payload 40, or one before it, is not what was sealed")


def _reads(sample: Sample, number: int) -> bool:
    return any(after < number <= upto for after, upto in sample.spans(MANY))
