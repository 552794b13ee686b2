"""The application: its lifespan opens the pool, then the route table; nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from api import health, status
from api.bars import historical
from api.docs import docs_routes
from api.errors import RefusedRequest, on_failure, on_http_exception, on_refused
from api.generation import Projection
from api.openapi import openapi_operation
from api.operation import Operation
from api.warehouse import Clock, Warehouse, utc_now
from sql.connect import Role, open_pool

_POOL_SIZE = 8
_STATEMENT_TIMEOUT_S = 10.0

OPERATIONS: tuple[Operation[Any], ...] = (
    health.OPERATION,
    status.OPERATION,
    historical.OPERATION,
)


def create_app(url: str, now: Clock = utc_now) -> Starlette:
    """Return the application that answers from the warehouse at `url`, read only."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Warehouse]]:
        async with open_pool(url, Role.READ, size=_POOL_SIZE, statement_timeout_s=_STATEMENT_TIMEOUT_S) as pool:
            yield {"warehouse": Warehouse(Projection(pool), now)}

    operations = (*OPERATIONS, openapi_operation(OPERATIONS))
    app = Starlette(
        routes=[*(operation.route() for operation in operations), *docs_routes()],
        exception_handlers={
            RefusedRequest: on_refused,
            HTTPException: on_http_exception,
            Exception: on_failure,
        },
        lifespan=lifespan,
    )
    # A path with a slash too many is an unknown path; every route has one address.
    app.router.redirect_slashes = False
    return app
