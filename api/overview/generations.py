"""GET /api/v1/generations: the live generation, the one before, and the next one while it is being built."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import READ_ERRORS
from api.generation import Generation
from api.operation import Operation
from api.params import NoParams
from api.warehouse import warehouse_of
from project.generation import LIVE, NEXT, PREVIOUS, SHAPE
from sql import load_queries

_QUERIES = load_queries("api_overview.sql")
_SCHEMAS = _QUERIES["schemas_of_generations"]
_FACTS = {
    LIVE: _QUERIES["live_generation_facts"],
    NEXT: _QUERIES["next_generation_facts"],
    PREVIOUS: _QUERIES["previous_generation_facts"],
}


class GenerationFacts(Struct, frozen=True):
    """A whole projection: what it is a function of, and what came of it."""

    generation_id: UUID
    schema: Annotated[str, Meta(description="The schema of the database in which it stands now.")]
    ruleset_hash: str
    calendar_version: str
    checkpoint: Annotated[int, Meta(description="The last payload of the archive that is projected.")]
    content_hash: Annotated[str, Meta(description="Of what is believed of prices: equal content, equal hash.")]
    provenance_hash: Annotated[str, Meta(description="Of every row with the payload it came from.")]
    built_at: dt.datetime
    caught_up_at: dt.datetime
    readable: Annotated[bool, Meta(description="Whether its tables have the shape that this software reads.")]


class Generations(Struct, frozen=True):
    """The generations that there are."""

    live: GenerationFacts
    next: Annotated[
        GenerationFacts | None, Meta(description="One that is complete but not live; null while it is being filled.")
    ]
    next_state: Annotated[
        Literal["none", "being_built", "complete"],
        Meta(description="being_built: by a rebuild under way, or left so by one that was killed."),
    ]
    previous: Annotated[
        GenerationFacts | None, Meta(description="What `project --rollback` would make live; null where there is none.")
    ]


async def generations(request: Request, params: NoParams) -> Response:
    """Answer with the generations; one is built beside the live one without touching it, so that no tag stands."""
    return json_answer(await warehouse_of(request).projection.read(_read))


async def _read(connection: asyncpg.Connection, generation: Generation) -> Generations:
    schemas = {row["name"]: row["is_readable"] for row in await connection.fetch(_SCHEMAS)}
    found = {name: await _facts(connection, name) for name, is_readable in schemas.items() if is_readable}
    live = found[LIVE]
    assert live is not None
    following = found.get(NEXT)
    return Generations(
        live=live,
        next=following,
        next_state="none" if NEXT not in schemas else "being_built" if following is None else "complete",
        previous=found.get(PREVIOUS),
    )


async def _facts(connection: asyncpg.Connection, schema: str) -> GenerationFacts | None:
    try:
        async with connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_FACTS[schema])
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        if schema == LIVE:
            raise
        return None  # a rebuild has begun meanwhile, or it was dropped
    if row is None:
        return None
    facts = dict(row)
    shape = facts.pop("shape")
    return GenerationFacts(**facts, schema=schema, readable=shape == SHAPE)


_EXAMPLE_TIME = dt.datetime(2026, 11, 21, 7, 4, 11, tzinfo=dt.UTC)
_EXAMPLE = GenerationFacts(
    generation_id=UUID("6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11"),
    schema="projection",
    ruleset_hash="9f86d081884c7d65…",
    calendar_version="exchange_calendars 4.13.2 XNYS",
    checkpoint=1024,
    content_hash="1b4f0e9851971998…",
    provenance_hash="60303ae22b998861…",
    built_at=_EXAMPLE_TIME,
    caught_up_at=_EXAMPLE_TIME + dt.timedelta(minutes=4),
    readable=True,
)

OPERATION = Operation(
    path="/api/v1/generations",
    summary="The generations of the projection",
    description=(
        "A generation is the archive up to a payload, judged by one ruleset and one calendar. The live one answers; "
        "the next one is built beside it; the previous one can be made live again."
    ),
    params=NoParams,
    answer=Generations,
    example=Generations(live=_EXAMPLE, next=None, next_state="none", previous=None),
    handle=generations,
    errors=READ_ERRORS,
)
