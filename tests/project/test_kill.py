"""SIGKILL at any moment: the projection is at the end of some batch, and running again ends where it would have."""

import asyncio
import datetime as dt
import os
import random
import signal
import subprocess
import time

import asyncpg
import pytest

from archive.payload import Response
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, read_ruleset
from tests.command import console_command, run_command
from tests.payloads import archive_all, bar, range_response, split, splits_response
from tests.project.random_archive import SESSIONS
from tests.project.tables import all_tables, fingerprint_of_tables, the_generation


def _now() -> dt.datetime:
    return dt.datetime(2024, 7, 2, tzinfo=dt.UTC)


def _sent(seed: int, count: int) -> list[Response]:
    """Return many small payloads that restate one another, with a split now and then."""
    chance = random.Random(seed)
    tickers = [f"T{number}" for number in range(12)]
    sent = []
    for _ in range(count):
        ticker = chance.choice(tickers)
        if chance.random() < 0.1:
            sent.append(splits_response([split(ticker, chance.choice(SESSIONS), 1, 2, chance.choice("ab"))]))
        else:
            rows = [bar(day, chance.choice((10.0, 10.5, 20.0))) for day in SESSIONS if chance.random() < 0.6]
            sent.append(range_response(ticker, [*rows, {"o": '"bad"'}]))
    return sent


async def test_catching_up_after_kills_gives_what_one_rebuild_gives(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    chance = random.Random(7)
    sent = _sent(7, 1500)
    await archive_all(ingest_pool, sent[:100])
    assert run_command(command_environ, "project").returncode == 0
    await archive_all(ingest_pool, sent[100:])
    checkpoints = [100]
    while checkpoints[-1] < len(sent) and len(checkpoints) < 3:
        _kill_after_a_batch(command_environ, chance.random() * 0.02)
        generation = await the_generation(project_pool)
        assert await fingerprint_of_tables(project_pool) == generation.fingerprint
        checkpoints.append(generation.checkpoint)
    assert 100 < checkpoints[1] < len(sent)
    done = run_command(command_environ, "project")
    assert done.returncode == 0, done.stderr
    caught_up, generation = await all_tables(project_pool), await the_generation(project_pool)
    assert generation.checkpoint == len(sent)
    rebuilt = (await rebuild(project_pool, read_ruleset(DEFAULT_RULES), _now)).generation
    assert (rebuilt.content_hash, rebuilt.provenance_hash) == (generation.content_hash, generation.provenance_hash)
    assert await all_tables(project_pool) == caught_up


async def test_a_killed_rebuild_leaves_the_live_projection_and_the_next_one_starts_clean(
    command_environ: dict[str, str], ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, _sent(3, 600))
    assert run_command(command_environ, "project").returncode == 0
    live, generation = await all_tables(project_pool), await the_generation(project_pool)
    process = _start(command_environ, "project", "--rebuild")
    while not await project_pool.fetchval("SELECT to_regnamespace('projection_next') IS NOT NULL"):
        assert process.poll() is None
        await asyncio.sleep(0.001)
    _kill(process)
    assert await the_generation(project_pool) == generation
    assert await all_tables(project_pool) == live
    done = run_command(command_environ, "project", "--rebuild")
    assert done.returncode == 0, done.stderr
    again = await the_generation(project_pool)
    assert again.generation_id != generation.generation_id
    assert (again.content_hash, again.provenance_hash) == (generation.content_hash, generation.provenance_hash)


def _start(environ: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = [console_command(words[0]), *words[1:]]
    return subprocess.Popen(
        command,
        env=environ | {"LOG_LEVEL": "INFO"},
        cwd=environ["HOME"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _kill_after_a_batch(environ: dict[str, str], pause_s: float) -> None:
    process = _start(environ, "project")
    assert process.stderr is not None
    for line in process.stderr:
        if b"project.batch_committed" in line:
            break
    else:
        pytest.fail("it ended before a batch was committed")
    time.sleep(pause_s)
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
