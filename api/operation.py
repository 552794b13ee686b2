"""An operation: one route that is read with GET, and everything there is to say about it, in one value.

The router and the OpenAPI document are both made from it, so neither can know a route the other does not.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.dialect import Dialect
from api.errors import RefusedRequest
from api.formats.coding import coded
from api.formats.ranges import ranged
from api.formats.route import TabularRoute
from api.formats.tabular import remember_tabular, row_kind, with_tabular
from api.params import read_params

P = TypeVar("P", bound=msgspec.Struct)


class Operation(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A route: its parameters' struct, the type of its answer with an example, and how it may refuse.

    `errors` are examples, one of each kind that is the route's own; what any route may answer is not repeated.
    `tagged` says whether the answer carries an ETag. `rows` is the field of a tabular answer that holds its rows.
    `tags` are the groups that the document shows it in. `also` are examples of the answer by the other statuses it has.
    `media_type` is what the answer is sent as where it is no JSON. `dialect` is another API's language that it speaks.
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
    also: Mapping[int, object] = {}
    dialect: Dialect | None = None
    media_type: str = "application/json"

    @property
    def asked(self) -> type[P]:
        """The parameters' struct; a tabular operation's has `layout` and `columns` as well."""
        return self.params if self.rows is None else with_tabular(self.params, row_kind(self.answer, self.rows))

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it: without what the router is told of its parameters."""
        return self.path.replace(":path}", "}")

    @property
    def name(self) -> str:
        """The operation's identifier: its handler's name."""
        return self.handle.__name__

    def route(self) -> Route:
        """Return the route that reads the parameters and calls the handler."""

        asked, is_tabular = self.asked, self.rows is not None

        async def endpoint(request: Request) -> Response:
            params = read_params(request, asked, ignore_unknown=self.dialect is not None)
            if is_tabular:
                remember_tabular(request, params)
            answer = await coded(request, await self.handle(request, params))
            return ranged(request, answer) if is_tabular else answer

        kind = TabularRoute if is_tabular else Route
        route = kind(self.path, endpoint, methods=["GET"], name=self.name)
        # A line break in a path is a character like any other.
        route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
        return route
