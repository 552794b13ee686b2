"""An operation: one route that is read with GET, and everything there is to say about it, in one value.

The router and the OpenAPI document are both made from it, so neither can know a route the other does not.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.errors import RefusedRequest
from api.params import read_params

P = TypeVar("P", bound=msgspec.Struct)


class Operation(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A route: its parameters' struct, the type of its answer with an example, and how it may refuse.

    `errors` are examples, one of each kind that is the route's own; what any route may answer is not repeated.
    `tagged` says whether the answer carries an ETag. `rows` is the field of a tabular answer that holds its rows.
    `tags` are the groups that the document shows it in.
    """

    path: str
    summary: str
    description: str
    params: type[P]
    answer: Any
    example: object
    handle: Callable[[Request, P], Awaitable[Response]]
    errors: tuple[RefusedRequest, ...] = ()
    tagged: bool = False
    rows: str | None = None
    tags: tuple[str, ...] = ("Native",)

    @property
    def name(self) -> str:
        """The operation's identifier: its handler's name."""
        return self.handle.__name__

    def route(self) -> Route:
        """Return the route that reads the parameters and calls the handler."""

        async def endpoint(request: Request) -> Response:
            return await self.handle(request, read_params(request, self.params))

        return Route(self.path, endpoint, methods=["GET"], name=self.name)
