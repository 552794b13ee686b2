"""GET /api/v1/runs/{run_id}: one run: what it was to do, what it left in the ledger, and how its parts ended."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import DatabaseUnreachable, QueryTimedOut, UnknownRun
from api.generation import clear_database_errors
from api.operation import Operation
from api.overview.runs import EXAMPLE_RUN, RunRow, run_alive, run_row
from api.warehouse import warehouse_of
from sql import load_queries

_RUNS = load_queries("api_overview.sql")["runs_before"]
_STEPS = load_queries("api_changes.sql")["steps_of_run"]
_WAIT_FOR_CONNECTION_S = 10.0
_SHOWN = 40


class RunParams(Struct, frozen=True):
    """Which run is asked for."""

    run_id: Annotated[
        str,
        Meta(
            description="Its id, whole, as /api/v1/runs has it.",
            examples=["0b7c7c52-5a0c-4a5b-8c41-21f6c2a3c7aa"],
            max_length=36,
            pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        ),
    ]


class Steps(Struct, frozen=True):
    """The parts of a run that ended alike."""

    ending: str | None
    endpoint: str | None
    why: str | None
    steps: int
    subjects: Annotated[list[str | None], Meta(description="The first ten symbols or sessions they were about.")]


class RunFacts(Struct, frozen=True):
    """One run."""

    run: RunRow
    error: Annotated[str | None, Meta(description="Why it failed, in its words; null where it does not say.")]
    plan: Annotated[
        dict[str, Any],
        Meta(description="What it left when it began, but the requests; of long lists the first 40 entries."),
    ]
    result: Annotated[
        dict[str, Any] | None,
        Meta(description="What it left when it ended, but the steps; of long lists the first 40 entries."),
    ]
    steps: Annotated[list[Steps], Meta(description="How its parts ended, those together that ended alike.")]


async def run_facts(request: Request, params: RunParams) -> Response:
    """Answer with one run, which there is whether anything is projected or not."""
    run_id = UUID(params.run_id)
    with clear_database_errors():
        async with warehouse_of(request).projection.pool.acquire(timeout=_WAIT_FOR_CONNECTION_S) as connection:
            alive = await run_alive(connection)
            row = await connection.fetchrow(_RUNS, None, None, None, 1, run_id)
            steps = await connection.fetch(_STEPS, run_id)
    if row is None:
        raise UnknownRun(run_id)
    plan = _facts(row["plan"])
    result = None if row["result"] is None else _facts(row["result"])
    error = (result or {}).get("error")
    told = [Steps(**dict(step)) for step in steps]
    return json_answer(RunFacts(run_row(row, alive), error if isinstance(error, str) else None, plan, result, told))


def _facts(text: str) -> dict[str, Any]:
    """Return what a run left, cut to what a person reads."""
    found = msgspec.json.decode(text)
    return {name: _cut(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _cut(value: object) -> object:
    match value:
        case list():
            return value[:_SHOWN]
        case dict():
            return dict(list(value.items())[:_SHOWN])
        case _:
            return value


OPERATION = Operation(
    path="/api/v1/runs/{run_id}",
    summary="One run",
    description="What a run was to do, what it left in the ledger when it ended, and how each part of it ended.",
    params=RunParams,
    answer=RunFacts,
    example=RunFacts(
        run=EXAMPLE_RUN,
        error=None,
        plan={"universe": "all", "first": "2026-11-20", "last": "2026-11-20", "sessions": 1},
        result={"planned": 4, "requests": 6, "left_to_ask": 0, "elapsed_s": 70.2, "stopped_by": None},
        steps=[Steps("answered", "grouped", None, 3, ["2026-11-20", "2026-11-13", "2026-10-09"])],
    ),
    handle=run_facts,
    errors=(
        UnknownRun(UUID("00000000-0000-4000-8000-000000000000")),
        DatabaseUnreachable(),
        QueryTimedOut(),
    ),
)
