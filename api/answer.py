"""Answers: a document as JSON bytes with its headers. Knows no route and no database."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder()
ANSWER_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_answer(document: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return a document as JSON; it is not to be stored unless `headers` say otherwise. NaN is written as null."""
    return json_bytes_answer(_ENCODER.encode(document), headers, status)


def json_bytes_answer(body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return bytes that are JSON already."""
    return Response(body, status, {**ANSWER_HEADERS, **(headers or {})}, media_type="application/json")
