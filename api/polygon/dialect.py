"""Polygon's language: the envelope of its errors, and how ours are told in it.

Source: polygon.md §2, errors as captured; the text stands in `message` where nothing was found or allowed, else in
`error`.
"""

from typing import Annotated
from uuid import uuid4

from msgspec import UNSET, Meta, Struct, UnsetType

from api.dialect import Dialect
from api.errors import ErrorDetail, InvalidParameter

_NOT_ENTITLED, _NOT_FOUND = 403, 404
_BAD_REQUEST = 400
# What programs compare with, by the code of our error.
_TEXTS = {"missing_key": "API Key was not provided", "unknown_key": "Unknown API Key"}


class PolygonError(Struct, frozen=True):
    """The body of an error on the routes that Polygon's clients ask."""

    status: Annotated[str, Meta(description="ERROR, NOT_FOUND or NOT_AUTHORIZED.")]
    request_id: str
    error: Annotated[str | UnsetType, Meta(description="What went wrong.")] = UNSET
    message: Annotated[str | UnsetType, Meta(description="What was not found, or is not allowed.")] = UNSET


def new_request_id() -> str:
    """Return an id for one answer; nothing is kept under it."""
    return uuid4().hex


def _translate(status: int, detail: ErrorDetail) -> tuple[int, PolygonError]:
    request_id = new_request_id()
    if status == _NOT_FOUND:
        return status, PolygonError("NOT_FOUND", request_id, message=detail.message)
    if status == _NOT_ENTITLED:
        return status, PolygonError("NOT_AUTHORIZED", request_id, message=detail.message)
    return (_BAD_REQUEST if status == InvalidParameter.status else status), PolygonError(
        "ERROR", request_id, error=_TEXTS.get(detail.code, detail.message)
    )


POLYGON = Dialect(
    ("/v1/", "/v2/", "/v3/", "/vX/", "/stocks/v1/"),
    PolygonError,
    _translate,
    in_examples={"request_id": "f1b0a7f6d0d94c38a33c7d3b3d6f5f7e"},
)
