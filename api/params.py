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

from api.errors import InvalidParameter, MissingParameter, UnknownParameter

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

Instant = Annotated[
    dt.datetime,
    Meta(
        tz=True,
        description="An instant with its offset, as RFC 3339 writes it; a + in a URL is written %2B.",
        examples=["2026-11-20T21:00:00Z"],
    ),
]


class NoParams(msgspec.Struct, frozen=True):
    """The parameters of a route that takes none."""


def read_params(request: Request, kind: type[P], *, ignore_unknown: bool = False) -> P:
    """Return the request's path and query parameters as `kind`.

    Raises: UnknownParameter; MissingParameter; InvalidParameter for a value out of its bound, or one given twice.
    """
    path, query = request.path_params, request.query_params
    types = parameter_types(kind)
    values = {name: _read(name, text, types[name]) for name, text in path.items()}
    for name in query:
        if name not in types or name in path:
            if ignore_unknown:
                continue
            raise UnknownParameter(name, tuple(known for known in types if known not in path))
        texts = query.getlist(name)
        if len(texts) > 1:
            raise InvalidParameter(name, " and ".join(texts), "must be given once")
        values[name] = _read(name, texts[0], types[name])
    for name in _required(kind):
        if name not in values:
            raise MissingParameter(name)
    fields = _field_names(kind)
    return kind(**{fields[name]: value for name, value in values.items()})


def require_order(start: dt.date | None, end: dt.date | None) -> None:
    """Let a range pass that does not end before it starts.

    Raises: InvalidParameter naming start.
    """
    if start is not None and end is not None and start > end:
        raise InvalidParameter("start", str(start), f"must not be after end, which is {end}")


@cache
def parameter_types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the annotation of each parameter by name; where `X | None` means it may be left out, it is X.

    A field that is renamed (msgspec's `rename`), since `from` is no name in Python, is a parameter by its new name.
    """
    hints = get_type_hints(kind, include_extras=True)
    return {name: _given(hints[field]) for name, field in _field_names(kind).items()}


@cache
def _field_names(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}


@cache
def _required(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.encode_name for field in msgspec.structs.fields(kind) if field.required)


def _given(annotation: Any) -> Any:
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return Annotated[(_given(parts[0]), *parts[1:])]
    if type(None) not in parts:
        return annotation
    (given,) = (part for part in parts if part is not type(None))
    return given


def _read(name: str, text: str, annotation: Any) -> Any:
    item = _item_of(annotation)
    if item is not None:
        return _read_list(name, text.split(","), item, _most_of(annotation))
    try:
        value = msgspec.convert(text, annotation, strict=False)
        # By the lax conversion a number is an instant, too.
        return msgspec.convert(text, annotation).astimezone(dt.UTC) if isinstance(value, dt.datetime) else value
    except (msgspec.ValidationError, OverflowError) as exc:
        raise InvalidParameter(name, text, _bound(inspect.type_info(annotation))) from exc


@cache
def _item_of(annotation: Any) -> Any:
    """Return the annotation of what a list parameter is a list of, None for any other parameter."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_args(annotation)[0] if get_origin(annotation) is list else None


@cache
def _most_of(annotation: Any) -> int | None:
    kind = inspect.type_info(annotation)
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    return kind.max_length if isinstance(kind, inspect.ListType) else None


def _read_list(name: str, texts: list[str], item: Any, most: int | None) -> list[Any]:
    """Return what is separated by commas, of which nothing may be there twice."""
    if most is not None and len(texts) > most:
        raise InvalidParameter(name, f"{len(texts)} values", f"must be at most {most}, separated by commas")
    values = dict.fromkeys(_read(name, text, item) for text in texts)
    if len(values) < len(texts):
        twice = next(text for place, text in enumerate(texts) if text in texts[:place])
        raise InvalidParameter(name, twice, "must be given once")
    return list(values)


def _bound(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return _bound(inner)
        case inspect.DateType():
            return "must be a date that exists, written YYYY-MM-DD"
        case inspect.DateTimeType():
            return "must be an instant with its offset, written YYYY-MM-DDTHH:MM:SSZ"
        case inspect.BoolType():
            return "must be true, false, 1 or 0"
        case inspect.LiteralType(values=values):
            return f"must be one of {', '.join(map(str, values))}"
        case inspect.FloatType(ge=low, le=high):
            return f"must be a number from {low:g} to {high:g}"
        case inspect.IntType(ge=low, le=high):
            return f"must be a whole number from {low} to {high}"
        case inspect.StrType(max_length=longest):
            return f"must be one word of at most {longest} characters"
    raise TypeError(f"a parameter of type {kind} has no bound written for it")
