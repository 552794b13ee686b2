"""A dialect: how the routes that speak another API's language differ from ours.

They ignore parameters they do not know, since that API's clients send them, and their errors have that API's shape.
Knows no vendor.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.errors import ErrorAnswer, ErrorDetail

Handler = Callable[[Request, Exception], Awaitable[Response]]


class Dialect(msgspec.Struct, frozen=True):
    """The language of paths that begin with one of `prefixes`.

    `translate` makes of a status and an error of ours the status and the body, an `error`, that the caller gets.
    `in_examples` are the fields of a body that are new in every answer, as the OpenAPI document has them.
    """

    prefixes: tuple[str, ...]
    error: type[msgspec.Struct]
    translate: Callable[[int, ErrorDetail], tuple[int, msgspec.Struct]]
    in_examples: Mapping[str, object] = {}

    def speaks(self, path: str) -> bool:
        """Tell whether a path is one of this language."""
        return path.startswith(self.prefixes)


def in_dialects(handler: Handler, dialects: Sequence[Dialect]) -> Handler:
    """Return an exception handler whose answers are in the language of the path that was asked for."""

    async def handle(request: Request, exc: Exception) -> Response:
        return translated(request.url.path, await handler(request, exc), dialects)

    return handle


def translated(path: str, refusal: Response, dialects: Sequence[Dialect]) -> Response:
    """Return an error answer of ours in the language of a path; its headers stay."""
    dialect = next((dialect for dialect in dialects if dialect.speaks(path)), None)
    if dialect is None:
        return refusal
    detail = msgspec.json.decode(refusal.body, type=ErrorAnswer).error
    status, body = dialect.translate(refusal.status_code, detail)
    return json_answer(body, _kept(refusal.headers), status)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("content-length", "content-type")}
