"""GET /ready: whether this server can answer: the database is there, migrated, and has a projection we can read."""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import ForeignProjection, RefusedRequest
from api.generation import Generation
from api.operation import Operation
from api.params import NoParams
from api.warehouse import Warehouse, warehouse_of
from api.watch.check import Check, passed
from api.watch.patience import DATABASE_ERRORS, WITHIN_S
from project.generation import SHAPE
from sql import load_queries
from sql.migrate import Migration, read_migrations

_MIGRATE = load_queries("migrate.sql")
_HAS_LEDGER, _APPLIED = _MIGRATE["has_ledger"], _MIGRATE["applied_migrations"]
_QUERIES = load_queries("api_watch.sql")
_ANSWERS, _SHAPE = _QUERIES["answers"], _QUERIES["projection_shape"]

_NOT_READY = 503


class Readiness(Struct, frozen=True):
    """Whether this server can answer, and why not."""

    status: Annotated[Literal["ready", "not_ready"], Meta(description="not_ready where a check failed.")]
    checks: list[Check]


async def ready(request: Request, params: NoParams) -> Response:
    """Answer whether this server can answer for the warehouse."""
    checks = await _read_checks(warehouse_of(request))
    if passed(checks):
        return json_answer(Readiness("ready", checks))
    return json_answer(Readiness("not_ready", checks), status=_NOT_READY)


async def _read_checks(warehouse: Warehouse) -> list[Check]:
    try:
        async with asyncio.timeout(WITHIN_S):
            async with warehouse.projection.pool.acquire() as connection:
                await connection.fetchval(_ANSWERS)
                migrations = await check_migrations(connection)
            projection = await _check_projection(warehouse)
    except DATABASE_ERRORS as exc:
        return [_away(exc)]
    return [Check("database", "ok", None, None, "the database answers"), migrations, projection]


def _away(exc: Exception) -> Check:
    why = f"does not answer within {WITHIN_S:g} s" if isinstance(exc, TimeoutError) else "cannot be reached"
    todo = "start it, or see its log; the API finds it by itself once it is back"
    return Check("database", "failed", type(exc).__name__, None, f"the database {why}", todo)


async def check_migrations(connection: asyncpg.Connection) -> Check:
    """Return whether the migrations of this software, and no others, are applied."""
    return _compare_migrations(await _applied(connection), _own_migrations())


@cache
def _own_migrations() -> list[Migration]:
    return read_migrations()


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    """Return the checksums of the applied migrations by name."""
    if not await connection.fetchval(_HAS_LEDGER):
        return {}
    return {row["name"]: row["checksum"] for row in await connection.fetch(_APPLIED)}


def _compare_migrations(applied: Mapping[str, str], own: list[Migration]) -> Check:
    newest, bound = max(applied, default=None), own[-1].name
    wanted = {migration.name: migration.checksum for migration in own}
    if missing := sorted(wanted.keys() - applied.keys()):
        found, todo = f"{', '.join(missing)} is not applied", "run: ops migrate; every other command applies it, too"
    elif unknown := sorted(applied.keys() - wanted.keys()):
        found, todo = f"{', '.join(unknown)} is of a newer version of this software", "update this software, restart it"
    elif edited := sorted(name for name in wanted if wanted[name] != applied[name]):
        found, todo = f"{', '.join(edited)} was edited after it was applied", "install an unaltered version"
    else:
        return Check("migrations", "ok", newest, bound, "all migrations are applied")
    return Check("migrations", "failed", newest, bound, found, todo)


async def _check_projection(warehouse: Warehouse) -> Check:
    async def read(connection: asyncpg.Connection, generation: Generation) -> Check:
        if await connection.fetchval(_SHAPE) != SHAPE:
            raise ForeignProjection
        message = "the projection has the tables of this software"
        return Check("projection", "ok", str(generation.generation_id), None, message)

    try:
        return await warehouse.projection.read(read)
    except RefusedRequest as refused:
        found, _, todo = str(refused).partition("; ")
        return Check("projection", "failed", refused.code, None, found, todo or None)


_OK = [
    Check("database", "ok", None, None, "the database answers"),
    Check("migrations", "ok", "0004_add_otc.sql", "0004_add_otc.sql", "all migrations are applied"),
    Check(
        "projection",
        "ok",
        "6f2c1d0e-8a54-4c0b-9a41-3f7f0b8f5e11",
        None,
        "the projection has the tables of this software",
    ),
]

OPERATION = Operation(
    path="/ready",
    summary="Can the server answer",
    description=(
        "200 where the database answers, every migration of this software is applied, and the projection has its "
        "tables; else 503 with the same answer, which says what to do."
    ),
    params=NoParams,
    answer=Readiness,
    example=Readiness("ready", _OK),
    handle=ready,
    also={
        _NOT_READY: Readiness(
            "not_ready",
            [
                *_OK[:2],
                Check("projection", "failed", "nothing_projected", None, "nothing is projected yet", "run: project"),
            ],
        )
    },
    tags=("Operations",),
)
