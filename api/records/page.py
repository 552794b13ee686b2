"""Pages of a list that the projection holds in order of a key: what they are asked for with, and how one is read.

A page begins after the row whose key its cursor holds, so rows that come or go before it shift nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import asyncpg
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.cursor import decode_cursor, encode_cursor
from api.etag import etag, is_held, not_modified, tagged
from api.formats.answer import answer_rows
from api.generation import Generation
from api.warehouse import warehouse_of
from sql import load_queries

_PLAN_EACH_PAGE = load_queries("api_records.sql")["plan_each_page"]

Direction = Literal["asc", "desc"]
Limit = Annotated[
    int, Meta(ge=1, le=50_000, description="How many rows at most; next_cursor leads on to the rest.", examples=[1000])
]
NextCursor = Annotated[str | None, Meta(description="What to send as cursor for the next page; null on the last.")]

E = TypeVar("E", bound=Struct)


class Page(Struct, frozen=True):
    """Some rows of a list, and the cursor of those that follow."""

    rows: list[asyncpg.Record]
    next_cursor: str | None


class KeysetList(Struct, frozen=True):
    """A list in order of a key that no two rows share.

    Both statements take the list's filters, then the key of the row before, then how many rows at most.
    """

    name: str
    ascending: str
    descending: str
    key: tuple[str, ...]
    types: tuple[Any, ...]

    async def page(
        self, connection: asyncpg.Connection, *filters: object, order: Direction, limit: int, cursor: str | None
    ) -> Page:
        """Return the page after a cursor, the first one where it is None; within a transaction.

        Raises: InvalidParameter for a cursor that is not of this list in this order.
        """
        of = f"{self.name} {order}"
        after = [None] * len(self.key) if cursor is None else decode_cursor(cursor, self.types, of=of)
        statement = self.ascending if order == "asc" else self.descending
        await connection.fetchrow(_PLAN_EACH_PAGE)
        rows = await connection.fetch(statement, *filters, *after, limit + 1)
        if len(rows) <= limit:
            return Page(rows, None)
        return Page(rows[:limit], encode_cursor(*(rows[limit - 1][name] for name in self.key), of=of))


async def answer_page(
    request: Request, field: str, read: Callable[[asyncpg.Connection, Generation], Awaitable[E]]
) -> Response:
    """Answer with what `read` makes of one generation, its rows being in `field`; with 304 to a caller who holds it.

    Raises: what `read` raises, and READ_ERRORS.
    """

    async def read_unless_held(connection: asyncpg.Connection, generation: Generation) -> tuple[str, E | None]:
        tag = etag(request, generation)
        return tag, None if is_held(request, tag) else await read(connection, generation)

    tag, found = await warehouse_of(request).projection.read(read_unless_held)
    if found is None:
        return not_modified(tag)
    return await answer_rows(request, found, field, getattr(found, field), headers=tagged(tag))
