"""The whole archive, replayed on every core: always the same, the first bad payload named, and nothing left behind."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.calendar import exchange_calendar
from archive.compression import pack
from archive.payload import Response
from archive.read import archive_head
from project import content
from project.batch import Batch
from project.bulk import bar_decoder
from project.bulk import replay as build
from project.bulk.crew import Chunk, decode_chunks
from project.bulk.replay import decode_archive, replay_archive
from project.content import Fingerprint
from project.errors import UndecodablePayload, WorkerFailed
from project.rows import join
from tests.payloads import RUN_ID, archive_all, bar, grouped_response, range_response, splits_response
from tests.processes import children_running
from tests.project.random_archive import SESSIONS, responses, small_ruleset

RULESET = small_ruleset()
ROOT = Path(__file__).parents[2]
UNDECODABLE = b'{"results":{"o":1},"status":"OK"}'

Empty = Callable[[], Awaitable[None]]
Said = tuple[Fingerprint, list[object], dict[str, int], dict[str, Any], int]


@contextmanager
def _sizes(*, chunk_bytes: int = 1, part_rows: int = 3, run_rows: int = 2) -> Iterator[None]:
    """Make sizes small enough for small archives to be cut by; what is shipped they never reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_CHUNK_BYTES", chunk_bytes)
        patch.setattr(build, "_PART_ROWS", part_rows)
        patch.setattr(bar_decoder, "_RUN_ROWS", run_rows)
        yield


async def _replay(pool: asyncpg.Pool, workers: int) -> Said:
    async with (
        pool.acquire() as connection,
        replay_archive(connection, RULESET, await archive_head(connection), workers=workers) as replayed,
    ):
        total = content.of_rejections(replayed.rejections)
        seen: list[str] = []
        async for part in replayed.parts():
            total += part.bars.fingerprint
            seen += [replayed.tickers.names[code] for code in part.codes.tolist()]
        assert seen == sorted(replayed.tickers.names)
        rejections = sorted(replayed.rejections, key=lambda row: (row.archive_seq, row.row_index))
        return total, list(rejections), replayed.spoken, dict(replayed.records), replayed.raw_rows


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    sent=responses,
    workers=st.sampled_from([1, 2, 3]),
    part_rows=st.sampled_from([1, 5, 500_000]),
    run_rows=st.sampled_from([1, 4, 500_000]),
    chunk_bytes=st.sampled_from([1, 500, 2**20]),
)
async def test_how_many_decode_it_and_how_it_is_cut_makes_no_difference(
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    empty: Empty,
    sent: list[Response],
    workers: int,
    part_rows: int,
    run_rows: int,
    chunk_bytes: int,
) -> None:
    await empty()
    await archive_all(ingest_pool, sent)
    at_once = await _replay(project_pool, 1)
    async with project_pool.acquire() as connection:
        batch = await decode_archive(connection, RULESET, 0, len(sent))
    with _sizes(chunk_bytes=chunk_bytes, part_rows=part_rows, run_rows=run_rows):
        assert await _replay(project_pool, workers) == at_once
    assert at_once[1:3] == (batch.rejections, batch.spoken)
    assert at_once[4] == len(join(batch.bars))


async def test_the_first_payload_that_cannot_be_decoded_is_named_whoever_meets_it(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    good = [grouped_response(day, [bar(day, ticker="AAPL")]) for day in SESSIONS[:6]]
    bad = [range_response("AAPL", UNDECODABLE), grouped_response(SESSIONS[7], UNDECODABLE)]
    await archive_all(ingest_pool, [*good, *bad, splits_response(UNDECODABLE)])
    for workers in (1, 2, 3):
        with _sizes(), pytest.raises(UndecodablePayload, match="payload 7 ") as found:
            await _replay(project_pool, workers)
        assert found.value.archive_seq == 7


async def test_a_payload_that_is_no_bar_is_named_only_when_none_before_it_is_bad(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", UNDECODABLE), splits_response(UNDECODABLE)])
    for chunk_bytes in (1, 2**20):
        with _sizes(chunk_bytes=chunk_bytes), pytest.raises(UndecodablePayload, match="payload 1 "):
            await _replay(project_pool, 2)


async def test_nothing_is_left_behind_whether_it_ends_well_or_badly(
    ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    await archive_all(ingest_pool, [range_response("AAPL", [bar(day) for day in SESSIONS]) for _ in range(5)])
    async with project_pool.acquire() as connection:
        with _sizes():
            async with replay_archive(connection, RULESET, 5, workers=2) as replayed:
                assert len(_open_files(tmp_path)) == 3  # of this process and of two others
                assert list(tmp_path.iterdir()) == []
                async for _ in replayed.parts():
                    break  # with the next part under way
    assert _open_files(tmp_path) == []
    await archive_all(ingest_pool, [range_response("AAPL", UNDECODABLE)])
    with _sizes(), pytest.raises(UndecodablePayload):
        await _replay(project_pool, 2)
    assert _open_files(tmp_path) == []
    assert _workers() == []


async def test_a_worker_that_is_killed_is_missed() -> None:
    async with asyncio.timeout(60):
        with pytest.raises(WorkerFailed, match="ended too early"):
            async with decode_chunks(_endless(_one_is_killed), _blank, 2):
                pytest.fail("it went on without a worker")
    assert _workers() == []


_DECODE_FOR_EVER = """
import asyncio
from project.bulk import crew
from tests.project.test_bulk import _blank, _children_are_told, _endless

async def main():
    async with crew.decode_chunks(_endless(_children_are_told), _blank, 2):
        pass

asyncio.run(main())
"""


def test_no_worker_outlives_a_parent_that_is_killed() -> None:
    command = [sys.executable, "-c", _DECODE_FOR_EVER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        os.kill(parent.pid, signal.SIGKILL)
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=30)[1] == []


async def _endless(look: Callable[[int], None]) -> AsyncIterator[Chunk]:
    """Yield payloads for ever, and let `look` know how many there were."""
    row = _stored(range_response("AAPL", [bar(day) for day in SESSIONS]))
    for number in itertools.count(1):
        yield [row | {"archive_seq": number}]
        look(number)


def _stored(response: Response) -> dict[str, Any]:
    """Return a response as a row of the payload table."""
    packed, request = pack(response.body), response.request
    return msgspec.structs.asdict(request) | {
        "body": packed.frame,
        "body_bytes": packed.body_bytes,
        "body_sha256": packed.body_sha256,
        "request": request.target,
        "source": response.source,
        "fetched_at": response.fetched_at,
        "http_status": response.http_status,
        "headers": msgspec.json.encode(response.headers),
        "transfer": response.transfer,
        "run_id": RUN_ID,
    }


def _blank() -> Batch:
    return Batch(exchange_calendar(), RULESET, {})


def _open_files(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open, those without a name too."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return [link for link in links if link.startswith(str(folder))]


def _workers() -> list[psutil.Process]:
    """Return the children of this process that decode; other tests have children too."""
    return children_running("project.bulk.crew")


def _one_is_killed(number: int) -> None:
    if number == 50:
        _workers()[0].kill()


def _children_are_told(number: int) -> None:
    if number == 200:
        print(*(child.pid for child in _workers()), flush=True)
