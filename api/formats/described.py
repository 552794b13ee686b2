"""What the OpenAPI document says of tabular answers: their formats, the headers with their facts, and their parts."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from api.errors import InvalidParameter, NotAcceptable, RangeNotSatisfiable, RefusedRequest
from api.formats.csv import CsvWriter
from api.formats.ndjson import NdjsonWriter
from api.formats.outline import Outline, Writer
from api.formats.representation import MEDIA_TYPES, Format
from api.formats.tabular import row_kind

Json = dict[str, Any]

_TEXTS: Mapping[Format, Callable[[Outline], Writer]] = {Format.CSV: CsvWriter, Format.NDJSON: NdjsonWriter}
_BYTES: Json = {"type": "string", "format": "binary"}

SUFFIXES = (
    " Also as CSV, NDJSON, Arrow IPC stream or Parquet: by Accept, or by a suffix of the path, which wins: .json, "
    ".csv, .ndjson, .arrow or .parquet. If-None-Match is answered with 304 where there is an ETag, Range with 206."
)
TABULAR_ERRORS: tuple[RefusedRequest, ...] = (
    InvalidParameter("columns", "colour", "must be one of the columns of the rows"),
    NotAcceptable("text/html", tuple(MEDIA_TYPES.values())),
    RangeNotSatisfiable("bytes=99999-", 2048),
)
HEADERS: Json = {
    "ETag": {"description": "Send it as If-None-Match.", "schema": {"type": "string"}},
    "Vary": {"description": "The headers of the request that the answer depends on.", "schema": {"type": "string"}},
    "Link": {
        "description": 'The next page, as </path?query>; rel="next"; absent on the last.',
        "schema": {"type": "string"},
    },
    "X-Generation": {
        "description": "The generation the answer comes from: <generation_id>; checkpoint=<archive_seq>.",
        "schema": {"type": "string"},
    },
    "X-Coverage": {
        "description": "The coverage of the answer as JSON, with numbers in place of its lists.",
        "schema": {"type": "string"},
    },
    "Accept-Ranges": {"description": "bytes, but none where the answer is streamed.", "schema": {"type": "string"}},
    "Content-Range": {"description": "Which of the bytes these are, of how many.", "schema": {"type": "string"}},
}
_OF_WHOLE = ("Vary", "Link", "X-Generation", "X-Coverage", "Accept-Ranges")


def header_references(*names: str) -> Json:
    """Return headers of an answer that are described once for all."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def tabular_responses(schema: Json, example: Any, field: str) -> Json:
    """Return the answers of a tabular operation: whole in every format, and a part of one."""
    content: Json = {Format.JSON.media_type: {"schema": schema, "example": msgspec.to_builtins(example)}}
    for each in (Format.CSV, Format.NDJSON, Format.ARROW, Format.PARQUET):
        kind = _TEXTS.get(each)
        content[each.media_type] = {"schema": _BYTES}
        if kind is not None:
            content[each.media_type] = {"schema": {"type": "string"}, "example": _text(kind, example, field)}
    return {
        "200": {"description": "The answer.", "headers": header_references(*_OF_WHOLE), "content": content},
        "206": {
            "description": "The part of the answer that Range asks for.",
            "headers": header_references(*_OF_WHOLE, "Content-Range"),
            "content": {"*/*": {"schema": _BYTES}},
        },
    }


def loosen(schemas: Json, answer: Json, field: str) -> None:
    """Say in the schemas of an answer, given by reference, and of its rows what `layout` and `columns` make of them."""
    properties = _named(schemas, answer)["properties"]
    by_rows = properties[field]
    described = _named(schemas, by_rows["items"])
    described.pop("required", None)
    by_columns = {
        "type": "object",
        "description": "With layout=columns.",
        "properties": {
            name: {"type": "array", "items": _plain(items)} for name, items in described["properties"].items()
        },
    }
    about = {"description": by_rows.pop("description")} if "description" in by_rows else {}
    properties[field] = {**about, "anyOf": [by_rows, by_columns]}


def _named(schemas: Json, reference: Json) -> Json:
    schema: Json = schemas[reference["$ref"].rpartition("/")[2]]
    return schema


def _plain(schema: Json) -> Json:
    return {name: value for name, value in schema.items() if name not in ("description", "examples")}


def _text(kind: Callable[[Outline], Writer], example: Any, field: str) -> str:
    rows = getattr(example, field)
    answer: type[Struct] = type(example)
    row = row_kind(answer, field)
    writer: Writer = kind(Outline(row, row.__struct_fields__, example, field))
    return b"".join((writer.start(), writer.write(rows), writer.finish())).decode()
