"""GET /api/v1/dry-run: it tells what the command tells, writes nothing, and takes no more than its caller waits for."""

import asyncio
import datetime as dt
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import asyncpg
import msgspec
import psutil
import pytest

from api.replay.child import Order
from archive.calendar import exchange_calendar
from project.rebuild import rebuild
from project.ruleset import DEFAULT_RULES, parse_ruleset, read_ruleset
from sql.connect import open_owner
from tests.api.served import Answer, Client, served
from tests.command import run_command
from tests.payloads import archive_all, bar, range_response
from tests.project.tables import all_tables

SESSIONS = exchange_calendar().between(dt.date(2023, 12, 1), dt.date(2024, 2, 29))
SHIPPED = DEFAULT_RULES.read_text()
TIGHTER = SHIPPED.replace("limit = 0.10", "limit = 0.04").replace("validated_from = 0.85", "validated_from = 0.8")
PATH = "/api/v1/dry-run"
_WITHIN_S = 30.0


def _target(rules: str) -> str:
    return f"{PATH}?{urlencode({'rules': rules})}"


@pytest.fixture
async def replayed(database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool) -> str:
    """Return the URL of a warehouse of two symbols, one of which gaps by 5 % now and then."""
    jumpy = [bar(day, 10.5 if place % 20 == 19 else 10.0) for place, day in enumerate(SESSIONS)]
    calm = [bar(day, 20.0) for day in SESSIONS]
    await archive_all(ingest_pool, [range_response("JUMPY", jumpy), range_response("CALM", calm)])
    await rebuild(project_pool, read_ruleset(DEFAULT_RULES), lambda: dt.datetime(2024, 3, 1, tzinfo=dt.UTC))
    return database_url


@asynccontextmanager
async def _held(url: str) -> AsyncIterator[None]:
    """Let whoever reads the bars wait."""
    async with open_owner(url) as owner, owner.transaction():
        await owner.execute("LOCK TABLE projection.bar IN ACCESS EXCLUSIVE MODE")
        yield


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if _is_replay(child)]


