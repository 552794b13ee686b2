"""Restatements over HTTP, against what the command tells of the same warehouse."""

from typing import Any

import msgspec

from project.rows import VALUES
from tests.api.records.archived import DAY, FLAT, GROUPED, HOUR, NEXT_DAY, RANGE, RESTATED
from tests.api.served import Client
from tests.command import run_command
from tests.payloads import FETCHED_AT


def _at(hours: float) -> str:
    return f"{FETCHED_AT + hours * HOUR:%Y-%m-%dT%H:%M:%SZ}"


async def _rows(client: Client, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await client.ask(f"/api/v1/revisions?{query}")).json["revisions"]
    return rows


def _told(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["session"], row["archive_seq"], row["superseded_by"]


async def test_restatements_are_those_that_the_command_tells(records: Client, records_environ: dict[str, str]) -> None:
    told = msgspec.json.decode(run_command(records_environ, "project", "revisions", "--json").stdout)["revisions"]
    assert len(told) == 4
    rows = {_told(row): row for row in await _rows(records)}
    for theirs in told:
        ours = rows.pop(_told(theirs))
        assert ours["symbol"] == theirs["ticker"]
        assert {name: ours[f"old_{name}"] for name in VALUES} == theirs["old"]
        assert {name: ours[f"new_{name}"] for name in VALUES} == theirs["new"]
        for name in ("restated_at", "known_from", "changed"):
            assert ours[name] == theirs[name]
    assert rows == {}


async def test_the_newest_comes_first_and_tells_whether_it_stands(records: Client) -> None:
    day, next_day = str(DAY), str(NEXT_DAY)
    assert [(*_told(row), row["stands"]) for row in await _rows(records)] == [
        (day, RESTATED, FLAT, True),
        (next_day, RANGE, RESTATED, True),
        (day, GROUPED, RESTATED, False),
        (day, RANGE, GROUPED, False),
    ]


async def test_since_and_until_are_instants_of_restating(records: Client) -> None:
    assert [row["superseded_by"] for row in await _rows(records, f"since={_at(2)}")] == [FLAT, RESTATED, RESTATED]
    assert [row["superseded_by"] for row in await _rows(records, f"until={_at(2)}")] == [GROUPED]
    between = await _rows(records, f"since={_at(2)}&until={_at(2.1)}&start={NEXT_DAY}")
    assert [_told(row) for row in between] == [(str(NEXT_DAY), RANGE, RESTATED)]
    refusal = (await records.ask(f"/api/v1/revisions?since={_at(2)}&until={_at(1)}")).refusal()
    assert refusal.parameter == "since"
