"""Answers that are sent as they come: whole in every format, and broken where something fails."""

import asyncio
import gzip
import io
from typing import Any

import aiohttp
import msgspec
import polars as pl
import pytest
from pyarrow import parquet
from starlette.applications import Starlette

from tests.api.formats.tables import CHUNK_ROWS, ROWS, Answer
from tests.api.served import Client

CLOSES = [ROWS[place % len(ROWS)].close for place in range(CHUNK_ROWS)]


async def closes_of(client: Client, suffix: str, query: str) -> list[float]:
    """Return a column of the stream in a format."""
    body = (await client.ask(f"/many.{suffix}?{query}")).body
    readers: dict[str, Any] = {"csv": pl.read_csv, "arrow": pl.read_ipc_stream, "parquet": pl.read_parquet}
    if suffix in readers:
        closes: list[float] = readers[suffix](io.BytesIO(body))["close"].to_list()
        return closes
    rows = msgspec.json.Decoder().decode_lines(body) if suffix == "ndjson" else msgspec.json.decode(body)["rows"]
    return [row["close"] for row in rows]


@pytest.mark.parametrize("suffix", ["json", "csv", "ndjson", "arrow", "parquet"])
@pytest.mark.parametrize("chunks", [0, 1, 3])
async def test_a_stream_has_the_rows_of_all_its_chunks(tables: Client, suffix: str, chunks: int) -> None:
    assert await closes_of(tables, suffix, f"chunks={chunks}&columns=close,ticker") == CLOSES * chunks


async def test_a_stream_in_json_is_the_envelope_with_rows_in_place(tables: Client) -> None:
    answer = await tables.ask("/many?chunks=2")
    assert "content-length" not in answer.headers
    assert len(msgspec.json.decode(answer.body, type=Answer).rows) == 2 * CHUNK_ROWS
    refusal = (await tables.ask("/many?layout=columns")).refusal()
    assert (refusal.code, refusal.parameter) == ("invalid_parameter", "layout")


async def test_each_chunk_is_a_row_group(tables: Client) -> None:
    body = (await tables.ask("/many.parquet?chunks=3")).body
    assert parquet.ParquetFile(io.BytesIO(body)).num_row_groups == 3


async def test_what_fails_before_the_first_row_is_a_refusal(tables: Client, app: Starlette) -> None:
    answer = await tables.ask("/many.csv?fails_after=0")
    assert (answer.status, answer.refusal().code) == (503, "nothing_projected")
    assert app.state.open_streams == 0


@pytest.mark.parametrize("suffix", ["json", "csv", "ndjson", "arrow", "parquet"])
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
async def test_what_fails_later_breaks_the_connection(tables: Client, app: Starlette, suffix: str, coding: str) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await tables.ask(f"/many.{suffix}?chunks=4&fails_after=2", headers={"Accept-Encoding": coding})
    assert app.state.open_streams == 0
    assert (await tables.ask(f"/many.{suffix}?chunks=1")).status == 200


async def test_whoever_stops_listening_ends_the_stream(tables: Client, app: Starlette) -> None:
    async with tables.session.get(f"{tables.origin}/many.csv?chunks=100000") as response:
        await response.content.readexactly(100_000)
        assert app.state.open_streams == 1
        response.close()
    async with asyncio.timeout(10):
        while app.state.open_streams:
            await asyncio.sleep(0.01)


async def test_head_reads_the_first_chunk_and_lets_go(tables: Client, app: Starlette) -> None:
    answer = await tables.ask("/many.csv?fails_after=1", method="HEAD")
    assert (answer.status, answer.headers["accept-ranges"], answer.body) == (200, "none", b"")
    assert (await tables.ask("/many.csv?fails_after=0", method="HEAD")).status == 503
    assert (await tables.ask("/many?layout=columns")).status == 422
    assert app.state.open_streams == 0


async def test_a_stream_is_packed_part_by_part(tables: Client) -> None:
    async with tables.session.get(f"{tables.origin}/many.csv", headers={"Accept-Encoding": "gzip"}) as response:
        packed = await response.read()
    assert gzip.decompress(packed) == (await tables.ask("/many.csv")).body
