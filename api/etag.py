"""ETags: a caller who holds an answer of this generation is told so instead of being sent it again.

A tag is made of everything an answer depends on: the software, the generation and its checkpoint, the URL, the format
and coding that the request gets, and what else the route names (the date prices are adjusted to, for one).
"""

import hashlib
from importlib.metadata import version
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from api.formats.representation import representation_of
from api.generation import Generation

# In the scope of a request whose answer has a tag: the generation that the answer is of.
ANSWER_OF: Final = "warehouse.answer_of"

_SOFTWARE = version("market-data-warehouse")


def etag(request: Request, generation: Generation, *facts: object) -> str:
    """Return the tag of the answer to a request in a generation, and leave word of that generation in its scope.

    Beside the generation and the URL, the answer may depend on the quarter of the hour and no other thing: it is kept
    in memory (api/memory.py).
    """
    request.scope[ANSWER_OF] = generation
    depends_on = (
        _SOFTWARE,
        generation.generation_id,
        generation.checkpoint,
        request.url.path,
        request.url.query,
        representation_of(request),
        *facts,
    )
    return f'"{hashlib.sha256(repr(depends_on).encode()).hexdigest()[:32]}"'


def is_held(request: Request, tag: str) -> bool:
    """Tell whether the caller says it holds the answer with this tag.

    Source: RFC 9110 §13.1.2; the comparison is weak, and `*` is not taken for a tag of ours.
    """
    return names_tag(request.headers.get("if-none-match", ""), tag)


def names_tag(if_none_match: str, tag: str) -> bool:
    """Tell whether a header If-None-Match names a tag."""
    return tag in (candidate.strip().removeprefix("W/") for candidate in if_none_match.split(","))


def tagged(tag: str) -> dict[str, str]:
    """Return the headers that let a caller keep an answer but ask each time whether it still stands."""
    return {"ETag": tag, "Cache-Control": "no-cache"}


def not_modified(tag: str) -> Response:
    """Return the answer to a caller who holds it already."""
    return Response(status_code=304, headers=tagged(tag))