def _is_replay(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE or "api.replay.child" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


async def _until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(_WITHIN_S):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


async def test_it_tells_what_the_command_tells_and_writes_nothing(
    replayed: str, project_pool: asyncpg.Pool, command_environ: dict[str, str], tmp_path: Path
) -> None:
    before = await all_tables(project_pool)
    rulesets = await project_pool.fetch("SELECT * FROM archive.ruleset")
    async with served(replayed) as client:
        answer = await client.ask(_target(TIGHTER), headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json
    assert told["changes"]["counts"]["newly_validated"] == 0
    assert told["changes"]["counts"]["rejudged"] == told["changes"]["by_rule"]["large_gap"]["newly_failing"] == 6
    assert told["within_budget"] is True
    assert told["differences"] == [
        {"rule": None, "what": "validated_from", "before": "0.85", "after": "0.8"},
        {"rule": "large_gap", "what": "limit", "before": "0.1", "after": "0.04"},
    ]
    assert parse_ruleset(told["text"]).hash == parse_ruleset(TIGHTER).hash == told["ruleset_hash"]
    assert await all_tables(project_pool) == before
    assert await project_pool.fetch("SELECT * FROM archive.ruleset") == rulesets
    assert _children() == []
    file = tmp_path / "tighter.toml"
    file.write_text(told["text"])
    done = run_command(command_environ, "project", "--rebuild", "--dry-run", "--rules", str(file), "--json")
    printed = json.loads(done.stdout)
    assert {name: told[name] for name in printed} == printed


async def test_it_tells_whether_a_rebuild_would_stop(replayed: str) -> None:
    strict = SHIPPED.replace("limit = 0.10", "limit = 0.04")
    async with served(replayed) as client:
        told = (await client.ask(_target(strict))).json
    assert told["changes"]["changed_share"] == 6 / (2 * len(SESSIONS)) > told["max_change"] == 0.01
    assert told["within_budget"] is False


async def test_one_is_made_at_a_time_and_the_next_when_it_is_done(replayed: str) -> None:
    async with served(replayed) as client:
        async with _held(replayed):
            first = asyncio.create_task(client.ask(_target(TIGHTER)))
            await _until(lambda: len(_children()) == 1)
            second = await client.ask(_target(SHIPPED))
            assert (second.status, second.refusal().code) == (503, "too_busy")
            assert int(second.headers["retry-after"]) > 0
            assert len(_children()) == 1
        assert (await first).status == 200
        assert (await client.ask(_target(SHIPPED))).json["changes"]["counts"]["changed"] == 0
    assert _children() == []


async def test_it_ends_with_its_caller_and_leaves_nothing_behind(replayed: str) -> None:
    async with served(replayed) as client, open_owner(replayed) as owner:

        async def waits() -> bool:
            return bool(await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        async with _held(replayed):
            port = urlsplit(client.origin).port
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {_target(TIGHTER)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await _until(waits)
            [child] = _children()
            assert replayed not in " ".join(child.cmdline())
            assert child.nice() > psutil.Process().nice()
            if sys.platform == "linux":
                assert Path(f"/proc/{child.pid}/oom_score_adj").read_text() == "1000\n"
            writer.close()
            await _until(lambda: not child.is_running() and _children() == [])
        assert (await client.ask(_target(SHIPPED))).status == 200


async def test_a_child_that_is_killed_is_told_of(replayed: str) -> None:
    async with served(replayed) as client:
        async with _held(replayed):
            asked = asyncio.create_task(client.ask(_target(TIGHTER)))
            await _until(lambda: len(_children()) == 1)
            _children()[0].kill()
            answer = await asked
        assert (answer.status, answer.refusal().code) == (500, "dry_run_failed")
        assert "memory" in answer.refusal().message
    assert _children() == []


async def test_a_child_ends_with_its_stdin_so_that_it_outlives_no_server(replayed: str) -> None:
    async with _held(replayed), open_owner(replayed) as owner:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "api.replay.child", stdin=PIPE, stdout=PIPE, env=dict(os.environ)
        )
        assert child.stdin
        child.stdin.write(msgspec.json.encode(Order(replayed, parse_ruleset(SHIPPED))) + b"\n")

        async def waits() -> bool:
            return bool(await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await _until(waits)
        child.stdin.close()
        async with asyncio.timeout(_WITHIN_S):
            printed, _ = await child.communicate()
        assert (child.returncode, printed) == (-15, b"")


async def _refused(client: Client, rules: str, **headers: str) -> Answer:
    answer = await client.ask(_target(rules), headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert _children() == []
    return answer


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("", "has no [rules] table"),
        ("validated_from = ", "is not TOML"),
        (SHIPPED.replace("penalty = 0.2,", "penalty = 2,"), "rule large_gap: penalty is 2; it must be a number from 0"),
        (SHIPPED.replace("volume_window = 20", "volume_window = 251"), "volume_window is 251; it must be a number"),
        (SHIPPED.replace("large_gap", "larger_gap"), "unknown rule 'larger_gap'"),
        (f"{'a' * 2000} = 1", "unknown key"),
        (f"validated_from = {'9' * 5000}", "is not TOML"),
        (f"volume_window = 0x{'f' * 5000}\n[rules]\nlarge_gap = {{}}", "is not TOML"),
        (f"a = {'[' * 5000}", "is not TOML"),
    ],
    ids=["nothing", "no TOML", "penalty", "window", "rule", "key", "digits", "hex", "nested"],
)
async def test_what_is_no_rules_file_is_refused_at_once(client: Client, rules: str, says: str) -> None:
    answer = await _refused(client, rules)
    refused = answer.refusal()
    assert (answer.status, refused.code, refused.parameter) == (422, "invalid_parameter", "rules")
    assert says in refused.message
    assert len(refused.message) < 500


@pytest.mark.parametrize("site", ["cross-site", "same-site", "rubbish"])
async def test_a_page_of_another_site_cannot_start_it(client: Client, site: str) -> None:
    answer = await _refused(client, SHIPPED, Sec_Fetch_Site=site)
    assert (answer.status, answer.refusal().code) == (403, "cross_site")


async def test_where_nothing_is_projected_it_says_so(database_url: str) -> None:
    async with served(database_url) as client:
        answer = await client.ask(_target(SHIPPED))
    assert (answer.status, answer.refusal().code) == (503, "nothing_projected")


async def test_what_stops_the_projector_stops_it_with_the_same_words(
    replayed: str, ingest_pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    await archive_all(ingest_pool, [range_response("CALM", b'{"results":{"o":1}}')])
    await owner.execute("UPDATE projection.generation SET checkpoint = 3")
    async with served(replayed) as client:
        answer = await client.ask(_target(SHIPPED))
        assert (answer.status, answer.refusal().code) == (500, "dry_run_failed")
        assert answer.refusal().message.startswith("payload 3 cannot be decoded (")
        await owner.execute("ALTER TABLE projection.bar RENAME quality_score TO score")
        await owner.execute("UPDATE projection.generation SET checkpoint = 2")
        answer = await client.ask(_target(SHIPPED))
        assert (answer.status, answer.refusal().code) == (500, "dry_run_failed")
        assert "another shape" in answer.refusal().message
