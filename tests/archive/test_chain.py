"""The hash chain and its seals: the database and this software agree on every link, and a head is sealed once."""

import datetime as dt

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.chain import GENESIS, chain_hash, seal_archive
from archive.payload import Endpoint, Request, Response, Transfer
from archive.read import read_rows
from tests.payloads import FETCHED_AT, archive_all, range_response

# What PostgreSQL's text cannot hold is no text here either.
_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_dates = st.one_of(st.none(), st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)))

_responses = st.builds(
    Response,
    source=_text,
    request=st.builds(
        Request,
        endpoint=st.sampled_from(Endpoint),
        target=_text,
        ticker=st.one_of(st.none(), _text),
        from_date=st.none(),
        to_date=_dates,
    ),
    fetched_at=st.integers(0, 4_000_000_000_000_000).map(lambda us: FETCHED_AT + dt.timedelta(microseconds=us)),
    http_status=st.integers(100, 599),
    headers=st.lists(st.tuples(_text, _text), max_size=3),
    transfer=st.sampled_from(Transfer),
    body=st.binary(max_size=50),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(responses=st.lists(_responses, min_size=1, max_size=4))
async def test_database_and_software_make_the_same_chain_of_whatever_is_archived(
    ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool, responses: list[Response]
) -> None:
    first, *_ = numbers = await archive_all(ingest_pool, responses)
    rows = [row async for row in read_rows(read_pool, max(first - 2, 0), numbers[-1])]
    before = rows.pop(0)["chain_hash"] if first > 1 else GENESIS
    assert len(rows) == len(responses)
    for row in rows:
        before = chain_hash(before, row)
        assert row["chain_hash"] == before


def test_neighbouring_values_cannot_be_confused() -> None:
    """Lengths go into the chain, so that moving a letter from one column to the next changes it."""
    row = {
        "archive_seq": 1,
        "fetched_at": FETCHED_AT,
        "source": "polygon",
        "endpoint": "range",
        "request": "/v2/x",
        "ticker": None,
        "from_date": None,
        "to_date": None,
        "http_status": 200,
        "headers": "[]",
        "transfer": "complete",
        "body_bytes": 0,
        "body_sha256": b"",
        "run_id": "0",
    }
    moved = row | {"source": "polygo", "endpoint": "nrange"}
    empty = row | {"ticker": ""}
    assert len({chain_hash(GENESIS, each) for each in (row, moved, empty)}) == 3


async def test_a_head_is_sealed_once(ingest_pool: asyncpg.Pool, read_pool: asyncpg.Pool) -> None:
    assert await seal_archive(ingest_pool, FETCHED_AT) is None  # nothing to seal
    await archive_all(ingest_pool, [range_response("AAPL", b"")] * 2)
    assert await seal_archive(ingest_pool, FETCHED_AT) == 2
    assert await seal_archive(ingest_pool, FETCHED_AT) is None
    await archive_all(ingest_pool, [range_response("AAPL", b"")])
    assert await seal_archive(ingest_pool, FETCHED_AT) == 3
    assert await read_pool.fetchval("SELECT array_agg(to_seq ORDER BY to_seq) FROM archive.seal") == [2, 3]
