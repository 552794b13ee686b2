"""Audits over HTTP, against what the command tells of the same warehouse."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from project.rebuild import rebuild
from tests.api.records.archived import DAY, NEXT_DAY
from tests.api.records.conftest import now
from tests.api.records.walk import walk
from tests.api.served import Answer, Client, served
from tests.command import run_command
from tests.payloads import archive_all, bar, grouped_response, range_response
from tests.project.random_archive import NO_SESSION, small_ruleset

COUNTS = ("payloads", "raw_rows", "current", "superseded", "revised", "repeated", "rejected", "validated", "missing")


def _told(row: dict[str, Any], of: str) -> tuple[str, str, str, int, tuple[str, ...]]:
    failed = row["failed_rules"] if of == "symbol" else [verdict["rule"] for verdict in row["failed"]]
    return row["kind"], row[of] or "", row["detail"], row["archive_seq"], tuple(failed)


async def test_an_audit_of_a_session_is_what_the_command_tells(
    records: Client, records_environ: dict[str, str]
) -> None:
    told = msgspec.json.decode(run_command(records_environ, "audit", str(DAY), "--json").stdout)
    answer = (await records.ask(f"/api/v1/audit/{DAY}")).json
    for name in ("session", "is_session", "checked", *COUNTS):
        assert answer[name] == told[name], name
    assert answer["raw_rows"] == answer["current"] + answer["superseded"] + answer["rejected"]
    assert answer["generation"] == {name: told[name] for name in ("generation_id", "checkpoint", "ruleset_hash")}
    assert answer["found"] == answer["count"] == len(told["differences"]) == 8
    ours = [_told(row, "symbol") for row in answer["differences"]]
    assert sorted(ours) == sorted(_told(row, "ticker") for row in told["differences"])


async def test_an_audit_of_a_bar_is_what_the_command_tells(records: Client, records_environ: dict[str, str]) -> None:
    told = msgspec.json.decode(run_command(records_environ, "audit", str(DAY), "AAPL", "--json").stdout)
    assert (await records.ask(f"/api/v1/audit/AAPL/{DAY}")).json == told
    assert len(told["said"]) == 5


async def test_differences_are_found_by_kind_and_rule(records: Client) -> None:
    for query, symbols in (
        ("kind=rejected", ["AAPL", "A\\u0000B", "LOST", "ZVZZT"]),
        ("kind=restated", ["AAPL", "AAPL", "AAPL"]),
        ("rule=large_gap", ["AAPL"]),
        ("rule=large_gap&kind=rejected", []),
        ("rule=volume_anomaly", []),
        ("kind=overridden", []),
    ):
        answer = (await records.ask(f"/api/v1/audit/{DAY}?{query}")).json
        assert [row["symbol"] for row in answer["differences"]] == symbols, query
        assert (answer["found"], answer["raw_rows"]) == (len(symbols), 9)
    overridden = (await records.ask(f"/api/v1/audit/{NEXT_DAY}?kind=overridden")).json["differences"]
    assert [row["detail"] for row in overridden] == ["accept by kim: checked"]


async def test_pages_of_differences_hold_each_exactly_once(records: Client) -> None:
    whole = (await records.ask(f"/api/v1/audit/{DAY}")).json["differences"]
    assert await walk(records, f"/api/v1/audit/{DAY}", "differences", 3) == whole


async def test_differences_are_a_table_too(records: Client) -> None:
    lines = (await records.ask(f"/api/v1/audit/{DAY}.csv")).body.decode().splitlines()
    assert lines[0] == "symbol,kind,detail,failed_rules,archive_seq"
    assert len(lines) == 9


async def test_a_table_of_differences_is_whole_however_many_there_are(
    database_url: str, ingest_pool: asyncpg.Pool, project_pool: asyncpg.Pool
) -> None:
    await archive_all(ingest_pool, [grouped_response(DAY, [bar(DAY, ticker="BAD") | {"c": "null"}] * 10_001)])
    await rebuild(project_pool, small_ruleset(), now)
    async with served(database_url) as client:
        answer = await client.ask(f"/api/v1/audit/{DAY}.csv")
    assert len(answer.body.splitlines()) == 1 + 10_001
    assert "link" not in answer.headers


async def test_a_date_that_is_no_session_has_nothing_to_tell(records: Client) -> None:
    for day in (NO_SESSION, "0001-01-01", "9999-12-31"):
        answer = (await records.ask(f"/api/v1/audit/{day}")).json
        assert (answer["is_session"], answer["raw_rows"], answer["differences"]) == (False, 0, [])
    assert (await records.ask(f"/api/v1/audit/AAPL/{NO_SESSION}")).json["bar"] is None


@pytest.mark.parametrize(
    ("target", "status", "parameter"),
    [
        ("NOPE/2023-12-26", 404, "symbol"),
        ("AAPL/2023-02-30", 422, "date"),
        ("2023-02-30", 422, "date"),
        ("20231226", 422, "date"),
        ("2023-12-26?kind=wrong", 422, "kind"),
        ("2023-12-26?rule=wrong", 422, "rule"),
        ("2023-12-26?limit=0", 422, "limit"),
        ("2023-12-26?cursor=wrong", 422, "cursor"),
        ("AAPL/2023-12-26?kind=flagged", 422, "kind"),
    ],
)
async def test_what_cannot_be_audited_is_refused(records: Client, target: str, status: int, parameter: str) -> None:
    answer = await records.ask(f"/api/v1/audit/{target}")
    assert (answer.status, answer.refusal().parameter) == (status, parameter)


async def test_more_audits_than_may_wait_are_refused_and_the_others_made(records: Client) -> None:
    answers: list[Answer] = await asyncio.gather(*(records.ask(f"/api/v1/audit/AAPL/{DAY}") for _ in range(12)))
    made = [answer for answer in answers if answer.status == 200]
    assert len(made) >= 8
    assert {answer.body for answer in made} == {made[0].body}
    refused = [answer for answer in answers if answer.status != 200]
    assert all((each.refusal().code, each.headers["retry-after"]) == ("too_busy", "3") for each in refused)
    assert (await records.ask(f"/api/v1/audit/AAPL/{DAY}")).status == 200


async def test_a_table_that_is_not_what_the_payloads_say_fails_its_audit(
    database_url: str,
    ingest_pool: asyncpg.Pool,
    project_pool: asyncpg.Pool,
    tamper: Callable[[str], Awaitable[None]],
) -> None:
    await archive_all(ingest_pool, [range_response("AAPL", [bar(DAY)])])
    async with served(database_url) as client:
        assert (await client.ask(f"/api/v1/audit/{DAY}")).refusal().code == "nothing_projected"
        await rebuild(project_pool, small_ruleset(), now)
        assert (await client.ask(f"/api/v1/audit/{DAY}")).json["current"] == 1
        await tamper("UPDATE projection.bar SET close = 11")
        for target in (str(DAY), f"AAPL/{DAY}"):
            answer = await client.ask(f"/api/v1/audit/{target}")
            assert (answer.status, answer.refusal().code) == (500, "audit_failed")
            assert f"audit {DAY}: AAPL" in answer.refusal().message
