"""Parameters: the path and query of a request as one frozen, typed struct, or a clear refusal.

The struct's annotations are all there is to say about a parameter: they are what is parsed here, what the bound in a
refusal is written from, and what the OpenAPI document shows. Knows no route and no database.
"""

import datetime as dt
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, inspect
from starlette.requests import Request

from api.errors import InvalidParameter, UnknownParameter

P = TypeVar("P", bound=msgspec.Struct)

Symbol = Annotated[
    str,
    Meta(
        description="The symbol, case-sensitive: BCpC and BCPC are different securities.",
        examples=["AAPL"],
        max_length=64,
        # PostgreSQL cannot take a NUL, and no exchange has a symbol with a space or a control character in it.
        pattern=r"^[^\x00-\x20\x7f]+$",
    ),
]
FirstDate = Annotated[
    dt.date, Meta(description="First date, inclusive; without it, all there is.", examples=["2014-06-01"])
]
LastDate = Annotated[
    dt.date, Meta(description="Last date, inclusive; without it, all there is.", examples=["2014-06-30"])
]


class NoParams(msgspec.Struct, frozen=True):
    """The parameters of a route that takes none."""


def read_params(request: Request, kind: type[P]) -> P:
    """Return the request's path and query parameters as `kind`.

    Raises: UnknownParameter; InvalidParameter for a value out of its bound, or one that is given twice.
    """
    path, query = request.path_params, request.query_params
    types = parameter_types(kind)
    values = {name: _read(name, text, types[name]) for name, text in path.items()}
    for name in query:
        if name not in types or name in path:
            raise UnknownParameter(name, tuple(known for known in types if known not in path))
        texts = query.getlist(name)
        if len(texts) > 1:
            raise InvalidParameter(name, " and ".join(texts), "must be given once")
        values[name] = _read(name, texts[0], types[name])
    return kind(**values)


def require_order(start: dt.date | None, end: dt.date | None) -> None:
    """Let a range pass that does not end before it starts.

    Raises: InvalidParameter naming start.
    """
    if start is not None and end is not None and start > end:
        raise InvalidParameter("start", str(start), f"must not be after end, which is {end}")


@cache
def parameter_types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the annotation of each parameter by name; where `X | None` means it may be left out, it is X."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: _given(annotation) for name, annotation in hints.items()}


def _given(annotation: Any) -> Any:
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated or type(None) not in parts:
        return annotation
    (given,) = (part for part in parts if part is not type(None))
    return given


def _read(name: str, text: str, annotation: Any) -> Any:
    try:
        return msgspec.convert(text, annotation, strict=False)
    except msgspec.ValidationError as exc:
        raise InvalidParameter(name, text, _bound(inspect.type_info(annotation))) from exc


def _bound(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return _bound(inner)
        case inspect.DateType():
            return "must be a date that exists, written YYYY-MM-DD"
        case inspect.BoolType():
            return "must be true, false, 1 or 0"
        case inspect.LiteralType(values=values):
            return f"must be one of {', '.join(map(str, values))}"
        case inspect.FloatType(ge=low, le=high) | inspect.IntType(ge=low, le=high):
            return f"must be a number from {low:g} to {high:g}"
        case inspect.StrType(max_length=longest):
            return f"must be one word of at most {longest} characters"
    raise TypeError(f"a parameter of type {kind} has no bound written for it")
