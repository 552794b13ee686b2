"""What a request says of a tabular answer: which layout in JSON, which columns; for every operation that has `rows`.

An operation's own params struct says nothing of it: `with_tabular` gives it both parameters, and what was asked for
travels with the request to `answer_rows`.
"""

from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request

_ASKED = "warehouse.tabular"

P = TypeVar("P", bound=Struct)
Layout = Literal["rows", "columns"]


class Tabular(Struct, frozen=True):
    """How the rows of an answer are asked for; `columns` is None for all of them."""

    layout: Layout
    columns: tuple[str, ...] | None


def remember_tabular(request: Request, params: Any) -> None:
    """Keep with a request what its parameters, made by `with_tabular`, say of the rows."""
    columns = None if params.columns is None else tuple(params.columns)
    request.scope[_ASKED] = Tabular(params.layout, columns)


def tabular_of(request: Request) -> Tabular:
    """Return what a request to an operation that has `rows` says of them."""
    asked: Tabular = request.scope[_ASKED]
    return asked


@cache
def row_kind(answer: type[Struct], field: str) -> type[Struct]:
    """Return the struct of the rows that an answer has in a field of type list[row]."""
    annotation = get_type_hints(answer)[field]
    if get_origin(annotation) is not list:
        raise TypeError(f"{answer.__name__}.{field} must be list[row], not {annotation}")
    kind: type[Struct] = get_args(annotation)[0]
    return kind


def with_tabular(params: type[P], row: type[Struct]) -> type[P]:
    """Return a parameters' struct that has `layout` and `columns` as well, for rows of the struct `row`."""
    extended: type[P] = _extended(params, row)
    return extended


@cache
def _extended(params: type[Struct], row: type[Struct]) -> Any:
    names = row.__struct_fields__
    columns = Annotated[
        list[Literal[names]],  # type: ignore[valid-type]
        Meta(
            description="The columns, in the order wanted, separated by commas; without it, all.",
            min_length=1,
            examples=[list(names[:2])],
        ),
    ]
    layout = Annotated[Layout, Meta(description="In JSON: a row an object, or a column an array.")]
    return msgspec.defstruct(
        params.__name__,
        [("layout", layout, "rows"), ("columns", columns | None, None)],
        bases=(params,),
        module=params.__module__,
        frozen=True,
        kw_only=True,
    )
