"""The application: its lifespan opens the pool, then the route table; nothing else."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from api import health, status
from api.bars.routes import BARS_OPERATIONS
from api.dialect import in_dialects
from api.errors import RefusedRequest, on_failure, on_http_exception, on_refused
from api.generation import Projection
from api.memory import Memory
from api.openapi import openapi_operation
from api.operation import Operation
from api.overview.routes import OVERVIEW_OPERATIONS
from api.pages import pages_routes
from api.polygon.dialect import POLYGON
from api.polygon.routes import POLYGON_OPERATIONS
from api.records.aside import Aside
from api.records.routes import RECORDS_OPERATIONS
from api.replay import dry_run
from api.replay.process import Replays
from api.settings import cache_bytes
from api.udf.dialect import UDF
from api.udf.routes import UDF_OPERATIONS
from api.warehouse import Clock, Warehouse, utc_now
from api.watch import fresh, ready
from api.watch.facts import Watch
from api.watch.scrape import metrics_routes
from api.watch.settings import WatchSettings
from sql.connect import Role, open_pool

_POOL_SIZE = 8
_STATEMENT_TIMEOUT_S = 10.0

OPERATIONS: tuple[Operation[Any], ...] = (
    *BARS_OPERATIONS,
    *OVERVIEW_OPERATIONS,
    *RECORDS_OPERATIONS,
    dry_run.OPERATION,
    status.OPERATION,
    health.OPERATION,
    ready.OPERATION,
    fresh.OPERATION,
    *POLYGON_OPERATIONS,
    *UDF_OPERATIONS,
)
DIALECTS = (POLYGON, UDF)


def create_app(url: str, now: Clock = utc_now) -> Starlette:
    """Return the application that answers from the warehouse at `url`, read only."""
    watch = Watch(WatchSettings.from_environ())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with _pool(url) as pool, _pool(url, repeats=True) as quick:
            warehouse = Warehouse(Projection(pool, quick), now)
            yield {"warehouse": warehouse, "watch": watch, "aside": Aside(url), "replays": Replays(url)}

    operations = (*OPERATIONS, openapi_operation(OPERATIONS))
    app = Starlette(
        routes=[*(operation.route() for operation in operations), *pages_routes(), *metrics_routes()],
        exception_handlers={
            RefusedRequest: in_dialects(on_refused, DIALECTS),
            HTTPException: in_dialects(on_http_exception, DIALECTS),
            Exception: in_dialects(on_failure, DIALECTS),
        },
        middleware=[Middleware(Memory, most_bytes=cache_bytes())],
        lifespan=lifespan,
    )
    # A path with a slash too many is an unknown path; every route has one address.
    app.router.redirect_slashes = False
    return app


def _pool(url: str, *, repeats: bool = False) -> AbstractAsyncContextManager[asyncpg.Pool]:
    return open_pool(url, Role.READ, size=_POOL_SIZE, statement_timeout_s=_STATEMENT_TIMEOUT_S, repeats=repeats)
