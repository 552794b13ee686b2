"""Rows as Arrow columns, typed by the annotations of their struct: what CSV, Arrow and Parquet are written from.

An answer without rows has the same schema as one with them. Text that repeats is left as text: Parquet packs it in a
dictionary by itself, and a dictionary type would come back as a category, which behaves unlike text in pandas.
"""

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa
from msgspec import Struct

from api.formats.outline import Outline
from api.formats.table import Rows, values_of

INSTANT = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())

_TYPES: dict[Any, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    dt.date: pa.date32(),
    dt.datetime: INSTANT,
    list[str]: TEXTS,
    tuple[str, ...]: TEXTS,
}


@lru_cache(maxsize=256)
def schema_of(kind: type[Struct], names: tuple[str, ...]) -> pa.Schema:
    """Return the schema of the named columns."""
    return pa.schema([pa.field(name, *_type_of(kind, name)[:1]) for name in names])


def described_schema_of(outline: Outline) -> pa.Schema:
    """Return the schema with the facts of the envelope, as JSON, in its metadata under `warehouse`."""
    return schema_of(outline.kind, outline.names).with_metadata({"warehouse": outline.facts()})


def batch_of(rows: Rows, kind: type[Struct], names: tuple[str, ...]) -> pa.RecordBatch:
    """Return rows as a batch of the named columns, with null for NaN."""
    return pa.RecordBatch.from_arrays(
        [_array(values_of(rows, name), *_type_of(kind, name)) for name in names], schema=schema_of(kind, names)
    )


def _array(values: Any, kind: pa.DataType, prepare: Callable[[Any], Any] | None) -> pa.Array:
    if prepare is not None:
        values = [None if value is None else prepare(value) for value in values]
    return pa.array(values, kind, from_pandas=True)


@lru_cache(maxsize=1024)
def _type_of(kind: type[Struct], name: str) -> tuple[pa.DataType, Callable[[Any], Any] | None]:
    """Return the type of a column, and what its values must go through first."""
    annotation = _given(get_type_hints(kind)[name])
    if annotation in _TYPES:
        return _TYPES[annotation], None
    if get_origin(annotation) is Literal and all(isinstance(value, str) for value in get_args(annotation)):
        return pa.string(), None
    return pa.string(), _text


def _given(annotation: Any) -> Any:
    """Return an annotation without what says that a value may be missing."""
    if get_origin(annotation) is Annotated:
        return _given(get_args(annotation)[0])
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return _given(parts[0]) if type(None) in get_args(annotation) and len(parts) == 1 else annotation


def _text(value: Any) -> str:
    """Return what JSON says of a value that has no column type of its own: a word as it is, else JSON text."""
    plain = msgspec.to_builtins(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
